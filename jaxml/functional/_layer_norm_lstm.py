"""A long short-term memory with layer normalisation."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from jaxml.functional._checks import check_above, check_equal, check_flags, check_float, check_rank
from jaxml.functional._layer_norm import layer_norm
from jaxml.functional._recurrence import State, by_rows, check_lengths, recurrence, zero_padding
from jaxml.functional._recurrent_cells import check_step, check_weights


def layer_norm_lstm_cell(
    x: Float[Array, "B I"],
    h: Float[Array, "B H"],
    c: Float[Array, "B H"],
    w_ih: Float[Array, "I G"],
    w_hh: Float[Array, "H G"],
    b: Float[Array, " G"],
    scale_ih: Float[Array, " G"],
    scale_hh: Float[Array, " G"],
    scale_c: Float[Array, " H"],
    bias_c: Float[Array, " H"],
    *,
    eps: float = 1e-5,
) -> tuple[Float[Array, "B H"], Float[Array, "B H"]]:
    """One step of the LSTM of arXiv:1607.06450, whose products and cell are normalised; returns `(h', c')`.

        [i, f, g, o] = LN(x w_ih; scale_ih) + LN(h w_hh; scale_hh) + b
        c' = sigmoid(f) c + sigmoid(i) tanh(g)            h' = sigmoid(o) tanh(LN(c'; scale_c, bias_c))

    `x` is `(B, I)`, `h` and `c` `(B, H)`, `w_ih` `(I, 4H)`, `w_hh` `(H, 4H)`, `b`, `scale_ih` and `scale_hh` `(4H,)`,
    `scale_c` and `bias_c` `(H,)`; gates i f g o. Each LN is over all columns of its product, as in the paper.

    Cost: `4 (I + H) H` multiply-adds for each row.

    Raises:
        TypeError: an array that is not floating point, or mixed dtypes.
        ValueError: a wrong rank, sizes that do not fit, or `eps` that is not positive.

    >>> ones = jnp.ones(4)
    >>> args = [*[jnp.ones((1, 1))] * 3, jnp.zeros((1, 4)), jnp.zeros((1, 4)), 0 * ones, ones, ones, ones[:1], ones[:1]]
    >>> layer_norm_lstm_cell(*args)[1].tolist()
    [[0.5]]
    """
    name = "layer_norm_lstm_cell"
    check_step(name, 4, x, {"h": h, "c": c}, w_ih, w_hh, None, None)
    _check_scales(name, x, w_hh.shape[0], b, scale_ih, scale_hh, scale_c, bias_c, eps)
    return _step(x, h, c, (w_ih, w_hh, b, scale_ih, scale_hh, scale_c, bias_c), eps)


def layer_norm_lstm(
    x: Float[Array, "B T I"],
    w_ih: Float[Array, "I G"],
    w_hh: Float[Array, "H G"],
    b: Float[Array, " G"],
    scale_ih: Float[Array, " G"],
    scale_hh: Float[Array, " G"],
    scale_c: Float[Array, " H"],
    bias_c: Float[Array, " H"],
    *,
    h0: Float[Array, "B H"] | None = None,
    c0: Float[Array, "B H"] | None = None,
    lengths: Integer[Array, " B"] | None = None,
    reverse: bool = False,
    eps: float = 1e-5,
) -> tuple[Float[Array, "B T H"], tuple[Float[Array, "B H"], Float[Array, "B H"]]]:
    """`layer_norm_lstm_cell` over time; returns `(outputs, (h, c))`.

    `x` is `(B, T, I)`, the outputs are `(B, T, H)`, the states `(B, H)`. `h0`, `c0`, `lengths` and `reverse` are those
    of `lstm`. The gradient is autodiff's.

    Cost: `4 B T (I + H) H` multiply-adds.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or lengths that are not integers.
        ValueError: a wrong rank, sizes that do not fit, lengths outside [0, T], or `eps` that is not positive.

    >>> w = [jnp.ones((3, 16)), jnp.ones((4, 16)), jnp.zeros(16), jnp.ones(16), jnp.ones(16), jnp.ones(4), jnp.zeros(4)]
    >>> y, (h, c) = layer_norm_lstm(jnp.ones((2, 5, 3)), *w, lengths=jnp.array([5, 2]))
    >>> y.shape, float(y[1, 2:].sum())
    ((2, 5, 4), 0.0)
    """
    name = "layer_norm_lstm"
    check_float(name, {"h0": h0, "c0": c0}, x=x, w_ih=w_ih, w_hh=w_hh, b=b)
    check_rank(name, "x", x, 3, "(B, T, I)")
    size = check_weights(name, 4, x.shape[2], w_ih, w_hh, None, None)
    _check_scales(name, x, size, b, scale_ih, scale_hh, scale_c, bias_c, eps)
    check_flags(name, reverse=reverse)
    for label, state in (("h0", h0), ("c0", c0)):
        if state is not None:
            check_equal(name, f"the shape of {label}", tuple(state.shape), (x.shape[0], size), x=x, w_hh=w_hh)
    if lengths is not None:
        check_lengths(name, x, lengths)
        x = zero_padding(lengths, x)
    zero = jnp.zeros((x.shape[0], size), x.dtype)
    start = (zero if h0 is None else h0, zero if c0 is None else c0)
    weights = (w_ih, w_hh, b, scale_ih, scale_hh, scale_c, bias_c)

    def run(x: Array, start: State, weights: tuple[Array, ...], lengths: Array | None) -> tuple[Array, State]:
        def step(state: State, x: Array) -> tuple[State, Array]:
            h, c = state
            new = _step(x, h, c, weights, eps)
            return new, new[0]

        y, state = recurrence(step, start, jnp.swapaxes(x, 0, 1), lengths, reverse)
        return jnp.swapaxes(y, 0, 1), state

    y, (h, c) = by_rows(run, x, start, weights, lengths)
    return y, (h, c)


def _step(x: Array, h: Array, c: Array, weights: tuple[Array, ...], eps: float) -> tuple[Array, Array]:
    w_ih, w_hh, b, scale_ih, scale_hh, scale_c, bias_c = weights
    products = layer_norm(jnp.matmul(x, w_ih), scale_ih, eps=eps) + layer_norm(jnp.matmul(h, w_hh), scale_hh, eps=eps)
    i, f, g, o = jnp.split(products + b.reshape(1, -1), 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(layer_norm(c, scale_c, bias_c, eps=eps)), c


def _check_scales(
    name: str,
    x: Array,
    size: int,
    b: Array,
    scale_ih: Array,
    scale_hh: Array,
    scale_c: Array,
    bias_c: Array,
    eps: float,
) -> None:
    given = {"b": b, "scale_ih": scale_ih, "scale_hh": scale_hh, "scale_c": scale_c, "bias_c": bias_c}
    check_float(name, x=x, **given)
    check_above(name, "eps", eps, 0)
    for label, a in given.items():
        wanted = (size,) if label.endswith("_c") else (4 * size,)
        check_equal(name, f"the shape of {label}", tuple(a.shape), wanted)
