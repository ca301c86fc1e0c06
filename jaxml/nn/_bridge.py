"""The bridge from Flax NNX modules to pure functions: the one file that splits and merges them."""

from collections.abc import Callable, Container, Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxml.nn._scope import naming, rebuilt

# A pytree of nested mappings by attribute name (NNX's own `State`).
Tree = Mapping[Any, Any]
Apply = Callable[..., tuple[Any, Tree]]
Model = TypeVar("Model", bound=nnx.Module)


def functionalize(model: nnx.Module) -> tuple[Apply, Tree, Tree]:
    """`model` as a pure function: `(apply, params, state)`.

        apply(params, state, *args, **kwargs) -> (output, new_state)

    `params` holds every `nnx.Param` as a plain array, and is what one differentiates; `state` holds every other
    variable: batch-norm statistics, the random keys of dropout, and parameters that `freeze` has frozen. Both are
    copies: donating them to a jitted step leaves `model` whole. `apply` is pure, so `jax.jit`, `jax.grad`, `jax.vmap`
    and `jax.lax.scan` may be applied to it; `model` itself never changes. Carry `new_state` on: the same state gives
    the same dropout masks, the returned one gives new ones.

    To write trained values back: `nnx.update(model, params, state)`.

    Raises: `TypeError` for anything but a module, `ValueError` when `params` or `state` is built otherwise than the one
    returned here, and `RuntimeError` when the call changed something that `new_state` cannot carry (a parameter, an
    attribute, a new variable), since that change would be lost without a word.

    >>> import jax, jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> apply, params, state = nn.functionalize(nn.Linear(3, 2, rngs=nnx.Rngs(0)))
    >>> y, state = jax.jit(apply)(params, state, jnp.ones((4, 3)))
    >>> y.shape, jax.tree.map(jnp.shape, dict(params))
    ((4, 2), {'b': (2,), 'w': (3, 2)})
    """
    if not isinstance(model, nnx.Module):
        raise TypeError(f"functionalize: model must be an nnx.Module, got {type(model).__name__}")
    graphdef, params, state = _split(model)
    params, state = jax.tree.map(jnp.copy, (params, state))
    trees = {"params": jax.tree.structure(params), "state": jax.tree.structure(state)}

    def apply(params: Tree, state: Tree, /, *args: Any, **kwargs: Any) -> tuple[Any, Tree]:
        # nnx.merge pairs leaves with variables by their order alone, so another tree could fill the wrong ones.
        for name, tree in (("params", params), ("state", state)):
            if jax.tree.structure(tree) != trees[name]:
                raise ValueError(f"apply: {name} must have the tree {trees[name]}, got {jax.tree.structure(tree)}")
        params, state = jax.tree.map(jnp.asarray, (params, state))  # a checkpoint may hold NumPy arrays
        # Of plain arrays nnx.merge makes fresh variables: they belong to this trace, and are shared with no one.
        module = nnx.merge(graphdef, params, state)
        with naming(module):
            output = module(*args, **kwargs)
        new_graphdef, new_params, new_state = _split(module)
        if new_graphdef != graphdef or jax.tree.structure(new_state) != trees["state"]:
            raise RuntimeError(
                f"apply: {type(module).__name__} changed its own structure when called (a variable or attribute was "
                f"added, replaced or removed); only the values of variables made in __init__ may change"
            )
        old = jax.tree.leaves(params)
        if any(a is not b for a, b in zip(old, jax.tree.leaves(new_params), strict=True)):
            raise RuntimeError(
                f"apply: {type(module).__name__} changed an nnx.Param when called; "
                f"what a call updates must be another kind of variable, such as nnx.BatchStat"
            )
        return output, new_state

    return apply, params, state


def copied(function: str, model: Model) -> Model:
    """`model` again, of variables of its own that hold the same arrays; it may be changed, `model` stays as it is."""
    if not isinstance(model, nnx.Module):
        raise TypeError(f"{function}: model must be an nnx.Module, got {type(model).__name__}")
    return nnx.merge(*_split(model))


def abstract(build: Callable[[], nnx.Module]) -> tuple[Apply, Tree, Tree]:
    """`functionalize(build())` without allocating or computing: `params` and `state` are `jax.ShapeDtypeStruct`s.

    For counting parameters and operations of networks of any size.

    >>> from flax import nnx; from jaxml import nn
    >>> apply, params, state = nn.abstract(lambda: nn.Linear(100_000, 100_000, rngs=nnx.Rngs(0)))
    >>> params["w"].shape, nn.count_params(params)
    ((100000, 100000), 10000100000)
    """
    made = []

    def run() -> tuple[Tree, Tree]:
        apply, params, state = functionalize(build())
        made.append(apply)  # closes over static structure alone, so it may outlive the trace
        return params, state

    params, state = jax.eval_shape(run)
    return made[0], params, state


def partly(build: Callable[[Any], nnx.Module], keys: Any, *, skip: Container[str]) -> nnx.Module:
    """`build(keys)`, of which the variables at the paths in `skip` (`stem.conv.w`) are zeros and nothing is computed.

    For a model whose arrays come from a file: drawing the start of a ResNet compiles a program for each shape of it.
    """
    made = []

    def leaves(keys: Any) -> tuple[list[str], list[Any]]:
        graphdef, params, state = _split(build(keys))
        found, tree = jax.tree_util.tree_flatten_with_path((params, state))
        made.append((graphdef, tree))
        # The first step of a path says which of the two trees.
        return [".".join(str(step.key) for step in path[1:]) for path, _ in found], [leaf for _, leaf in found]

    paths: list[str] = []

    def every(keys: Any) -> list[Any]:
        paths[:], found = leaves(keys)
        return found

    shapes = jax.eval_shape(every, keys)
    drawn = iter(
        jax.jit(lambda keys: [leaf for path, leaf in zip(*leaves(keys), strict=True) if path not in skip])(keys)
    )
    arrays = [
        jnp.asarray(np.zeros(shape.shape, shape.dtype)) if path in skip else next(drawn)
        for path, shape in zip(paths, shapes, strict=True)
    ]
    graphdef, tree = made[0]
    return nnx.merge(graphdef, *jax.tree.unflatten(tree, arrays))


def count_params(params: Any) -> int:
    """Number of scalars in a tree of arrays or `jax.ShapeDtypeStruct`s: of `params`, the trainable ones.

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.count_params({"w": jnp.zeros((3, 2)), "b": jnp.zeros(2)})
    8
    """
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def _split(model: nnx.Module) -> tuple[Any, Tree, Tree]:
    graphdef, params, state = nnx.split(model, nnx.Param, ...)
    return graphdef, nnx.as_pure(params), nnx.as_pure(state)


def checkpointed(module: nnx.Module, *args: Any, **kwargs: Any) -> Any:
    """`module(*args, **kwargs)` under `jax.checkpoint`: of all that happens inside, the backward pass keeps nothing.

    What the module changes (running statistics, the keys of dropout) is changed once, though the call runs twice.
    """
    graphdef, params, state = _split(module)

    def run(params: Tree, state: Tree, *args: Any) -> tuple[Any, Tree]:
        again = nnx.merge(graphdef, params, state)
        with rebuilt(module, again):
            output = again(*args, **kwargs)
        return output, _split(again)[2]

    output, state = jax.checkpoint(run)(params, state, *args)
    nnx.update(module, state)
    return output
