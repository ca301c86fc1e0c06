"""Where arrays live: batches over the mesh's `data` axis, parameters replicated or cut over `data` and `model`."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

Rule = Callable[[str, Any], P]  # rule(path, array) -> its PartitionSpec


class Placement:
    """The shardings of one run. Without a mesh everything stays where JAX puts it."""

    def __init__(self, mesh: Mesh | None, sharding: str | Rule | None):
        if mesh is None:
            if sharding is not None:
                raise ValueError("fit: sharding needs a mesh")
            self.mesh = None
            return
        unknown = set(mesh.axis_names) - {"data", "model"}
        if "data" not in mesh.axis_names or unknown:
            raise ValueError(f"fit: mesh must have the axes 'data' and, if any, 'model', got {mesh.axis_names}")
        if sharding not in (None, "fsdp") and not callable(sharding):
            raise ValueError(f"fit: sharding must be None, 'fsdp' or a function of path and array, got {sharding!r}")
        # Automatic axes: the compiler chooses the collectives, whatever kind of axes the mesh was made with.
        self.mesh = Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * len(mesh.axis_names))
        sizes = dict(self.mesh.shape)
        self.data, model = sizes["data"], sizes.get("model", 1)
        self.rule: Rule = sharding if callable(sharding) else _rule(self.data if sharding else 1, model)

    def check_batch(self, size: int, accumulate: int) -> None:
        """Equal parts of the batch for every device, of every part of an accumulated step."""
        if size % accumulate:
            raise ValueError(f"fit: batch_size must be a multiple of accumulate={accumulate}, got {size}")
        if self.mesh is not None and size // accumulate % self.data:
            raise ValueError(
                f"fit: batch_size must be a multiple of the mesh's data axis times accumulate, "
                f"{self.data} x {accumulate}, got {size}"
            )

    def batch(self, batch: Any, whole: bool) -> Any:
        """The global batch: of a process's `whole` copy of it, or of each process's own part."""
        if self.mesh is None:
            return batch
        sharding = NamedSharding(self.mesh, P("data"))
        if jax.process_count() == 1:
            return jax.device_put(batch, sharding)
        if whole:
            return jax.tree.map(lambda a: jax.make_array_from_callback(a.shape, sharding, a.__getitem__), batch)
        return jax.tree.map(lambda a: jax.make_array_from_process_local_data(sharding, np.asarray(a)), batch)

    def shardings(self, params: Any, state: Any, opt_state: Any) -> Any:
        """A tree of shardings. An array of the optimizer that belongs to a parameter lies where the parameter does."""
        assert self.mesh is not None
        mesh, specs = self.mesh, {}
        for path, leaf in jax.tree.leaves_with_path(params):
            spec = self.rule(jax.tree_util.keystr(path, simple=True, separator="/"), leaf)
            try:
                NamedSharding(mesh, spec).shard_shape(leaf.shape)
            except ValueError as error:
                raise ValueError(f"fit: sharding of {jax.tree_util.keystr(path)}: {error}") from None
            specs[jax.tree_util.keystr(path), leaf.shape] = spec

        def of(path: Any, leaf: Any) -> NamedSharding:
            name = jax.tree_util.keystr(path)
            own = (spec for (end, shape), spec in specs.items() if name.endswith(end) and shape == leaf.shape)
            return NamedSharding(mesh, next(own, P()))

        replicated = jax.tree.map(lambda _: NamedSharding(mesh, P()), state)
        return jax.tree.map_with_path(of, params), replicated, jax.tree.map_with_path(of, opt_state)

    def put(self, carry: Any) -> Any:
        """(params, state, opt_state), copied to where they belong: a step takes the memory of what it is given."""
        if self.mesh is None:
            return jax.tree.map(jax.numpy.copy, carry)
        return jax.tree.map(_put, carry, self.shardings(*carry))


def _put(a: Any, sharding: NamedSharding) -> Any:
    if jax.process_count() == 1:
        return jax.device_put(jax.numpy.copy(a), sharding)
    if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_put(jax.random.key_data(a), sharding), impl=jax.random.key_impl(a))
    host = np.asarray(a)
    return jax.make_array_from_callback(host.shape, sharding, host.__getitem__)


def _rule(data: int, model: int) -> Rule:
    """The last axis over `model`, the largest other over `data`, wherever they divide evenly."""

    def rule(path: str, array: Any) -> P:
        del path
        names: list[str | None] = [None] * array.ndim
        if model > 1 and array.ndim and array.shape[-1] % model == 0 and array.shape[-1] >= model:
            names[-1] = "model"
        free = [i for i, n in enumerate(array.shape) if names[i] is None and n % data == 0 and n >= data]
        if data > 1 and free:
            names[max(free, key=lambda i: array.shape[i])] = "data"
        return P(*names)

    return rule
