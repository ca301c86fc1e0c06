"""One step of a recurrent network: the equations, and nothing else."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._checks import check_choice, check_equal, check_flags, check_float, check_rank
from jaxml.functional._dtypes import wide

ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu}


def rnn_cell(
    x: Float[Array, "B I"],
    h: Float[Array, "B H"],
    w_ih: Float[Array, "I H"],
    w_hh: Float[Array, "H H"],
    b_ih: Float[Array, " H"] | None = None,
    b_hh: Float[Array, " H"] | None = None,
    *,
    activation: Literal["tanh", "relu"] = "tanh",
) -> Float[Array, "B H"]:
    """One step of Elman's network, `h' = tanh(x w_ih + b_ih + h w_hh + b_hh)`.

    `x` is `(B, I)`, `h` is `(B, H)`, `w_ih` `(I, H)`, `w_hh` `(H, H)`, the transposes of PyTorch's; either bias,
    `(H,)`, may be `None`. With `activation="relu"` the units are rectified. Half precision: the products are rounded,
    what follows is computed in float32, and h' is rounded.

    Cost: `(I + H) H` multiply-adds for each row.

    Raises:
        TypeError: an array that is not floating point, or mixed dtypes.
        ValueError: a wrong rank, sizes that do not fit, or an unknown activation.

    >>> rnn_cell(jnp.ones((1, 1)), jnp.zeros((1, 2)), jnp.array([[0.0, 0.5]]), jnp.eye(2)).round(4).tolist()
    [[0.0, 0.46209999918937683]]
    """
    check_step("rnn_cell", 1, x, {"h": h}, w_ih, w_hh, b_ih, b_hh)
    check_choice("rnn_cell", "activation", activation, tuple(ACTIVATIONS))
    a = wide(project(x, w_ih, b_ih)) + wide(project(h, w_hh, b_hh))
    return ACTIVATIONS[activation](a).astype(h.dtype)


def lstm_cell(
    x: Float[Array, "B I"],
    h: Float[Array, "B P"],
    c: Float[Array, "B H"],
    w_ih: Float[Array, "I G"],
    w_hh: Float[Array, "P G"],
    b_ih: Float[Array, " G"] | None = None,
    b_hh: Float[Array, " G"] | None = None,
    *,
    w_hr: Float[Array, "H P"] | None = None,
    peephole: Float[Array, "3 H"] | None = None,
) -> tuple[Float[Array, "B P"], Float[Array, "B H"]]:
    """One step of a long short-term memory, `c' = f c + i g` and `h' = o tanh(c')`; returns `(h', c')`.

        [i, f, g, o] = x w_ih + b_ih + h w_hh + b_hh      then i, f, o through the sigmoid and g through tanh

    `x` is `(B, I)`, `h` and `c` `(B, H)`, `w_ih` `(I, 4H)`, `w_hh` `(H, 4H)`, either bias `(4H,)` or `None`: the gates
    in PyTorch's and Keras's order, the matrices the transposes of PyTorch's. `w_hr`, `(H, P)`, projects the output,
    `h' = (o tanh(c')) w_hr`, and then `h` is `(B, P)` and `w_hh` `(P, 4H)` (arXiv:1402.1128). `peephole`, `(3, H)`,
    lets the gates see the cell: its rows times c are added to i and f, its last row times c' to o (Gers and
    Schmidhuber 2000). Half precision: products are rounded, what follows is float32, and h' and c' are rounded.

    Cost: `4 (I + H) H` multiply-adds for each row; with a projection `4 (I + P) H + H P`.

    Raises:
        TypeError: an array that is not floating point, or mixed dtypes.
        ValueError: a wrong rank, or sizes that do not fit.

    >>> h, c = lstm_cell(*[jnp.ones((1, 1))] * 3, jnp.zeros((1, 4)), jnp.zeros((1, 4)))
    >>> h.shape, c.tolist()
    ((1, 1), [[0.5]])
    """
    check_step("lstm_cell", 4, x, {"h": h, "c": c}, w_ih, w_hh, b_ih, b_hh, w_hr=w_hr, peephole=peephole)
    gates = wide(project(x, w_ih, b_ih)) + wide(project(h, w_hh, b_hh))
    return lstm_state(gates, c, w_hr, peephole)


def gru_cell(
    x: Float[Array, "B I"],
    h: Float[Array, "B H"],
    w_ih: Float[Array, "I G"],
    w_hh: Float[Array, "H G"],
    b_ih: Float[Array, " G"] | None = None,
    b_hh: Float[Array, " G"] | None = None,
    *,
    reset_after: bool = True,
) -> Float[Array, "B H"]:
    """One step of a gated recurrent unit, `h' = (1 - z) n + z h`.

        r, z = sigmoid of their columns of x w_ih + b_ih + h w_hh + b_hh
        n = tanh(x w_in + b_in + r (h w_hn + b_hn))       or, not reset_after: tanh(x w_in + b_in + (r h) w_hn + b_hn)

    `x` is `(B, I)`, `h` `(B, H)`, `w_ih` `(I, 3H)`, `w_hh` `(H, 3H)`, either bias `(3H,)` or `None`: the gates in
    PyTorch's order r z n (Keras's is z r n), the matrices the transposes of PyTorch's. The reset gate after the product
    is PyTorch's, cuDNN's and Keras's default; before it, that of the paper, arXiv:1406.1078, whose z is 1 - z here.
    Half precision: products are rounded, what follows is computed in float32, and h' is rounded.

    Cost: `3 (I + H) H` multiply-adds for each row.

    Raises:
        TypeError: an array that is not floating point, or mixed dtypes.
        ValueError: a wrong rank, or sizes that do not fit.

    >>> gru_cell(jnp.ones((1, 1)), jnp.ones((1, 1)), jnp.zeros((1, 3)), jnp.zeros((1, 3))).tolist()
    [[0.5]]
    """
    check_step("gru_cell", 3, x, {"h": h}, w_ih, w_hh, b_ih, b_hh)
    check_flags("gru_cell", reset_after=reset_after)
    return gru_state(project(x, w_ih, b_ih), h, w_hh, b_hh, reset_after)


def project(x: Array, w: Array, b: Array | None) -> Array:
    """`x w + b`, of any number of leading axes."""
    y = jnp.matmul(x, w)
    return y if b is None else y + b.reshape((1,) * (y.ndim - 1) + b.shape)


def lstm_state(gates: Array, c: Array, w_hr: Array | None, peephole: Array | None) -> tuple[Array, Array]:
    """`(h', c')` from what goes into the gates, in the wide dtype."""
    old, dtype = wide(c), c.dtype
    i, f, g, o = jnp.split(gates, 4, -1)
    if peephole is not None:
        p_i, p_f, p_o = (wide(p).reshape(1, -1) for p in peephole)
        i, f = i + p_i * old, f + p_f * old
    new = jax.nn.sigmoid(f) * old + jax.nn.sigmoid(i) * jnp.tanh(g)
    if peephole is not None:
        o = o + p_o * new
    h = (jax.nn.sigmoid(o) * jnp.tanh(new)).astype(dtype)
    return h if w_hr is None else jnp.matmul(h, w_hr), new.astype(dtype)


def gru_state(
    projected: Array, h: Array, w_hh: Array, b_hh: Array | None, reset_after: bool, seen: Array | None = None
) -> Array:
    """`h'` from `x w_ih + b_ih`; `seen` is h as the products see it, h itself unless given."""
    size, old = h.shape[-1], wide(h)
    seen = h if seen is None else seen
    r_x, z_x, n_x = jnp.split(wide(projected), 3, -1)
    if reset_after:
        r_h, z_h, n_h = jnp.split(wide(project(seen, w_hh, b_hh)), 3, -1)
        n = jnp.tanh(n_x + jax.nn.sigmoid(r_x + r_h) * n_h)
    else:
        b_rz, b_n = (None, None) if b_hh is None else (b_hh[: 2 * size], b_hh[2 * size :])
        r_h, z_h = jnp.split(wide(project(seen, w_hh[:, : 2 * size], b_rz)), 2, -1)
        kept = (jax.nn.sigmoid(r_x + r_h) * wide(seen)).astype(h.dtype)
        n = jnp.tanh(n_x + wide(project(kept, w_hh[:, 2 * size :], b_n)))
    z = jax.nn.sigmoid(z_x + z_h)
    return (n + z * (old - n)).astype(h.dtype)


def check_step(
    name: str,
    gates: int,
    x: Array,
    state: dict[str, Array],
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    *,
    w_hr: Array | None = None,
    peephole: Array | None = None,
) -> None:
    """The shapes of one step."""
    optional = {"b_ih": b_ih, "b_hh": b_hh, "w_hr": w_hr, "peephole": peephole}
    check_float(name, optional, x=x, **state, w_ih=w_ih, w_hh=w_hh)
    check_rank(name, "x", x, 2, "(B, I)")
    size = check_weights(name, gates, x.shape[-1], w_ih, w_hh, b_ih, b_hh, w_hr, peephole)
    for label, a in state.items():
        features = w_hh.shape[0] if label == "h" else size
        check_equal(name, f"the shape of {label}", tuple(a.shape), (x.shape[0], features), x=x, w_ih=w_ih, w_hh=w_hh)


def check_weights(
    name: str,
    gates: int,
    features: int,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    w_hr: Array | None = None,
    peephole: Array | None = None,
) -> int:
    """The shapes of what is trained in a layer of inputs `(..., features)`; returns the number of units."""
    times = f"{gates}H" if gates > 1 else "H"
    check_rank(name, "w_ih", w_ih, 2, f"(I, {times})")
    check_rank(name, "w_hh", w_hh, 2, f"(H, {times})")
    check_equal(name, "the number of rows of w_ih", w_ih.shape[0], features, w_ih=w_ih)
    if w_ih.shape[1] == 0 or w_ih.shape[1] % gates:
        raise ValueError(
            f"{name}: w_ih must have {gates} columns for each unit, got {w_ih.shape[1]} (w_ih: {tuple(w_ih.shape)})"
        )
    size = w_ih.shape[1] // gates
    out = size
    if w_hr is not None:
        check_rank(name, "w_hr", w_hr, 2, "(H, P)")
        check_equal(name, "the number of rows of w_hr", w_hr.shape[0], size, w_ih=w_ih, w_hr=w_hr)
        out = w_hr.shape[1]
    check_equal(name, "the shape of w_hh", tuple(w_hh.shape), (out, gates * size), w_ih=w_ih, w_hh=w_hh)
    for label, b in (("b_ih", b_ih), ("b_hh", b_hh)):
        if b is not None:
            check_equal(name, f"the shape of {label}", tuple(b.shape), (gates * size,), w_ih=w_ih)
    if peephole is not None:
        check_equal(name, "the shape of peephole", tuple(peephole.shape), (3, size), w_ih=w_ih)
    return size
