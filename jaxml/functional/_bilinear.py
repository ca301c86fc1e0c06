"""The bilinear layer."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.functional._checks import check_equal, check_float, check_rank, check_some_axis


def bilinear(
    x1: Float[Array, "*batch I"],
    x2: Float[Array, "*batch J"],
    w: Float[Array, "I J O"],
    b: Float[Array, " O"] | None = None,
) -> Float[Array, "*batch O"]:
    """Bilinear map of two last axes, `y_o = x1ᵀ W_o x2 + b_o`.

    `x1` is `(..., I)`, `x2` is `(..., J)`, `w` is `(I, J, O)` (PyTorch's is `(O, I, J)`), `b` is `(O,)` or `None`.

    Cost: `I * J * O` multiply-adds for each row, and `J * O`.

    Raises:
        TypeError: an array that is not floating point, or mixed dtypes.
        ValueError: a wrong rank, or sizes that do not fit.

    >>> bilinear(jnp.array([1.0, 2.0]), jnp.array([3.0]), jnp.array([[[1.0]], [[10.0]]])).tolist()
    [63.0]
    """
    name = "bilinear"
    check_float(name, {"b": b}, x1=x1, x2=x2, w=w)
    check_rank(name, "w", w, 3, "(I, J, O)")
    for label, x, size in (("x1", x1, w.shape[0]), ("x2", x2, w.shape[1])):
        if x.ndim == 0:
            check_some_axis(name, x, "(..., I)")
        check_equal(name, f"the last axis of {label}", x.shape[-1], size, x1=x1, x2=x2, w=w)
    check_equal(name, "the batch of x2", tuple(x2.shape[:-1]), tuple(x1.shape[:-1]), x1=x1, x2=x2)
    y = jnp.einsum("...jo,...j->...o", jnp.einsum("...i,ijo->...jo", x1, w), x2)
    if b is None:
        return y
    check_equal(name, "the shape of b", tuple(b.shape), (w.shape[2],), w=w, b=b)
    return y + b.reshape((1,) * (y.ndim - 1) + b.shape)
