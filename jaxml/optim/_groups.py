"""Different rules for different parameters, chosen by their path."""

import re
from collections.abc import Mapping
from typing import Any

import jax
import optax

OTHERWISE = "otherwise"


def freeze(tx: optax.GradientTransformation, params: Any, pattern: str) -> optax.GradientTransformation:
    """`tx` for all parameters but those whose path matches `pattern`: their update is zero and nothing decays them.

    `pattern` is a regular expression that is searched for in paths such as `blocks/0/depthwise/w`; so `"^blocks/"`
    freezes whatever lies in `blocks`. No running quantities are kept for what is frozen. Batch-norm statistics are
    state and no parameters: `jaxml.nn.freeze` holds those too, and has no gradients computed.

    Errors: `ValueError` for a pattern that matches no parameter, or all of them.

    >>> from jaxml import optim
    >>> params = {"body": {"w": jnp.ones(2)}, "head": {"w": jnp.ones(2)}}
    >>> tx = optim.freeze(optim.sgd(0.5), params, "^body/")
    >>> updates, state = tx.update(params, tx.init(params), params)
    >>> updates["body"]["w"].tolist(), updates["head"]["w"].tolist()
    ([0.0, 0.0], [-0.5, -0.5])
    """
    labels = _labels("freeze", [pattern], params)
    if OTHERWISE not in jax.tree.leaves(labels):
        raise ValueError(f"freeze: {pattern!r} matches every parameter, and leaves none to train")
    return optax.partition({pattern: optax.set_to_zero(), OTHERWISE: tx}, labels)


def per_group(
    groups: Mapping[str, optax.GradientTransformation],
    params: Any,
    *,
    otherwise: optax.GradientTransformation | None = None,
) -> optax.GradientTransformation:
    """Each parameter by the rule of the first pattern in `groups` that its path matches, the rest by `otherwise`.

    Patterns are regular expressions, as in `freeze`: `{"^head/": adam(1e-2)}` with `otherwise=adam(1e-3)` gives the
    head another rate. The states of the groups are `state.inner_states[pattern]`, and `inner_states["otherwise"]`.

    Errors: `ValueError` for a pattern that matches nothing, or only what an earlier one has; for parameters that match
    none where `otherwise` is not given; and for no pattern at all.

    >>> from jaxml import optim
    >>> params = {"body": {"w": jnp.ones(2)}, "head": {"w": jnp.ones(2)}}
    >>> tx = optim.per_group({"^head/": optim.sgd(0.5)}, params, otherwise=optim.sgd(0.25))
    >>> updates, state = tx.update(params, tx.init(params))
    >>> updates["body"]["w"].tolist(), updates["head"]["w"].tolist()
    ([-0.25, -0.25], [-0.5, -0.5])
    """
    if not groups:
        raise ValueError("per_group: groups must name a pattern at least, got none")
    labels = _labels("per_group", list(groups), params)
    if otherwise is None:
        pairs = zip(_paths(params), jax.tree.leaves(labels), strict=True)
        without = [path for path, label in pairs if label == OTHERWISE]
        if without:
            raise ValueError(f"per_group: no pattern matches {_listed(without)}, and otherwise= is not given")
        return optax.partition({**groups}, labels)
    return optax.partition({**groups, OTHERWISE: otherwise}, labels)


def _labels(function: str, patterns: list[str], params: Any) -> Any:
    """A tree like `params` of the pattern each parameter's path matches first."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{function}: {pattern!r} is no regular expression: {error}") from None
        if pattern == OTHERWISE:
            raise ValueError(f"{function}: {OTHERWISE!r} names the rest, write the pattern as '^{OTHERWISE}'")
    paths = _paths(params)
    labels = [next((p for p in patterns if re.search(p, path)), OTHERWISE) for path in paths]
    for pattern in patterns:
        if pattern not in labels:
            matched = [path for path in paths if re.search(pattern, path)]
            why = f"only what an earlier pattern has ({_listed(matched)})" if matched else "no parameter"
            raise ValueError(f"{function}: {pattern!r} matches {why}; the paths are {_listed(paths)}")
    return jax.tree.unflatten(jax.tree.structure(params), labels)


def _paths(params: Any) -> list[str]:
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]


def _listed(paths: list[str], most: int = 8) -> str:
    return ", ".join(paths[:most]) + (f" and {len(paths) - most} more" if len(paths) > most else "")
