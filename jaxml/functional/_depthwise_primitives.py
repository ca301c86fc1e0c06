"""Depthwise convolution and its two gradients as three JAX primitives, each bilinear in its two arrays.

    conv(x, w) -> y          input_grad(g, w) -> dx          weight_grad(x, g) -> dw

Each one's derivative with respect to either argument is another of the three, so `grad`, `jvp`, `hessian` and any
nesting of them stay in the fast form; a `custom_vjp` would forbid forward mode. `vmap` folds the mapped axis into the
batch, or into the channels when each example has weights of its own (channels do not interact), and stays one call.

The implementation is a parameter: `"auto"` is resolved when the operation is *lowered*, where the platform is known,
so a function exported for several platforms gets on each what was measured there.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import PartitionSpec

from jaxml.functional import _depthwise_shift, _depthwise_xla
from jaxml.functional._dispatch import depthwise_choice
from jaxml.functional._isolate import isolated
from jaxml.functional._window import Window

IMPLEMENTATIONS = {"xla": _depthwise_xla, "shift": _depthwise_shift}


def conv(x: jax.Array, w: jax.Array, window: Window, implementation: str) -> jax.Array:
    """y (N, h, w, C*m) from x (N, H, W, C) and w (kh, kw, 1, C*m), on one device or many.

    Under a mesh with explicit axes the batch and the channels stay as they are sharded, and the compiler sees to the
    rest, the sum of d/dw over the devices included. Under `shard_map` both operands vary over the same axes, so that
    the derivative of a replicated one is summed over them.
    """
    bind = partial(conv_p.bind, window=window, implementation=implementation)
    x_axes, w_axes = jax.typeof(x).sharding.spec, jax.typeof(w).sharding.spec
    if any(axes is not None for axes in (*x_axes, *w_axes)):
        y_axes = PartitionSpec(x_axes[0], None, None, x_axes[3] if w_axes[3] is None else w_axes[3])
        return jax.sharding.auto_axes(bind, out_sharding=y_axes)(x, w)  # type: ignore[call-arg]
    return bind(varying_like(x, w), varying_like(w, x))


def varying_like(a: jax.Array, other: jax.Array) -> jax.Array:
    """`a`, varying over the axes of a `shard_map` over which `other` does."""
    missing = tuple(jax.typeof(other).manual_axis_type.varying - jax.typeof(a).manual_axis_type.varying)
    return lax.pcast(a, missing, to="varying") if missing else a


def _conv_shape(x: Any, w: Any, window: Window) -> tuple[Any, ...]:
    return (x.shape[0], *window.output, w.shape[-1])


def _input_shape(g: Any, w: Any, window: Window) -> tuple[Any, ...]:
    return (g.shape[0], *window.spatial, g.shape[-1] // window.multiplier)


def _weight_shape(x: Any, g: Any, window: Window) -> tuple[Any, ...]:
    return (*window.kernel, 1, g.shape[-1])


def _define(name: str, shape: Callable[[Any, Any, Window], tuple[Any, ...]]) -> Primitive:
    """A two-operand primitive whose result has the first operand's dtype and the given shape."""
    primitive = Primitive(f"depthwise_{name}")

    def abstract(a: Any, b: Any, *, window: Window, implementation: str) -> Any:
        return a.update(shape=shape(a, b, window), dtype=a.dtype, weak_type=False)

    def run(a: jax.Array, b: jax.Array, *, window: Window, implementation: str, platform: str | None) -> jax.Array:
        if implementation == "auto":
            implementation = depthwise_choice(platform, name, window)
        f = partial(getattr(IMPLEMENTATIONS[implementation], name), window=window)
        return isolated(f)(a, b) if implementation == "shift" else f(a, b)

    def plain(a: jax.Array, b: jax.Array, *, window: Window, implementation: str) -> jax.Array:
        return getattr(_depthwise_xla, name)(a, b, window)

    primitive.plain = plain  # type: ignore[attr-defined]  # for `jaxml.flops`: what it computes, in JAX's own terms
    primitive.def_abstract_eval(abstract)
    primitive.def_impl(jax.jit(primitive.bind, static_argnames=("window", "implementation")))
    mlir.register_lowering(primitive, mlir.lower_fun(partial(run, platform=None), multiple_results=False))
    mlir.register_lowering(
        primitive, mlir.lower_fun(partial(run, platform="cpu"), multiple_results=False), platform="cpu"
    )
    return primitive


conv_p = _define("forward", _conv_shape)
input_grad_p = _define("input_grad", _input_shape)
weight_grad_p = _define("weight_grad", _weight_shape)

# Transposes: from the cotangent of the result and the other operand, the cotangent of this one.
ad.defbilinear(
    conv_p,
    lambda ct, x, w, **kw: input_grad_p.bind(ct, w, **kw),
    lambda ct, x, w, **kw: weight_grad_p.bind(x, ct, **kw),
)
ad.defbilinear(
    input_grad_p,
    lambda ct, g, w, **kw: conv_p.bind(ct, w, **kw),
    lambda ct, g, w, **kw: weight_grad_p.bind(ct, g, **kw),
)
ad.defbilinear(
    weight_grad_p,
    lambda ct, x, g, **kw: input_grad_p.bind(g, ct, **kw),
    lambda ct, x, g, **kw: conv_p.bind(x, ct, **kw),
)


def _into(a: jax.Array, axis: int, source: int) -> jax.Array:
    """Fold the mapped axis `source` into `axis` of the unmapped array, as its major part."""
    a = jnp.moveaxis(a, source, axis)
    return a.reshape(*a.shape[:axis], a.shape[axis] * a.shape[axis + 1], *a.shape[axis + 2 :])


def _out_of(a: jax.Array, axis: int, size: int) -> jax.Array:
    """The inverse of `_into`: split the major part of `axis` off; it stays at `axis`."""
    return a.reshape(*a.shape[:axis], size, a.shape[axis] // size, *a.shape[axis + 1 :])


def _batch(primitive: Primitive, shares_batch: bool) -> None:
    """vmap: into the batch when only the image-like operand is mapped and the other is not; else into the channels."""

    def rule(operands: Any, axes: Any, **params: Any) -> tuple[jax.Array, int]:
        size = next(a.shape[d] for a, d in zip(operands, axes, strict=True) if d is not None)
        if shares_batch and axes[1] is None:
            a, b = operands
            return _out_of(primitive.bind(_into(a, 0, axes[0]), b, **params), 0, size), 0
        last = [a.ndim - (d is not None) - 1 for a, d in zip(operands, axes, strict=True)]
        folded = [
            _into(jnp.broadcast_to(a, (size, *a.shape)) if d is None else a, axis, 0 if d is None else d)
            for a, d, axis in zip(operands, axes, last, strict=True)
        ]
        out = primitive.bind(*folded, **params)
        return _out_of(out, out.ndim - 1, size), out.ndim - 1

    batching.primitive_batchers[primitive] = rule


_batch(conv_p, shares_batch=True)
_batch(input_grad_p, shares_batch=True)
_batch(weight_grad_p, shares_batch=False)
