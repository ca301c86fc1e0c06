"""Gated linear units: one half of an axis times an activation of the other. The second half is the gate everywhere.

Where a checkpoint has the gate in front, as LLaMA's does, exchange the halves of the weight once.
"""

import jax
from jax import lax
from jaxtyping import Array, Float

from jaxml.functional._activations import gelu, silu
from jaxml.functional._checks import check_equal, check_flags, check_float


def _halves(function: str, x: Array, axis: int) -> tuple[Array, Array]:
    check_float(function, x=x)
    if not isinstance(axis, int) or not -x.ndim <= axis < x.ndim:
        raise ValueError(f"{function}: axis {axis} does not exist (x: {tuple(x.shape)})")
    check_equal(function, f"the size of axis {axis} modulo 2", x.shape[axis] % 2, 0, x=x)
    # Slices: the transpose of a split is a concatenation, before which XLA writes both halves out.
    half = x.shape[axis] // 2
    return lax.slice_in_dim(x, 0, half, axis=axis), lax.slice_in_dim(x, half, None, axis=axis)


def glu(x: Float[Array, "..."], *, axis: int = -1) -> Float[Array, "..."]:
    """Gated linear unit, `a * sigmoid(b)` where `a` and `b` are the halves of `x` along `axis`.

    `(..., 2 C)` gives `(..., C)`. arXiv:1612.08083.

    Raises:
        ValueError: the size of `axis` is odd.

    >>> glu(jnp.array([3.0, 4.0, 0.0, 0.0])).tolist()
    [1.5, 2.0]
    """
    a, b = _halves("glu", x, axis)
    return a * jax.nn.sigmoid(b)


def geglu(x: Float[Array, "..."], *, axis: int = -1, approximate: bool = True) -> Float[Array, "..."]:
    """Linear unit gated by `gelu`, `a * gelu(b)` where `a` and `b` are the halves of `x` along `axis`.

    `(..., 2 C)` gives `(..., C)`. arXiv:2002.05202.
    `approximate` is that of `gelu`; PyTorch's GEGLU layers mostly take False.

    Raises:
        ValueError: the size of `axis` is odd.

    >>> geglu(jnp.array([3.0, 4.0, 0.0, -jnp.inf])).tolist()
    [0.0, -0.0]
    """
    check_flags("geglu", approximate=approximate)
    a, b = _halves("geglu", x, axis)
    return a * gelu(b, approximate=approximate)


def reglu(x: Float[Array, "..."], *, axis: int = -1) -> Float[Array, "..."]:
    """Linear unit gated by `relu`, `a * max(b, 0)` where `a` and `b` are the halves of `x` along `axis`.

    `(..., 2 C)` gives `(..., C)`. arXiv:2002.05202.
    The derivative of the gate at 0 is 0.

    Raises:
        ValueError: the size of `axis` is odd.

    >>> reglu(jnp.array([3.0, 4.0, 2.0, -1.0])).tolist()
    [6.0, 0.0]
    """
    a, b = _halves("reglu", x, axis)
    return a * jax.nn.relu(b)


def swiglu(x: Float[Array, "..."], *, axis: int = -1) -> Float[Array, "..."]:
    """Linear unit gated by `silu`, `a * silu(b)` where `a` and `b` are the halves of `x` along `axis`.

    `(..., 2 C)` gives `(..., C)`. arXiv:2002.05202.

    Raises:
        ValueError: the size of `axis` is odd.

    >>> swiglu(jnp.array([3.0, 4.0, 0.0, -jnp.inf])).tolist()
    [0.0, -0.0]
    """
    a, b = _halves("swiglu", x, axis)
    return a * silu(b)
