"""Where a token stands: as a vector that is added, as a rotation, as a bias of the attention."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from jaxml.functional._checks import check_above, check_flags, check_float, check_positive, check_rank
from jaxml.functional._dtypes import wide


def _numbers(function: str, **positions: Array) -> list[Array]:
    """Positions as floating numbers: integers become float32, which holds them exactly up to 2^24."""
    out = []
    for name, p in positions.items():
        kind = getattr(p, "dtype", None)
        if kind is None or not (jnp.issubdtype(kind, jnp.floating) or jnp.issubdtype(kind, jnp.integer)):
            raise TypeError(f"{function}: {name} must be an array of numbers, got {kind or type(p).__name__}")
        out.append(p if jnp.issubdtype(p.dtype, jnp.floating) else p.astype(jnp.float32))
    return out


def _angles(positions: Array, features: int, base: float) -> Array:
    """`positions / base^(2i / features)`, a new last axis of `features / 2`."""
    rates = base ** (-np.arange(0, features, 2) / features)
    return wide(positions)[..., None] * jnp.asarray(rates, wide(positions).dtype).reshape((1,) * positions.ndim + (-1,))


def _check_even(function: str, what: str, features: int, base: float) -> None:
    check_above(function, "base", base, 0)
    if features % 2:
        raise ValueError(f"{function}: {what} must be even, got {features}")


def sinusoidal_positions(
    positions: Real[Array, "*shape"], *, features: int, base: float = 10000.0
) -> Float[Array, "*shape F"]:
    """Sines and cosines of positions, to be added to embeddings; `(...)` to `(..., features)`.

    `y[2i] = sin(p / base^(2i / features))` and `y[2i + 1]` the cosine, interleaved as in arXiv:1706.03762. Integer
    positions give float32.

    Raises:
        TypeError: `positions` is not an array of numbers.
        ValueError: `features` is not positive and even, or `base` is not positive.

    >>> sinusoidal_positions(jnp.arange(2), features=4)[0].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    name = "sinusoidal_positions"
    (positions,) = _numbers(name, positions=positions)
    check_positive(name, "features", (features,))
    _check_even(name, "features", features, base)
    angles = _angles(positions, features, base)
    y = jnp.stack([jnp.sin(angles), jnp.cos(angles)], -1)
    return y.reshape(*positions.shape, features).astype(positions.dtype)


def rotary_embedding(
    x: Float[Array, "B T N H"], positions: Real[Array, "..."] | None = None, *, base: float = 10000.0,
    interleaved: bool = False,
) -> Float[Array, "B T N H"]:  # fmt: skip
    """Rotate pairs of features by an angle that grows with the position, for queries and keys `(B, T, N, H)`.

    `(a, b) -> (a cos - b sin, a sin + b cos)` at the angle `p / base^(2i / H)`; arXiv:2104.09864. Products of a query
    and a key then depend on the distance of their positions alone. Pairs are `(i, i + H/2)` (GPT-NeoX, Llama in
    Transformers), or `(2i, 2i + 1)` if `interleaved` (the paper). `positions` is `(T,)` or `(B, T)`, 0, 1, ... unless
    given.

    Raises:
        TypeError: `x` is not floating point, `positions` not an array of numbers.
        ValueError: a wrong rank, `H` is odd, positions of another shape, or `base` is not positive.

    >>> rotary_embedding(jnp.ones((1, 2, 1, 2)))[0, 0, 0].tolist()
    [1.0, 1.0]
    """
    name = "rotary_embedding"
    check_float(name, x=x)
    check_rank(name, "x", x, 4, "(B, T, N, H)")
    check_flags(name, interleaved=interleaved)
    b, t, _, h = x.shape
    _check_even(name, "the last axis of x", h, base)
    (p,) = _numbers(name, positions=jnp.arange(t) if positions is None else positions)
    if tuple(p.shape) not in ((t,), (b, t)):
        raise ValueError(f"{name}: positions must be of shape {(t,)} or {(b, t)}, got {tuple(p.shape)}")
    wide_x = wide(x)
    angles = _angles(wide(p).astype(wide_x.dtype), h, base)
    angles = angles.reshape(*((1,) if p.ndim == 1 else ()), *p.shape, 1, h // 2)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    if interleaved:
        first, second = wide_x[..., ::2], wide_x[..., 1::2]
    else:
        first, second = wide_x[..., : h // 2], wide_x[..., h // 2 :]
    rotated = [first * cos - second * sin, first * sin + second * cos]
    y = jnp.stack(rotated, -1).reshape(x.shape) if interleaved else jnp.concatenate(rotated, -1)
    return y.astype(x.dtype)


def alibi(
    query_positions: Real[Array, " T"], source_positions: Real[Array, " S"], *, heads: int
) -> Float[Array, "1 N T S"]:
    """Bias of the attention that falls with distance, `-m_n |t - s|`, as `bias` of shape `(1, N, T, S)`.

    `m_n = 2^(-8 n / N)` for heads `n = 1 ... N` where `N` is a power of 2; otherwise those of the power below, then
    every other one of the power above, as the authors have it; arXiv:2108.12409. Integer positions give float32.

    Raises:
        TypeError: positions are not arrays of numbers, or of two dtypes.
        ValueError: positions have not 1 axis, or `heads` is not positive.

    >>> alibi(jnp.arange(2), jnp.arange(2), heads=8)[0, 0].tolist()
    [[0.0, -0.5], [-0.5, 0.0]]
    """
    q, s = _numbers("alibi", query_positions=query_positions, source_positions=source_positions)
    check_float("alibi", query_positions=q, source_positions=s)
    check_rank("alibi", "query_positions", q, 1, "(T,)")
    check_rank("alibi", "source_positions", s, 1, "(S,)")
    check_positive("alibi", "heads", (heads,))
    slopes = jnp.asarray(_slopes(heads), wide(q).dtype).reshape(1, -1, 1, 1)
    distance = jnp.abs(wide(q)[:, None] - wide(s)[None, :])
    return (slopes * (0 - distance[None, None])).astype(q.dtype)


def _slopes(heads: int) -> np.ndarray:
    power = 2 ** (heads.bit_length() - 1)
    below = 2.0 ** (-8 * np.arange(1, power + 1) / power)
    above = 2.0 ** (-8 * np.arange(1, 2 * power + 1, 2) / (2 * power))
    return np.concatenate([below, above])[:heads]
