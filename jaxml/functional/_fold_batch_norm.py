"""A trained batch norm, made part of the layer before it."""

from jax import lax
from jaxtyping import Array, Float

from jaxml.functional._checks import check_above, check_equal, check_float
from jaxml.functional._dtypes import wide


def fold_batch_norm(
    w: Float[Array, "*kernel O"],
    b: Float[Array, " O"] | None,
    mean: Float[Array, " O"],
    var: Float[Array, " O"],
    scale: Float[Array, " O"] | None = None,
    bias: Float[Array, " O"] | None = None,
    *,
    eps: float = 1e-5,
) -> tuple[Float[Array, "*kernel O"], Float[Array, " O"]]:
    """Kernel and bias of one layer that does what a layer and the batch norm behind it do in evaluation.

        factor = scale / sqrt(var + eps)        w * factor, (b - mean) * factor + bias

    Shapes: w `(..., O)`; b, mean, var, scale, bias `(O,)` -> w like the old one, b `(O,)`. Outputs are the last axis of
    every kernel here, so this is for `linear`, `conv1d` to `conv3d`, with groups too, `depthwise_conv2d`,
    `pointwise_conv2d` and the transposed convolutions. Give the `eps` that the batch norm has. A batch norm in front of
    a convolution cannot be folded so where there is padding. Half precision: float32 inside, rounded once; the
    statistics may be float32; the new b has w's dtype.

    Raises:
        TypeError: arrays that are not floating point, statistics of two dtypes.
        ValueError: `w` without an axis, shapes that are not `(O,)`, or `eps` not positive.

    >>> import jax.numpy as jnp
    >>> w, b = fold_batch_norm(jnp.array([[1.0, 2.0]]), None, jnp.array([1.0, -1.0]), jnp.array([4.0, 1.0]), eps=1e-12)
    >>> w.tolist(), b.tolist()
    ([[0.5, 2.0]], [-0.5, 1.0])
    """
    f = "fold_batch_norm"
    check_float(f, {"b": b}, w=w)
    check_float(f, {"scale": scale, "bias": bias}, mean=mean, var=var)
    if w.ndim == 0:
        raise ValueError(f"{f}: w must have at least 1 axis (..., O), got 0 (w: ())")
    for name, a in {"b": b, "mean": mean, "var": var, "scale": scale, "bias": bias}.items():
        if a is not None:
            check_equal(f, f"the shape of {name}", tuple(a.shape), w.shape[-1:], w=w)
    check_above(f, "eps", eps, 0)
    wide_w = wide(w)
    dtype = wide_w.dtype
    factor = lax.rsqrt(var.astype(dtype) + eps)
    factor = factor if scale is None else factor * scale.astype(dtype)
    start = -mean.astype(dtype) if b is None else b.astype(dtype) - mean.astype(dtype)
    new_b = start * factor if bias is None else start * factor + bias.astype(dtype)
    new_w = wide_w * factor.reshape((1,) * (w.ndim - 1) + factor.shape)
    return new_w.astype(w.dtype), new_b.astype(w.dtype)
