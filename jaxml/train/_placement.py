"""Where arrays live: batches over the mesh's `data` axis, parameters replicated or cut over `data` and `model`."""

from collections.abc import Callable, Sized
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxml.train._batches import Arrays, Stream
from jaxml.train._processes import check_alike

Rule = Callable[[str, Any], P]  # rule(path, array) -> its PartitionSpec


class Placement:
    """The shardings of one run. Without a mesh everything stays where JAX puts it."""

    def __init__(self, mesh: Mesh | None, sharding: str | Rule | None):
        self.mesh, self.data, self.own = None, 1, 1
        if mesh is None and jax.process_count() > 1:
            mesh = jax.make_mesh((jax.device_count(),), ("data",))
        if mesh is None:
            if sharding is not None:
                raise ValueError("fit: sharding needs a mesh")
            return
        unknown = set(mesh.axis_names) - {"data", "model"}
        if "data" not in mesh.axis_names or unknown:
            raise ValueError(f"fit: mesh must have the axes 'data' and, if any, 'model', got {mesh.axis_names}")
        if sharding not in (None, "fsdp") and not callable(sharding):
            raise ValueError(f"fit: sharding must be None, 'fsdp' or a function of path and array, got {sharding!r}")
        absent = set(range(jax.process_count())) - {device.process_index for device in mesh.devices.flat}
        if absent:
            raise ValueError(f"fit: mesh must have devices of every process, got none of process {min(absent)}")
        # Automatic axes: the compiler chooses the collectives, whatever kind of axes the mesh was made with.
        self.mesh = Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * len(mesh.axis_names))
        sizes = dict(self.mesh.shape)
        self.data, model = sizes["data"], sizes.get("model", 1)
        # How many parts of a batch lie on this process's devices: all, unless there are several processes.
        axis, here = self.mesh.axis_names.index("data"), jax.process_index()
        self.own = len({i[axis] for i, d in np.ndenumerate(self.mesh.devices) if d.process_index == here})
        self.rule: Rule = sharding if callable(sharding) else _rule(self.data if sharding else 1, model)

    def check_batch(self, data: Arrays | Stream, accumulate: int) -> None:
        """Equal parts of the batch for every device, of every part of an accumulated step."""
        parts, own = accumulate, ""
        if self.mesh is not None:
            parts = accumulate * (self.data if data.whole else self.own)
            own = "" if data.whole else "a process's part of "
        if data.size % parts:
            factors = [] if self.mesh is None else [f"{own}the mesh's data axis, {parts // accumulate},"]
            factors += [f"accumulate={accumulate}"] if accumulate > 1 else []
            what = " x ".join(factors).rstrip(",")
            raise ValueError(f"fit: batch_size must be a multiple of {what}, got {data.size}")
        if jax.process_count() > 1 and isinstance(data, Stream) and data.steps is None:
            check_alike({"number of batches": str(_length(data))})

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

    def put(self, params: Any, state: Any, init: Callable[[Any], Any]) -> tuple[tuple[Any, Any, Any], Any]:
        """(params, state, init(params)) where they belong, and the shardings that say so, None without a mesh. All are
        copies: a step takes the memory of what it is given. `init` runs on parameters that are already cut, so that
        what it makes need not fit on one device."""
        if self.mesh is None:
            return jax.tree.map(jnp.copy, (params, state, init(params))), None
        specs, cut = self._of_params(params)
        whole = NamedSharding(self.mesh, P())
        shardings = cut, jax.tree.map(lambda _: whole, state), self._of_state(specs, jax.eval_shape(init, params))
        params, state = jax.tree.map(_put, (params, state), shardings[:2])
        made = jax.jit(lambda params: jax.tree.map(jnp.copy, init(params)), out_shardings=shardings[2])(params)
        return (params, state, made), shardings

    def _of_params(self, params: Any) -> tuple[dict[tuple[str, tuple[int, ...]], P], Any]:
        """The spec of each parameter, by its path and shape, and the tree of their shardings."""
        assert self.mesh is not None
        specs, shardings = {}, []
        for path, leaf in jax.tree.leaves_with_path(params):
            spec = self.rule(jax.tree_util.keystr(path, simple=True, separator="/"), leaf)
            if not isinstance(spec, P):
                raise ValueError(
                    f"fit: sharding of {jax.tree_util.keystr(path)} must be a jax.sharding.PartitionSpec, got {spec!r}"
                )
            try:
                shardings.append(NamedSharding(self.mesh, spec))
                shardings[-1].shard_shape(leaf.shape)
            except ValueError as error:
                raise ValueError(f"fit: sharding of {jax.tree_util.keystr(path)}: {error}") from None
            specs[jax.tree_util.keystr(path), leaf.shape] = spec
        return specs, jax.tree.structure(params).unflatten(shardings)

    def _of_state(self, specs: dict[tuple[str, tuple[int, ...]], P], opt_state: Any) -> Any:
        """An array of the optimizer that belongs to a parameter, by the end of its path and its shape, lies where the
        parameter does; the others are on every device."""
        assert self.mesh is not None
        mesh = self.mesh

        def of(path: Any, leaf: Any) -> NamedSharding:
            ends = ((jax.tree_util.keystr(path[i:]), leaf.shape) for i in range(len(path) + 1))
            return NamedSharding(mesh, next((specs[end] for end in ends if end in specs), P()))

        return jax.tree.map_with_path(of, opt_state)


def _put(a: Any, sharding: NamedSharding) -> Any:
    if jax.process_count() == 1:
        return jax.device_put(jnp.copy(a), sharding)
    if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_put(jax.random.key_data(a), sharding), impl=jax.random.key_impl(a))
    if isinstance(a, jax.Array) and not a.is_fully_addressable:  # an earlier run's
        return jax.jit(jnp.copy, out_shardings=sharding)(a)
    host = np.asarray(a)
    return jax.make_array_from_callback(host.shape, sharding, host.__getitem__)


def _length(data: Stream) -> int:
    """Batches in a pass. A process whose stream ends before the others' would leave them waiting for it."""
    if not isinstance(data.data, Sized):
        raise ValueError(
            f"fit: {data.name} is a stream without a length: in a run of several processes steps_per_epoch must say "
            f"how many batches each of them takes"
        )
    return len(data.data)


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
