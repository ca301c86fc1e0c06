"""A convolution and its two gradients as three JAX primitives, each bilinear in its two arrays.

    forward(x, w) -> y          input_grad(g, w) -> dx          weight_grad(x, g) -> dw

Each one's derivative with respect to either argument is another of the three, so `grad`, `jvp`, `hessian` and any
nesting of them stay in the fast form; a `custom_vjp` would forbid forward mode.

The implementation is a parameter: `"auto"` is resolved when the operation is *lowered*, where the platform is known,
so a function exported for several platforms gets on each what was measured there.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, mlir
from jax.sharding import PartitionSpec

DIRECTIONS = ("forward", "input_grad", "weight_grad")

Shape = Callable[[Any, Any, Any], tuple[int, ...]]


def define(
    prefix: str, shapes: tuple[Shape, Shape, Shape], run: Callable[..., jax.Array], plain: Any
) -> tuple[Primitive, Primitive, Primitive]:
    """The three operations, named `prefix_forward` and so on, with their derivatives; batching is the caller's.

    `shapes` gives each one's result from its operands and the window, `run(direction, a, b, window, implementation,
    platform)` computes it, and `plain` has the three as functions of `(a, b, window)` in JAX's own terms, which is what
    `jaxml.flops` counts.
    """
    forward, input_grad, weight_grad = (
        _one(prefix, direction, shape, run, getattr(plain, direction))
        for direction, shape in zip(DIRECTIONS, shapes, strict=True)
    )
    # Transposes: from the cotangent of the result and the other operand, the cotangent of this one.
    ad.defbilinear(
        forward,
        lambda ct, x, w, **kw: input_grad.bind(ct, w, **kw),
        lambda ct, x, w, **kw: weight_grad.bind(x, ct, **kw),
    )
    ad.defbilinear(
        input_grad,
        lambda ct, g, w, **kw: forward.bind(ct, w, **kw),
        lambda ct, g, w, **kw: weight_grad.bind(ct, g, **kw),
    )
    ad.defbilinear(
        weight_grad,
        lambda ct, x, g, **kw: input_grad.bind(g, ct, **kw),
        lambda ct, x, g, **kw: forward.bind(x, ct, **kw),
    )
    return forward, input_grad, weight_grad


def _one(prefix: str, direction: str, shape: Shape, run: Callable[..., jax.Array], plain: Any) -> Primitive:
    """A two-operand primitive whose result has the first operand's dtype and the given shape."""
    primitive = Primitive(f"{prefix}_{direction}")

    def abstract(a: Any, b: Any, *, window: Any, implementation: str) -> Any:
        return a.update(shape=shape(a, b, window), dtype=a.dtype, weak_type=False)

    def lowered(platform: str | None) -> Any:
        def call(a: jax.Array, b: jax.Array, *, window: Any, implementation: str) -> jax.Array:
            return run(direction, a, b, window, implementation, platform)

        return mlir.lower_fun(call, multiple_results=False)

    primitive.plain = lambda a, b, *, window, implementation: plain(a, b, window)  # type: ignore[attr-defined]
    primitive.def_abstract_eval(abstract)
    primitive.def_impl(jax.jit(primitive.bind, static_argnames=("window", "implementation")))
    mlir.register_lowering(primitive, lowered(None))
    mlir.register_lowering(primitive, lowered("cpu"), platform="cpu")
    return primitive


def bind(primitive: Primitive, x: jax.Array, w: jax.Array, channels: Any, **params: Any) -> jax.Array:
    """The convolution of x (N, ..., C) with w, on one device or many.

    Under a mesh with explicit axes the batch stays as it is sharded and the result's channels are sharded along
    `channels`; the compiler sees to the rest, the sum of d/dw over the devices included. Under `shard_map` both
    operands vary over the same axes, so that the derivative of a replicated one is summed over them.
    """
    call = partial(primitive.bind, **params)
    x_axes, w_axes = jax.typeof(x).sharding.spec, jax.typeof(w).sharding.spec
    if any(axes is not None for axes in (*x_axes, *w_axes)):
        y_axes = PartitionSpec(x_axes[0], *(None,) * (x.ndim - 2), channels)
        return jax.sharding.auto_axes(call, out_sharding=y_axes)(x, w)  # type: ignore[call-arg]
    return call(varying_like(x, w), varying_like(w, x))


def varying_like(a: jax.Array, other: jax.Array) -> jax.Array:
    """`a`, varying over the axes of a `shard_map` over which `other` does."""
    missing = tuple(jax.typeof(other).manual_axis_type.varying - jax.typeof(a).manual_axis_type.varying)
    return lax.pcast(a, missing, to="varying") if missing else a


def into(a: jax.Array, axis: int, source: int) -> jax.Array:
    """Fold the mapped axis `source` into `axis` of the unmapped array, as its major part."""
    a = jax.numpy.moveaxis(a, source, axis)
    return a.reshape(*a.shape[:axis], a.shape[axis] * a.shape[axis + 1], *a.shape[axis + 2 :])


def out_of(a: jax.Array, axis: int, size: int) -> jax.Array:
    """The inverse of `into`: split the major part of `axis` off; it stays at `axis`."""
    return a.reshape(*a.shape[:axis], size, a.shape[axis] // size, *a.shape[axis + 1 :])
