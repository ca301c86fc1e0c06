"""A training step over a flat list of arrays: a call walks no trees, and one small array brings all figures home."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec

Augment = Callable[[Array, Any], Any]  # augment(key, x) -> x
PARTS = ("params", "state", "opt_state")


class FlatStep:
    """`leaves, packed = step(leaves, batch, number)`; `figures(packed)` are the step's metrics.

    Walking the trees of a model and its optimizer costs the host more than starting the program does. Random keys are
    plain numbers in the list, which is also what a checkpoint holds.

    `augment(key, x)` changes the inputs, with a key made of `seed` and the step's number: nothing more to be saved.

    Errors: `ValueError` where a step would not keep shapes, dtypes and trees, as its results are the next one's
    arguments.
    """

    def __init__(
        self,
        step: Callable[..., Any],
        carry: Sequence[Any],
        batch: Any,
        *,
        shardings: Any = None,
        augment: Augment | None = None,
        seed: int = 0,
    ):
        self.names = [
            part + jax.tree_util.keystr(path)
            for part, tree in zip(PARTS, carry, strict=True)
            for path, _ in jax.tree.leaves_with_path(tree)
        ]
        carry = jax.tree.map(_strong, tuple(carry))
        like, self.treedef = jax.tree.flatten(carry)
        self.keys = [jax.random.key_impl(leaf) if _is_key(leaf) else None for leaf in like]
        n_params = len(jax.tree.leaves(carry[0]))
        if augment is not None:
            step = _augmented(step, augment, seed)
        shapes = jax.eval_shape(step, *carry, batch)
        _check_carry(carry, shapes)
        self.metrics = list(shapes[3])

        def flat(leaves: list[Any], batch: Any, *number: Any) -> tuple[list[Any], Array]:
            *new, metrics = step(*self.carry(leaves), batch, *number)
            looked_at = [*leaves[:n_params], *jax.tree.leaves(batch[0])]
            values = [*metrics.values(), _first_bad(metrics["loss"], looked_at)]
            dtype = max((v.dtype for v in metrics.values()), key=lambda dtype: dtype.itemsize)
            return self.leaves(new), jnp.stack([v.astype(dtype) for v in values])

        out = None
        if shardings is not None:
            own = jax.tree.leaves(shardings)
            out = (
                own,
                NamedSharding(own[0].mesh, PartitionSpec()),
            )  # the figures on every device: each process reads them
        self.run = jax.jit(flat, donate_argnums=0, out_shardings=out)
        self.numbered = augment is not None
        self.looked_at = [*self.names[:n_params], *_names_of(batch[0])]

    def __call__(self, leaves: list[Any], batch: Any, number: int = 0) -> tuple[list[Any], Array]:
        return self.run(leaves, batch, np.uint32(number)) if self.numbered else self.run(leaves, batch)

    def figures(self, packed: Array) -> dict[str, float]:
        """Waits for the step."""
        return dict(zip(self.metrics, np.asarray(packed).tolist(), strict=False))

    def culprit(self, packed: Array) -> str:
        """Where a loss that is not finite came from."""
        index = int(np.asarray(packed)[-1])
        if index < 0:
            return "parameters and inputs were finite"
        return f"the first array that was not finite is {self.looked_at[index]}"

    def carry(self, leaves: list[Any]) -> tuple[Any, Any, Any]:
        """(params, state, opt_state) of a flat list."""
        pairs = zip(leaves, self.keys, strict=True)
        return self.treedef.unflatten(
            [a if impl is None else jax.random.wrap_key_data(a, impl=impl) for a, impl in pairs]
        )

    def leaves(self, carry: Sequence[Any]) -> list[Any]:
        """The flat list of (params, state, opt_state)."""
        leaves = jax.tree.leaves(tuple(carry))
        return [jax.random.key_data(leaf) if _is_key(leaf) else _strong(leaf) for leaf in leaves]


def _augmented(step: Callable[..., Any], augment: Augment, seed: int) -> Callable[..., Any]:
    """`step` on changed inputs; its last argument is the step's number."""

    def run(params: Any, state: Any, opt_state: Any, batch: Any, number: Any = 0) -> Any:
        key = jax.random.fold_in(jax.random.key(seed), number)
        return step(params, state, opt_state, (augment(key, batch[0]), *batch[1:]))

    return run


def first_not_finite(names: Sequence[str], leaves: Sequence[Any]) -> str | None:
    """The name of the first array with an entry that is not finite."""
    index = int(jax.jit(_index_of_bad)(list(leaves)))
    return None if index < 0 else names[index]


def _first_bad(loss: Array, arrays: list[Array]) -> Array:
    """The index of the first array with an entry that is not finite, or -1; looked for only where the loss is not."""
    return jax.lax.cond(jnp.isfinite(loss), lambda arrays: jnp.asarray(-1, jnp.int32), _index_of_bad, arrays)


def _index_of_bad(arrays: list[Array]) -> Array:
    bad = [~jnp.isfinite(a).all() if jnp.issubdtype(a.dtype, jnp.inexact) else jnp.asarray(False) for a in arrays]
    if not bad:
        return jnp.asarray(-1, jnp.int32)
    flags = jnp.stack(bad)
    return jnp.where(flags.any(), flags.argmax().astype(jnp.int32), -1)


def _strong(leaf: Any) -> Any:
    """Without JAX's mark of a Python number: a checkpoint would lose it, and the step compute in another dtype."""
    return jax.lax.convert_element_type(leaf, leaf.dtype) if getattr(leaf, "weak_type", False) else leaf


def _is_key(leaf: Any) -> bool:
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _names_of(x: Any) -> list[str]:
    return ["the batch's x" + jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(x)]


def _check_carry(before: Sequence[Any], after: Any) -> None:
    for name, old, new in zip(PARTS, before, after[:3], strict=True):
        old, new = jax.tree.flatten_with_path(old), jax.tree.flatten_with_path(new)
        if old[1] != new[1]:
            raise ValueError(f"fit: a step must keep the tree of {name}: {old[1]} became {new[1]}")
        for (path, a), (_, b) in zip(old[0], new[0], strict=True):
            if (a.shape, a.dtype) != (b.shape, b.dtype):
                at = name + jax.tree_util.keystr(path)
                raise ValueError(
                    f"fit: a step must keep shapes and dtypes: {at} went from {a.dtype}{a.shape} to {b.dtype}{b.shape}"
                )
