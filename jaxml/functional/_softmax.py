"""Softmax and its logarithm, defined for every input: the arithmetic that the cross entropies share."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from jaxml.functional._checks import check_equal, check_float
from jaxml.functional._dtypes import wide, wide_dtype
from jaxml.functional._guarded import guarded


def scalars(dtype: DTypeLike, *numbers: float) -> list[Array]:
    """Numbers that XLA does not know to be constants, for where that would cost it an array of them.

    XLA:CPU fuses no clamp into a sum, which it makes of two constant bounds; and of a constant that a sum and another
    loop both compare with it writes an array, beyond the cache slower than the sum.
    """
    return jax.lax.optimization_barrier([jnp.asarray(number, dtype) for number in numbers])


def clipped(x: Array, limit: float) -> Array:
    """`jnp.clip(x, -limit, limit)` whose derivative is not for use."""
    low, high = scalars(x.dtype, -limit, limit)  # the negative of one would be a computation that the sum waits for
    return jnp.minimum(jnp.maximum(x, low), high)


@jax.custom_jvp
def finite(x: Array) -> Array:
    """Read an infinity as the largest finite number of its sign.

    The derivative is 1 everywhere, at ±inf too: a loss at an infinite logit keeps the gradient it has in the limit,
    where that of the plain reference, `jnp.clip(x, -max, max)`, would be 0 or half.
    """
    return clipped(x, float(jnp.finfo(x.dtype).max))


finite.defjvps(lambda tangent, _, x: tangent)


@jax.custom_jvp
def below(x: Array, top: Array) -> Array:
    """`x - top` for the largest entries `top`, finite: infinities are read as the largest numbers, as `finite` does.

    The derivative is 1 everywhere. Each of the two bounds is one-sided, as XLA:CPU fuses a maximum and no clipping.
    """
    limit = float(jnp.finfo(x.dtype).max)
    return jnp.maximum(jnp.minimum(x, limit) - top, jnp.maximum(-limit - top, -limit))


@below.defjvp
def _below_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return below(*primals), tangents[0] - tangents[1]


def check_where(function: str, where: Array | None) -> None:
    """A mask is boolean: an integer or float one is nearly always a weight, which `where` is not."""
    kind = getattr(where, "dtype", type(where).__name__)
    if where is not None and kind != jnp.bool_:
        raise TypeError(f"{function}: where must be boolean, got {kind}")


def shifted_exponentials(x: Array, axis: int, where: Array | None) -> tuple[Array, Array, Array]:
    """`s = x - max(x)`, `e = exp(s)` (0 where masked) and `sum(e)` (1 where all is masked); all finite, whatever `x`.

    Infinite entries count as equally large: several +inf share the probability, and so do entries that are all -inf.
    """
    if where is not None:
        x = jnp.where(where, x, jnp.finfo(x.dtype).min)
    shifted = below(x, finite(jax.lax.stop_gradient(jnp.max(x, axis, keepdims=True))))
    exponentials = jnp.exp(shifted)
    if where is not None:
        exponentials = jnp.where(where, exponentials, 0)
    total = jnp.sum(exponentials, axis, keepdims=True)
    if where is not None:
        total = jnp.where(jnp.any(where, axis, keepdims=True), total, 1)
    return shifted, exponentials, total


def _checked(function: str, x: Array, axis: int, where: Array | None) -> None:
    check_float(function, x=x)
    check_where(function, where)
    if where is not None:
        check_equal(function, "the shape of where", tuple(where.shape), tuple(x.shape), x=x, where=where)
    if not isinstance(axis, int) or not -x.ndim <= axis < x.ndim:
        raise ValueError(f"{function}: axis {axis} does not exist (x: {tuple(x.shape)})")
    if x.shape[axis] == 0:
        raise ValueError(f"{function}: axis {axis} must not be empty (x: {tuple(x.shape)})")


def softmax(
    x: Float[Array, "*shape"], *, axis: int = -1, where: Bool[Array, "*shape"] | None = None
) -> Float[Array, "*shape"]:
    """Normalised exponentials, `y_i = exp(x_i) / Σ_j exp(x_j)` along `axis`, of any shape.

    Entries where `where` is False are left out and get 0; so does a row that is masked completely. -inf gets 0, several
    +inf share the 1 equally, and so do the entries of a row that is -inf throughout. Nothing is ever NaN but by a NaN.

    Raises:
        TypeError: `x` is not floating point, `where` not boolean.
        ValueError: shapes differ, `axis` is empty or does not exist.

    >>> softmax(jnp.array([-jnp.inf, 2.0, 2.0, 7.0]), where=jnp.array([True, True, True, False])).tolist()
    [0.0, 0.5, 0.5, 0.0]
    """
    _checked("softmax", x, axis, where)
    y = _whole_softmax(wide(x), axis) if where is None else _softmax(wide(x), axis=axis, where=where)
    return y.astype(x.dtype)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _whole_softmax(x: Array, axis: int) -> Array:
    return guarded(_top, _softmax, x, finish=_plain_softmax, axis=axis)


@_whole_softmax.defjvp
def _whole_softmax_jvp(axis: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = _whole_softmax(*primals, axis)
    dy = y * tangents[0]
    return y, dy - y * jnp.sum(dy, axis, keepdims=True)


def _top(x: Array, *, axis: int) -> Array:
    return jnp.max(x, axis, keepdims=True)


def _plain_softmax(top: Array, x: Array, *, axis: int) -> Array:
    exponentials = jnp.exp(x - top)
    return exponentials / jnp.sum(exponentials, axis, keepdims=True)


def _softmax(x: Array, *, axis: int, where: Array | None = None) -> Array:
    _, exponentials, total = shifted_exponentials(x, axis, where)
    return exponentials / total


def log_softmax(
    x: Float[Array, "*shape"], *, axis: int = -1, where: Bool[Array, "*shape"] | None = None
) -> Float[Array, "*shape"]:
    """Logarithm of `softmax`, `y_i = x_i - log Σ_j exp(x_j)` along `axis`, of any shape.

    The same rules hold as there; a probability that is exactly 0 (a masked entry, -inf beside a finite number) gives
    -inf, to which no gradient flows.

    Raises:
        TypeError: `x` is not floating point, `where` not boolean.
        ValueError: shapes differ, `axis` is empty or does not exist.

    >>> log_softmax(jnp.array([-jnp.inf, 2.0])).tolist()
    [-inf, 0.0]
    """
    _checked("log_softmax", x, axis, where)
    if where is None:
        y = guarded(_moderate_top, _log_softmax, x, finish=_plain_log_softmax, shared=True, axis=axis)
    else:
        y = _log_softmax(x, axis=axis, where=where)
    return y.astype(x.dtype)


def _moderate_top(x: Array, *, axis: int) -> Array:
    """The largest entries times `_room`: finite where no finite entry is infinitely far below them."""
    return jnp.max(wide(x), axis, keepdims=True) * _room(x)


def _plain_log_softmax(scaled: Array, x: Array, *, axis: int) -> Array:
    shifted = wide(x) - scaled / _room(x)
    return shifted - jnp.log(jnp.sum(jnp.exp(shifted), axis, keepdims=True))


def _room(x: Array) -> float:
    """A power of two. What is below the largest number by more than this factor is nothing beside it."""
    return 2.0 ** (jnp.finfo(wide_dtype(x.dtype)).nmant + 4)


def _log_softmax(x: Array, *, axis: int, where: Array | None = None) -> Array:
    x = wide(x)
    shifted, exponentials, total = shifted_exponentials(x, axis, where)
    largest = jnp.max(x, axis, keepdims=True, initial=-jnp.inf, where=where)
    impossible = (exponentials == 0) & ((x == -jnp.inf) | (largest == jnp.inf))
    if where is not None:
        impossible = impossible | ~where
    return jnp.where(impossible, -jnp.inf, shifted - jnp.log(total))
