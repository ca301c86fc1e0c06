"""Functions with a right gradient written out by hand: what the mutations break.

Every pull-back takes `(args, cotangent)` and returns one cotangent for each argument. The same code runs in every
dtype, and under JAX's strict promotion.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .case import with_vjp


@dataclass(frozen=True, eq=False)
class Base:
    """`f` and its pull-back; `draw(rng, n)` makes float64 arguments, `sizes` are the n worth trying."""

    name: str
    f: Callable[..., Any]
    pull: Callable[[tuple[Any, ...], Any], tuple[Any, ...]]
    draw: Callable[[np.random.Generator, int], tuple[Any, ...]]
    sizes: tuple[int, ...]


def normal(*shape: Any) -> Callable[[np.random.Generator, int], tuple[Any, ...]]:
    """One normal array; an axis given as "n" has the size of the case."""
    return lambda rng, n: (rng.standard_normal([n if s == "n" else s for s in shape]),)


def silu_slope(x: Any) -> Any:
    s = jax.nn.sigmoid(x)
    return s * (1 + x * (1 - s))


def linear_pull(args: Any, c: Any) -> tuple[Any, ...]:
    x, w, _ = args
    return c @ w.T, x.T @ c, c.sum(0)


def mlp(params: Any, x: Any) -> Any:
    hidden = jnp.tanh(x @ params["w1"] + params["b1"][None])
    return hidden @ params["w2"] + params["b2"][None]


def mlp_pull(args: Any, c: Any) -> tuple[Any, ...]:
    params, x = args
    hidden = jnp.tanh(x @ params["w1"] + params["b1"][None])
    d = (c @ params["w2"].T) * (1 - hidden**2)
    return {"b1": d.sum(0), "b2": c.sum(0), "w1": x.T @ d, "w2": hidden.T @ c}, d @ params["w1"].T


def mlp_draw(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    hidden = 1024 if n == 784 else n + 2
    w1, w2 = rng.standard_normal((n, hidden)) / np.sqrt(n), rng.standard_normal((hidden, 1)) / np.sqrt(hidden)
    b1, b2 = 0.1 * rng.standard_normal(hidden), 0.1 * rng.standard_normal(1)
    return {"b1": b1, "b2": b2, "w1": w1, "w2": w2}, rng.standard_normal((4, n))


def conv(x: Any, w: Any) -> Any:
    """3x3, no padding, by taps: `y = sum over (i, j) of x shifted by (i, j) @ w[i, j]`."""
    h, v = x.shape[1] - 2, x.shape[2] - 2
    return sum(x[:, i : i + h, j : j + v] @ w[i, j] for i in range(3) for j in range(3))


def conv_pull(args: Any, c: Any) -> tuple[Any, ...]:
    x, w = args
    h, v = c.shape[1:3]
    dx, dw = jnp.zeros_like(x), jnp.zeros_like(w)
    for i in range(3):
        for j in range(3):
            dx = dx.at[:, i : i + h, j : j + v].add(c @ w[i, j].T)
            dw = dw.at[i, j].set(jnp.einsum("bhwc,bhwd->cd", x[:, i : i + h, j : j + v], c))
    return dx, dw


def softmax_pull(args: Any, c: Any) -> tuple[Any, ...]:
    y = jax.nn.softmax(args[0])
    return (y * (c - (y * c).sum(-1, keepdims=True)),)


def _standardised(x: Any, axis: int) -> tuple[Any, Any]:
    centred = x - x.mean(axis, keepdims=True)
    inverse = lax.rsqrt((centred**2).mean(axis, keepdims=True) + 1e-2)
    return centred * inverse, inverse


def norm_along(axis: int) -> Callable[..., Any]:
    """Layer norm (axis 1) or batch norm in training (axis 0) of a matrix, with scale and bias by column."""
    return lambda x, scale, bias: _standardised(x, axis)[0] * scale[None] + bias[None]


def norm_pull(axis: int, *, statistics: bool = True) -> Callable[[Any, Any], tuple[Any, ...]]:
    """Without `statistics`, mean and variance are mistaken for constants."""

    def pull(args: Any, c: Any) -> tuple[Any, ...]:
        x, scale, _ = args
        y, inverse = _standardised(x, axis)
        d = c * scale[None]
        if statistics:
            d = d - d.mean(axis, keepdims=True) - y * (d * y).mean(axis, keepdims=True)
        return d * inverse, (c * y).sum(0), c.sum(0)

    return pull


def norm_draw(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    return rng.standard_normal((4, n)) + 0.5, 1 + 0.2 * rng.standard_normal(n), 0.2 * rng.standard_normal(n)


def _weights(q: Any, k: Any, causal: bool) -> Any:
    scores = (q @ k.T) / np.sqrt(q.shape[-1]).item()
    if causal:
        scores = jnp.where(np.tril(np.ones(scores.shape, bool)), scores, jnp.finfo(scores.dtype).min)
    return jax.nn.softmax(scores)


def attention(q: Any, k: Any, v: Any) -> Any:
    return _weights(q, k, True) @ v


def attention_pull(args: Any, c: Any, *, causal: bool = True, scaled: bool = True) -> tuple[Any, ...]:
    q, k, v = args
    p = _weights(q, k, causal)
    dp = c @ v.T
    ds = p * (dp - (p * dp).sum(-1, keepdims=True))
    if scaled:
        ds = ds / np.sqrt(q.shape[-1]).item()
    return ds @ k, ds.T @ q, p.T @ c


def _gates(params: Any, x: Any, h: Any) -> tuple[Any, ...]:
    z = x @ params["w_ih"] + h @ params["w_hh"] + params["b"][None]
    i, f, g, o = jnp.split(z, 4, axis=-1)
    return jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)


def lstm(params: Any, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    i, f, g, o = _gates(params, x, h)
    new = f * c + i * g
    return o * jnp.tanh(new), new


def lstm_pull(args: Any, cotangent: Any, *, swap: bool = False, cell: bool = True) -> tuple[Any, ...]:
    params, x, h, c = args
    i, f, g, o = _gates(params, x, h)
    t = jnp.tanh(f * c + i * g)
    dh, dc = cotangent
    dc = dc + dh * o * (1 - t**2) if cell else dh * o * (1 - t**2)
    parts = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * t * o * (1 - o)]
    if swap:
        parts[0], parts[1] = parts[1], parts[0]
    z = jnp.concatenate(parts, axis=-1)
    return {"b": z.sum(0), "w_hh": h.T @ z, "w_ih": x.T @ z}, z @ params["w_ih"].T, z @ params["w_hh"].T, dc * f


def lstm_draw(rng: np.random.Generator, n: int) -> tuple[Any, ...]:
    params = {"b": rng.standard_normal(4 * n), "w_hh": rng.standard_normal((n, 4 * n)) / np.sqrt(n)}
    params["w_ih"] = rng.standard_normal((n, 4 * n)) / np.sqrt(n)
    return params, *(rng.standard_normal((2, n)) for _ in range(3))


def rnn(a: Any, x: Any) -> Any:
    """`h_t = tanh(a * h_(t-1) + x_t)` for all t, by a scan."""

    def step(h: Any, x: Any) -> tuple[Any, Any]:
        h = jnp.tanh(a * h + x)
        return h, h

    return lax.scan(step, jnp.zeros_like(x[0]), x)[1]


def rnn_pull(args: Any, c: Any, *, through_time: bool = True) -> tuple[Any, ...]:
    a, x = args
    h = rnn(a, x)
    before = jnp.concatenate([jnp.zeros_like(h[:1]), h[:-1]])

    def step(carry: Any, t: Any) -> tuple[Any, Any]:
        c, h, before = t
        d = (c + carry) * (1 - h**2)
        return (d * a if through_time else jnp.zeros_like(d)), (d, d * before)

    _, (dx, da) = lax.scan(step, jnp.zeros_like(a), (c, h, before), reverse=True)
    return da.sum(0), dx


def masked_mean(x: Any, mask: Any) -> Any:
    return jnp.where(mask, x**2, 0).sum() / mask.sum().astype(x.dtype)


def masked_mean_pull(args: Any, c: Any, *, masked: bool = True, counted: bool = True) -> tuple[Any, ...]:
    x, mask = args
    count = mask.sum().astype(x.dtype) if counted else x.size
    d = 2 * x * (c / count)
    return (jnp.where(mask, d, 0) if masked else d), None


def cross_entropy(logits: Any, labels: Any) -> Any:
    chosen = jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    return jax.nn.logsumexp(logits, axis=1) - chosen


def cross_entropy_pull(args: Any, c: Any) -> tuple[Any, ...]:
    logits, labels = args
    return (jax.nn.softmax(logits) - jax.nn.one_hot(labels, logits.shape[1], dtype=logits.dtype)) * c[:, None], None


def embedding_pull(args: Any, c: Any) -> tuple[Any, ...]:
    table, ids = args
    return jnp.zeros_like(table).at[ids].add(c), None


def inverse_pull(args: Any, c: Any) -> tuple[Any, ...]:
    y = jnp.linalg.inv(args[0])
    return (-(y.T @ c @ y.T),)


def normalise_pull(args: Any, c: Any) -> tuple[Any, ...]:
    (x,) = args
    r = jnp.sqrt((x**2).sum())
    y = x / r
    return ((c - y * (c * y).sum()) / r,)


def scaled_pull(args: Any, c: Any) -> tuple[Any, ...]:
    (tree,) = args
    wave = jnp.sin(tree["x"])
    return ({"scale": (c * wave).sum(), "x": c * tree["scale"] * jnp.cos(tree["x"])},)


LADDER = (1, 7, 100, 10_000, 1_000_000)
BASES = {
    base.name: base
    for base in [
        Base("sin", jnp.sin, lambda a, c: (c * jnp.cos(a[0]),), normal("n"), LADDER),
        Base("silu", jax.nn.silu, lambda a, c: (c * silu_slope(a[0]),), normal("n"), LADDER),
        Base("mean_square", lambda x: (x**2).mean(), lambda a, c: (2 * a[0] * (c / a[0].size),), normal("n"), LADDER),
        Base("sum_square", lambda x: (x**2).sum(), lambda a, c: (2 * c * a[0],), normal("n"), LADDER),
        Base("sum_exp", lambda x: jnp.exp(x).sum(), lambda a, c: (c * jnp.exp(a[0]),), normal("n"), LADDER),
        Base("cumsum", jnp.cumsum, lambda a, c: (jnp.cumsum(c[::-1])[::-1],), normal("n"), (7, 100)),
        Base("normalise", lambda x: x / jnp.sqrt((x**2).sum()), normalise_pull, normal("n"), (7, 100)),
        Base("softmax", jax.nn.softmax, softmax_pull, normal(3, "n"), (7, 1000)),
        Base(
            "scaled_sin",
            lambda tree: tree["scale"] * jnp.sin(tree["x"]),
            scaled_pull,
            lambda rng, n: ({"scale": np.array(1.3), "x": rng.standard_normal(n)},),
            (7, 1_000_000),
        ),
        Base(
            "linear",
            lambda x, w, b: x @ w + b[None],
            linear_pull,
            lambda rng, n: (rng.standard_normal((4, n)), rng.standard_normal((n, n)), rng.standard_normal(n)),
            (3, 100, 1000),
        ),
        Base("mlp", mlp, mlp_pull, mlp_draw, (5, 784)),
        Base(
            "conv",
            conv,
            conv_pull,
            lambda rng, n: (rng.standard_normal((2, n, n, 2)), rng.standard_normal((3, 3, 2, 3)) / 4),
            (5, 32),
        ),
        Base("layer_norm", norm_along(1), norm_pull(1), norm_draw, (6, 1000)),
        Base("batch_norm", norm_along(0), norm_pull(0), norm_draw, (6, 1000)),
        Base(
            "attention",
            attention,
            attention_pull,
            lambda rng, n: tuple(rng.standard_normal((n, 4)) for _ in range(3)),
            (5, 64),
        ),
        Base("lstm", lstm, lstm_pull, lstm_draw, (3, 32)),
        Base("rnn", rnn, rnn_pull, lambda rng, n: (rng.uniform(0.2, 0.9, n), rng.standard_normal((6, n))), (3, 1000)),
        Base(
            "masked_mean",
            masked_mean,
            masked_mean_pull,
            lambda rng, n: (rng.standard_normal(n), np.arange(n) % 3 != 1),
            (7, 10_000),
        ),
        Base(
            "cross_entropy",
            cross_entropy,
            cross_entropy_pull,
            lambda rng, n: (2 * rng.standard_normal((n, 5)), np.arange(n, dtype=np.int32) % 5),
            (4, 1000),
        ),
        Base(
            "embedding",
            lambda table, ids: jnp.sin(table)[ids],
            lambda a, c: (embedding_pull(a, c)[0] * jnp.cos(a[0]), None),
            lambda rng, n: (rng.standard_normal((n, 3)), np.arange(2 * n, dtype=np.int32) % n),
            (5, 10_000),
        ),
        Base(
            "inverse", jnp.linalg.inv, inverse_pull, lambda rng, n: (rng.standard_normal((n, n)) + 3 * np.eye(n),), (3,)
        ),
        Base("log", jnp.log, lambda a, c: (c / a[0],), lambda rng, n: (10.0 ** np.linspace(-6, 6, n),), (7, 100)),
    ]
}
REAL_ONLY_REVERSE = frozenset({"masked_mean", "cross_entropy", "embedding"})  # integer arguments: tangents are float0
RIGHT = {name: with_vjp(base.f, base.pull) for name, base in BASES.items()}
