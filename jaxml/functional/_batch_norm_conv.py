"""Batch normalisation, an activation and a convolution as one, for networks that are trained in little memory."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import jax
from jaxtyping import Array, Float

from jaxml.functional._activations_piecewise import relu
from jaxml.functional._batch_norm import checked_operands, new_statistics, normalised
from jaxml.functional._channels import as_rows
from jaxml.functional._checks import check_float
from jaxml.functional._conv import conv2d
from jaxml.functional._recompute import recomputed


def batch_norm_conv(
    x: Float[Array, "*batch C"],
    mean: Float[Array, " C"],
    var: Float[Array, " C"],
    scale: Float[Array, " C"] | None,
    bias: Float[Array, " C"] | None,
    w: Float[Array, "*kernel"],
    *,
    train: bool,
    activation: Callable[[Array], Array] = relu,
    conv: Callable[[Array, Array], Array] = conv2d,
    momentum: float = 0.9,
    eps: float = 1e-5,
    axis_name: str | None = None,
    scope: str | None = None,
) -> tuple[Float[Array, "*out O"], Float[Array, " C"], Float[Array, " C"]]:
    """Convolve the activation of a batch-normalised x, and keep x alone for the backward pass.

        z, new_mean, new_var = batch_norm(x, mean, var, scale, bias)          y = conv(activation(z), w)

    Shapes: x `(..., C)`; mean, var, scale, bias `(C,)`; w and y as `conv` has them -> y, new_mean `(C,)`, new_var
    `(C,)`. `conv` is any function linear in each of its two arrays, with its options bound: `conv1d` to `conv3d`,
    `partial(depthwise_conv2d, stride=2)`, `pointwise_conv2d`, `linear`. `activation` is elementwise. `scope` is a
    `jax.named_scope` for all but `conv`, so that a profile tells the two apart. The other options are those of
    `batch_norm`.

    Value and derivatives are those of the three calls one after the other, to rounding. But written so, the layer keeps
    `activation(z)` for the gradient by w beside the x that batch norm needs: here it is computed again when its turn in
    the backward pass comes. A network of such layers trains in half the memory, and on a CPU faster, since memory that
    is never asked for costs no page faults.

    Cost: the MACs of `conv`; the backward pass normalises once more.

    Errors: as `batch_norm`, and those of `conv` as `batch_norm_conv: conv2d: ...`; TypeError for an activation or a
    conv that is no function.

    Source: In-place activated batch norm, arXiv 1712.02616, recomputes from the output; this recomputes from x, so any
    activation will do.

    >>> import jax.numpy as jnp
    >>> x, zero, one = jnp.ones((1, 4, 4, 2)), jnp.zeros(2), jnp.ones(2)
    >>> batch_norm_conv(x, zero, one, None, None, jnp.ones((1, 1, 2, 3)), train=True)[0].shape
    (1, 4, 4, 3)
    """
    f = "batch_norm_conv"
    for option, value in {"activation": activation, "conv": conv}.items():
        if not callable(value):
            raise TypeError(f"{f}: {option} must be a function, got {type(value).__name__}")
    if not isinstance(scope, str | None):
        raise TypeError(f"{f}: scope must be a string or None, got {scope!r}")
    named = nullcontext if scope is None else partial(jax.named_scope, scope)
    with named():
        scale, bias = checked_operands(f, x, mean, var, scale, bias, momentum, eps)
        check_float(f, x=x, w=w)
        rows = as_rows(x)
        statistics, mean, var = new_statistics(f, rows, mean, var, train, momentum, axis_name)

    def produce(rows: Array, *operands: Array) -> Array:
        with named():
            return activation(normalised(rows, *operands, eps=eps))

    def convolve(z: Array, w: Array) -> Array:
        try:
            return conv(z.reshape(x.shape), w)
        except (TypeError, ValueError) as error:  # of `conv`, by its own name, which alone says which function that was
            if type(error) not in (TypeError, ValueError):
                raise
            raise type(error)(f"{f}: {error}") from error

    return recomputed(produce, convolve)(w, rows, *statistics, scale, bias), mean, var
