"""From an equation for one array to an Optax transformation of a tree of them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

Rule = Callable[..., tuple[Array, tuple[Any, ...]]]


class RuleState(NamedTuple):
    """`step` counts the updates made; `slots` maps each running quantity's name to a tree like the parameters."""

    step: Array | None  # shape (), int32; None where nothing depends on it
    slots: dict[str, Any]


def preset(function: str, *links: optax.GradientTransformation) -> optax.GradientTransformation:
    """`optax.chain(*links)`, which computes in float32 at least and rounds once, to the gradient's dtype.

    In half precision eps = 1e-8 is zero and a decay of 0.999 leaves a running mean where it is.
    """
    chain = optax.chain(*links)

    def init(params: Any) -> Any:
        for path, p in jax.tree_util.tree_leaves_with_path(params):
            if not jnp.issubdtype(jnp.result_type(p), jnp.floating):
                where = jax.tree_util.keystr(path) or "the parameter"
                raise TypeError(f"{function}: parameters must be floating point, got {jnp.result_type(p)} at {where}")
        return chain.init(params)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        wide, wide_params = jax.tree.map(lambda x: x.astype(_at_least_float32(x)), (updates, params))
        new, state = chain.update(wide, state, wide_params)
        return jax.tree.map(lambda u, g: u.astype(g.dtype), new, updates), state

    return optax.GradientTransformation(init, update)


def per_array(
    function: str,
    rule: Rule,
    initial: Mapping[str, Any],
    *,
    counts: bool = True,
    reads_params: bool = False,
    shared: tuple[str, ...] = (),
) -> optax.GradientTransformation:
    """The transformation u = rule(t, g, *slots)[0], where `rule` also returns the new slots, for every array alike.

    `t` is the update's number, 1 at the first, as an int32 scalar, or None where `counts` is off; with `reads_params`
    the rule is called as rule(t, g, w, *slots). `initial` names the slots, in the rule's order, with the value they
    start from, or with a function from a parameter to what its slot starts as. A slot named in `shared` is one scalar
    for all arrays.
    """

    def init(params: Any) -> Any:
        def slot(name: str, value: Any) -> Any:
            if name in shared:
                return jnp.asarray(value, jnp.result_type(float))
            start = value if callable(value) else lambda p: jnp.full_like(p, value, _at_least_float32(p))
            return jax.tree.map(start, params)

        return RuleState(first_step() if counts else None, {name: slot(name, value) for name, value in initial.items()})

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        step = next_step(state.step)
        gradients, tree = jax.tree.flatten(updates)
        arrays = [gradients]
        if reads_params:
            check_params(function, params)
            arrays.append(tree.flatten_up_to(params))
        # By the rule's names: jit gives a dictionary back in the order of the alphabet.
        for name in initial:
            old = state.slots[name]
            arrays.append([old] * len(gradients) if name in shared else tree.flatten_up_to(old))
        results = [rule(step, *array) for array in zip(*arrays, strict=True)]
        new_slots = dict(state.slots)
        for i, name in enumerate(initial):
            if name not in shared:
                new_slots[name] = tree.unflatten([slots[i] for _, slots in results])
            elif results:  # the same from every array
                new_slots[name] = results[0][1][i]
        return tree.unflatten([u for u, _ in results]), RuleState(step, new_slots)

    return optax.GradientTransformation(init, update)


def first_step() -> Array:
    return jnp.zeros([], jnp.int32)


def next_step(step: Array | None) -> Array | None:
    return None if step is None else jnp.asarray(optax.safe_increment(step))


def check_params(function: str, params: Any) -> None:
    if params is None:
        raise ValueError(f"{function}: the parameters are needed, as in tx.update(gradients, state, params)")


def zeros_like(p: Any, shape: tuple[int, ...]) -> Array:
    """What a slot of another shape than its parameter starts from."""
    return jnp.zeros(shape, _at_least_float32(p))


def _at_least_float32(x: Any) -> Any:
    dtype = jnp.result_type(x)
    return dtype if jnp.finfo(dtype).bits >= 32 else jnp.dtype("float32")
