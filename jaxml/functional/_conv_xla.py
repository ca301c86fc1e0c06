"""Convolution as XLA's own: the stock form, and the baseline of every benchmark."""

import jax
from jax import lax

from jaxml.functional._window import Window


def forward(x: jax.Array, w: jax.Array, window: Window, groups: int = 1) -> jax.Array:
    """`lax.conv_general_dilated`, channels last."""
    spatial = "DHW"[3 - len(window.kernel) :]
    return lax.conv_general_dilated(
        x,
        w,
        window_strides=window.stride,
        padding=window.pads,
        rhs_dilation=window.dilation,
        dimension_numbers=(f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"),
        feature_group_count=groups,
    )


def input_grad(g: jax.Array, w: jax.Array, window: Window) -> jax.Array:
    """d/dx, for one group, by JAX's own transpose of the convolution."""
    x = jax.typeof(g).update(shape=(g.shape[0], *window.spatial, w.shape[-2]))
    return jax.linear_transpose(lambda x: forward(x, w, window), x)(g)[0]


def weight_grad(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """d/dw, for one group, by JAX's own transpose of the convolution."""
    w = jax.typeof(g).update(shape=(*window.kernel, x.shape[-1], g.shape[-1]))
    return jax.linear_transpose(lambda w: forward(x, w, window), w)(g)[0]
