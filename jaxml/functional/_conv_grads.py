"""The two gradients of a convolution as functions of their own: with respect to its input and to its kernel."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
from jaxtyping import Array, Float

from jaxml.functional._adjoint import adjoint
from jaxml.functional._checks import check_equal, check_float, check_positive, check_rank
from jaxml.functional._conv import convolve
from jaxml.functional._explicit import along
from jaxml.functional._padding import Padding, to_tuple


def conv1d_input_grad(
    dy: Float[Array, "N w O"],
    w: Float[Array, "kw C_group O"],
    *,
    input_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float[Array, "N W C"]:
    """From the gradient `(N, w, O)` of a `conv1d`'s result that of its input; see `conv2d_input_grad`.

    >>> conv1d_input_grad(jnp.ones((1, 5, 4)), jnp.ones((3, 2, 4)), input_size=9, stride=2).shape
    (1, 9, 2)
    """
    return _input_grad("conv1d_input_grad", "(N, W, C)", dy, w, input_size, stride, padding, dilation, groups)


def conv2d_input_grad(
    dy: Float[Array, "N h w O"],
    w: Float[Array, "kh kw C_group O"],
    *,
    input_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float[Array, "N H W C"]:
    """From the gradient `dy` of a `conv2d`'s result that of its input, whose spatial size is `input_size`.

        dx[n, o*s + i*d - before, p*s + j*d - before, c] += dy[n, o, p, k] * w[i, j, c, k]

    The options are the convolution's. Shapes: dy `(N, h, w, O)`, w `(kh, kw, C/groups, O)` -> `(N, H, W, C)`.
    It runs what `jax.grad` of `conv2d` runs.

    Cost: N*h*w*kh*kw*(C/groups)*O MACs, as the convolution.

    Errors: as `conv2d`; and ValueError where dy has not the shape of the convolution's result.

    >>> conv2d_input_grad(jnp.ones((1, 4, 4, 5)), jnp.ones((3, 3, 2, 5)), input_size=(7, 8), stride=2).shape
    (1, 7, 8, 2)
    """
    return _input_grad("conv2d_input_grad", "(N, H, W, C)", dy, w, input_size, stride, padding, dilation, groups)


def conv3d_input_grad(
    dy: Float[Array, "N d h w O"],
    w: Float[Array, "kd kh kw C_group O"],
    *,
    input_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float[Array, "N D H W C"]:
    """From the gradient `(N, d, h, w, O)` of a `conv3d`'s result that of its input; see `conv2d_input_grad`.

    >>> conv3d_input_grad(jnp.ones((1, 2, 2, 2, 5)), jnp.ones((3, 3, 3, 2, 5)), input_size=4, stride=2).shape
    (1, 4, 4, 4, 2)
    """
    return _input_grad("conv3d_input_grad", "(N, D, H, W, C)", dy, w, input_size, stride, padding, dilation, groups)


def conv1d_weight_grad(
    x: Float[Array, "N W C"],
    dy: Float[Array, "N w O"],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float[Array, "kw C_group O"]:
    """From the gradient `(N, w, O)` of a `conv1d`'s result that of its kernel; see `conv2d_weight_grad`.

    >>> conv1d_weight_grad(jnp.ones((1, 9, 2)), jnp.ones((1, 5, 4)), window=3, stride=2).shape
    (3, 2, 4)
    """
    return _weight_grad("conv1d_weight_grad", "(N, W, C)", x, dy, window, stride, padding, dilation, groups)


def conv2d_weight_grad(
    x: Float[Array, "N H W C"],
    dy: Float[Array, "N h w O"],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float[Array, "kh kw C_group O"]:
    """From the gradient `dy` of a `conv2d`'s result that of its kernel, whose spatial size is `window`.

        dw[i, j, c, k] = sum_nop x[n, o*s + i*d - before, p*s + j*d - before, c] * dy[n, o, p, k]

    The options are the convolution's. Shapes: x `(N, H, W, C)`, dy `(N, h, w, O)` -> `(kh, kw, C/groups, O)`.
    It runs what `jax.grad` of `conv2d` runs.

    Cost: N*h*w*kh*kw*(C/groups)*O MACs, as the convolution.

    Errors: as `conv2d`; and ValueError where dy has not the shape of the convolution's result.

    >>> conv2d_weight_grad(jnp.ones((1, 7, 8, 2)), jnp.ones((1, 4, 4, 5)), window=3, stride=2).shape
    (3, 3, 2, 5)
    """
    return _weight_grad("conv2d_weight_grad", "(N, H, W, C)", x, dy, window, stride, padding, dilation, groups)


def conv3d_weight_grad(
    x: Float[Array, "N D H W C"],
    dy: Float[Array, "N d h w O"],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float[Array, "kd kh kw C_group O"]:
    """From the gradient `(N, d, h, w, O)` of a `conv3d`'s result that of its kernel; see `conv2d_weight_grad`.

    >>> conv3d_weight_grad(jnp.ones((1, 4, 4, 4, 2)), jnp.ones((1, 2, 2, 2, 5)), window=3, stride=2).shape
    (3, 3, 3, 2, 5)
    """
    return _weight_grad("conv3d_weight_grad", "(N, D, H, W, C)", x, dy, window, stride, padding, dilation, groups)


def _input_grad(f, form, dy, w, input_size, stride, padding, dilation, groups) -> jax.Array:
    n = form.count(",") - 1
    check_float(f, dy=dy, w=w)
    check_rank(f, "dy", dy, n + 2, form.replace("C", "O"))
    check_rank(f, "w", w, n + 2, f"({', '.join(['k'] * n)}, C_in/groups, C_out)")
    check_positive(f, "groups", (groups,))
    x = (dy.shape[0], *to_tuple(f, "input_size", input_size, n), w.shape[-2] * groups)
    conv = partial(convolve, f, form, b=None, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return along(dy, lambda w, dy: _adjoint(f, lambda x: conv(x, w), x, dy), w, dy)


def _weight_grad(f, form, x, dy, window, stride, padding, dilation, groups) -> jax.Array:
    n = form.count(",") - 1
    check_float(f, x=x, dy=dy)
    check_rank(f, "x", x, n + 2, form)
    check_rank(f, "dy", dy, n + 2, form.replace("C", "O"))
    check_positive(f, "groups", (groups,))
    w = (*to_tuple(f, "window", window, n), max(x.shape[-1] // groups, 1), dy.shape[-1])
    conv = partial(convolve, f, form, b=None, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return along(None, lambda x, dy: _adjoint(f, lambda w: conv(x, w), w, dy), x, dy)


def _adjoint(f: str, conv: Callable[[jax.Array], jax.Array], shape: tuple[int, ...], dy: jax.Array) -> jax.Array:
    want = jax.eval_shape(conv, jax.ShapeDtypeStruct(shape, dy.dtype)).shape
    check_equal(f, "the shape of dy", dy.shape, want)
    return adjoint(conv, shape, dy)
