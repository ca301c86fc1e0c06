"""Meshes whose axes are explicit, where JAX asks for the sharding of a result that it cannot tell from the operands."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, PartitionSpec


def along(like: jax.Array | None, f: Callable[..., Any], *arrays: jax.Array | None) -> Any:
    """`f(*arrays)`; on a mesh with explicit axes its results are sharded along their first axis as `like` is.

    What happens inside is then left to the compiler, as it is on every other mesh, where this is a plain call; `f` must
    not close over arrays. Along their other axes the results are whole, and along all of them if `like` is `None`.
    """
    if AxisType.Explicit not in jax.sharding.get_abstract_mesh().axis_types:
        return f(*arrays)
    first = PartitionSpec() if like is None else PartitionSpec(*jax.typeof(like).sharding.spec[:1])
    whole = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), arrays)
    shardings = jax.tree.map(lambda _: first, jax.eval_shape(f, *whole))
    return jax.sharding.auto_axes(f, out_sharding=shardings)(*arrays)
