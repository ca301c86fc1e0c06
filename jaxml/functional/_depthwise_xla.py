"""Depthwise convolution as XLA's own grouped convolution: the stock form, and the baseline of every benchmark."""

import jax

from jaxml.functional import _conv_xla
from jaxml.functional._window import Window


def forward(x: jax.Array, w: jax.Array, window: Window) -> jax.Array:
    """XLA's convolution with one group for each input channel."""
    return _conv_xla.forward(x, w, window, groups=x.shape[-1])


def input_grad(g: jax.Array, w: jax.Array, window: Window) -> jax.Array:
    """d/dx by JAX's own transpose of the convolution."""
    shape = (g.shape[0], *window.spatial, g.shape[-1] // window.multiplier)
    return jax.linear_transpose(lambda x: forward(x, w, window), jax.typeof(g).update(shape=shape))(g)[0]


def weight_grad(x: jax.Array, g: jax.Array, window: Window) -> jax.Array:
    """d/dw by JAX's own transpose of the convolution."""
    shape = (*window.kernel, 1, g.shape[-1])
    return jax.linear_transpose(lambda w: forward(x, w, window), jax.typeof(g).update(shape=shape))(g)[0]
