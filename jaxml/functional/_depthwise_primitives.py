"""Depthwise convolution and its two gradients as three primitives (see `_bilinear_primitives`).

`vmap` folds the mapped axis into the batch, or into the channels when each example has weights of its own (channels do
not interact), and stays one call.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import batching

from jaxml.functional import _depthwise_shift, _depthwise_xla
from jaxml.functional._bilinear_primitives import bind, define, into, out_of
from jaxml.functional._dispatch import depthwise_choice
from jaxml.functional._isolate import isolated
from jaxml.functional._window import Window

IMPLEMENTATIONS = {"xla": _depthwise_xla, "shift": _depthwise_shift}


def conv(x: jax.Array, w: jax.Array, window: Window, implementation: str) -> jax.Array:
    """y (N, h, w, C*m) from x (N, H, W, C) and w (kh, kw, 1, C*m), on one device or many."""
    x_axes, w_axes = jax.typeof(x).sharding.spec, jax.typeof(w).sharding.spec
    channels = x_axes[3] if w_axes[3] is None else w_axes[3]
    return bind(conv_p, x, w, channels, window=window, implementation=implementation)


def _run(direction: str, a: jax.Array, b: jax.Array, window: Window, implementation: str, platform: str | None):
    if implementation == "auto":
        implementation = depthwise_choice(platform, direction, window)
    f = getattr(IMPLEMENTATIONS[implementation], direction)
    return isolated(f, a, b, window=window) if implementation == "shift" else f(a, b, window=window)


conv_p, input_grad_p, weight_grad_p = define(
    "depthwise",
    (
        lambda x, w, window: (x.shape[0], *window.output, w.shape[-1]),
        lambda g, w, window: (g.shape[0], *window.spatial, g.shape[-1] // window.multiplier),
        lambda x, g, window: (*window.kernel, 1, g.shape[-1]),
    ),
    _run,
    _depthwise_xla,
)


def _batch(primitive: Primitive, shares_batch: bool) -> None:
    """vmap: into the batch when only the image-like operand is mapped and the other is not; else into the channels."""

    def rule(operands: Any, axes: Any, **params: Any) -> tuple[jax.Array, int]:
        size = next(a.shape[d] for a, d in zip(operands, axes, strict=True) if d is not None)
        if shares_batch and axes[1] is None:
            a, b = operands
            return out_of(primitive.bind(into(a, 0, axes[0]), b, **params), 0, size), 0
        last = [a.ndim - (d is not None) - 1 for a, d in zip(operands, axes, strict=True)]
        folded = [
            into(jnp.broadcast_to(a, (size, *a.shape)) if d is None else a, axis, 0 if d is None else d)
            for a, d, axis in zip(operands, axes, last, strict=True)
        ]
        out = primitive.bind(*folded, **params)
        return out_of(out, out.ndim - 1, size), out.ndim - 1

    batching.primitive_batchers[primitive] = rule


_batch(conv_p, shares_batch=True)
_batch(input_grad_p, shares_batch=True)
_batch(weight_grad_p, shares_batch=False)
