"""3x3 convolution of stride 1 or 2 and its two gradients as three primitives (see `_bilinear_primitives`).

`vmap` over images alone folds the mapped axis into the batch; with a kernel for each example it becomes XLA's grouped
convolution, whose derivatives are JAX's own.
"""

from functools import partial
from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import batching
from jax.typing import DTypeLike

from jaxml.functional import _conv_xla, _winograd
from jaxml.functional._bilinear_primitives import bind, define, into, out_of
from jaxml.functional._dispatch import winograd_choice
from jaxml.functional._isolate import isolated
from jaxml.functional._window import Window

IMPLEMENTATIONS = {"xla": _conv_xla, "winograd": _winograd}


def conv(x: jax.Array, w: jax.Array, window: Window, implementation: str) -> jax.Array:
    """y (N, h, w, O) from x (N, H, W, C) and w (3, 3, C, O), on one device or many."""
    return bind(conv_p, x, w, jax.typeof(w).sharding.spec[3], window=window, implementation=implementation)


def choice(platform: str | None, direction: str, n: Any, channels: Any, window: Window, dtype: DTypeLike) -> str:
    """What `"auto"` is for `direction` with n images and these input and output channels."""
    numbers = n * _winograd.numbers(window)
    return winograd_choice(platform, direction, numbers, channels, max(window.stride), dtype)


def _run(direction: str, a: jax.Array, b: jax.Array, window: Window, implementation: str, platform: str | None):
    if implementation == "auto":
        channels = (a.shape[-1], b.shape[-1]) if direction == "weight_grad" else b.shape[-2:]
        implementation = choice(platform, direction, a.shape[0], channels, window, a.dtype)
    f = getattr(IMPLEMENTATIONS[implementation], direction)
    return isolated(f, a, b, window=window) if implementation == "winograd" else f(a, b, window=window)


conv_p, input_grad_p, weight_grad_p = define(
    "conv2d",
    (
        lambda x, w, window: (x.shape[0], *window.output, w.shape[-1]),
        lambda g, w, window: (g.shape[0], *window.spatial, w.shape[-2]),
        lambda x, g, window: (*window.kernel, x.shape[-1], g.shape[-1]),
    ),
    _run,
    _conv_xla,
)


def _batch(primitive: Primitive, direction: str) -> None:
    def rule(operands: Any, axes: Any, *, window: Window, implementation: str) -> tuple[jax.Array, int]:
        if direction == "weight_grad" or axes[1] is not None:
            f = partial(getattr(_conv_xla, direction), window=window)
            return jax.vmap(f, axes)(*operands), 0
        a, b = operands
        out = primitive.bind(into(a, 0, axes[0]), b, window=window, implementation=implementation)
        return out_of(out, 0, a.shape[axes[0]]), 0

    batching.primitive_batchers[primitive] = rule


_batch(conv_p, "forward")
_batch(input_grad_p, "input_grad")
_batch(weight_grad_p, "weight_grad")
