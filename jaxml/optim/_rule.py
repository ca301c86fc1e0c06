"""From an equation for one array to an Optax transformation of a tree of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

Rule = Callable[..., tuple[Array, tuple[Array, ...]]]


class RuleState(NamedTuple):
    """`step` counts the updates made; `slots` maps each running quantity's name to a tree like the parameters."""

    step: Array  # shape (), int32
    slots: dict[str, Any]


def elementwise(function: str, rule: Rule, **initial: Any) -> optax.GradientTransformation:
    """The transformation u = rule(t, g, *slots)[0], where `rule` also returns the new slots, for every array alike.

    `t` is the update's number, 1 at the first, as an int32 scalar. `initial` names the slots, in the rule's order,
    with the value they start from.

    The rule sees float16 and bfloat16 gradients as float32 and its slots are float32 then: in half precision eps
    = 1e-8 is zero and a decay of 0.999 leaves a running mean where it is. Updates have the gradient's dtype again.
    """

    def init(params: Any) -> RuleState:
        for path, p in jax.tree_util.tree_leaves_with_path(params):
            if not jnp.issubdtype(jnp.result_type(p), jnp.floating):
                where = jax.tree_util.keystr(path) or "the parameter"
                raise TypeError(f"{function}: parameters must be floating point, got {jnp.result_type(p)} at {where}")

        def slot(value: Any) -> Any:
            return jax.tree.map(lambda p: jnp.full_like(p, value, _at_least_float32(p)), params)

        return RuleState(jnp.zeros([], jnp.int32), {name: slot(value) for name, value in initial.items()})

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, RuleState]:
        del params
        step = jnp.asarray(optax.safe_increment(state.step))
        gradients, tree = jax.tree.flatten(updates)
        # By the rule's names: jit gives a dictionary back in the order of the alphabet.
        slots = [tree.flatten_up_to(state.slots[name]) for name in initial]
        results = [rule(step, g.astype(_at_least_float32(g)), *s) for g, *s in zip(gradients, *slots, strict=True)]
        new_updates = [u.astype(g.dtype) for g, (u, _) in zip(gradients, results, strict=True)]
        new_slots = {name: tree.unflatten([s[i] for _, s in results]) for i, name in enumerate(initial)}
        return tree.unflatten(new_updates), RuleState(step, new_slots)

    return optax.GradientTransformation(init, update)


def _at_least_float32(x: Any) -> Any:
    dtype = jnp.result_type(x)
    return dtype if jnp.finfo(dtype).bits >= 32 else jnp.dtype("float32")
