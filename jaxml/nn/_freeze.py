"""Parameters that are not trained: they leave `params`, so nothing that trains can reach them."""

import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

from flax import nnx

from jaxml.nn._batch_norm import BatchNorm
from jaxml.nn._bridge import Model, copied
from jaxml.nn._scope import members


class Frozen(nnx.Variable):
    """A parameter that is not trained, as `freeze` makes it of an `nnx.Param`: `functionalize` returns it in `state`.

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> nn.Frozen(jnp.ones(2)).shape
    (2,)
    """


def freeze(model: Model, pattern: str) -> Model:
    """A copy of `model` in which the parameters whose path matches `pattern` are not trained.

    `pattern` is a regular expression that is searched for in paths such as `blocks/0/depthwise/w`, as in
    `optim.freeze`: `"^blocks/"` freezes whatever lies in `blocks`. What is frozen is a `Frozen` variable and no
    `nnx.Param`: `functionalize` returns it in `state` and not in `params`. So no gradient is computed for it, and the
    backward pass ends where nothing below is trained; no optimizer, Optax chain, weight decay, clipping or average sees
    it, and none keeps anything for it. A `BatchNorm` whose parameters are all frozen, or whose statistics' paths match
    (`blocks/0/norm/mean`), normalises by its running statistics in training as well, and these stay. Dropout acts as
    before. `model` is left as it is; the copy shares its arrays.

    Errors: `TypeError` for anything but a module; `ValueError` for a pattern that is no regular expression, matches no
    parameter, or leaves none to train.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> net = nn.Sequential(nn.Linear(3, 4, rngs=nnx.Rngs(0)), nn.Linear(4, 2, rngs=nnx.Rngs(1)))
    >>> apply, params, state = nn.functionalize(nn.freeze(net, "^layers/0/"))
    >>> nn.count_params(params), nn.count_params(state)
    (10, 16)
    """
    matches = searcher("freeze", pattern)
    frozen = copied("freeze", model)
    if not any(matches(path) for path, part in members(frozen) if isinstance(part, nnx.Param | Frozen)):
        raise ValueError(f"freeze: {pattern!r} matches no parameter; the paths are {listed(_paths(frozen))}")
    hold(frozen, matches)
    if not _paths(frozen, nnx.Param):
        raise ValueError(f"freeze: {pattern!r} matches every parameter, and leaves none to train")
    return frozen


def unfreeze(model: Model, pattern: str) -> Model:
    """A copy of `model` in which the frozen parameters whose path matches `pattern` are trained again.

    `pattern` is as for `freeze`; the empty one matches all. A `BatchNorm` with a parameter that is trained again uses
    and moves the batch's own statistics in training again, as does one without parameters whose statistics' paths
    match. `model` is left as it is; the copy shares its arrays.

    Errors: `TypeError` for anything but a module; `ValueError` for a pattern that is no regular expression or matches
    nothing that is frozen.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> net = nn.Sequential(nn.Linear(3, 4, rngs=nnx.Rngs(0)), nn.Linear(4, 2, rngs=nnx.Rngs(1)))
    >>> apply, params, state = nn.functionalize(nn.unfreeze(nn.freeze(net, "^layers/0/"), "w$"))
    >>> nn.count_params(params), nn.count_params(state)
    (22, 4)
    """
    matches = searcher("unfreeze", pattern)
    trained = copied("unfreeze", model)
    norms = [(path, part) for path, part in members(trained) if isinstance(part, BatchNorm) and part.frozen]
    thawed = [path for path in _paths(trained, Frozen) if matches(path)]
    thawed += [mean for path, _ in norms if matches(mean := _below(path, "mean"))]
    if not thawed:
        held = listed(_paths(trained, Frozen)) or "none"
        raise ValueError(f"unfreeze: {pattern!r} matches nothing that is frozen; what is: {held}")

    def change(path: str, part: Any) -> Any:
        return _made(nnx.Param, part) if isinstance(part, Frozen) and matches(path) else part

    replaced(trained, change)
    for path, norm in norms:
        norm.frozen = not any(name.startswith(_below(path, "")) for name in thawed)
    return trained


def hold(model: nnx.Module, matches: Callable[[str], bool]) -> None:
    """Freeze, in `model` itself, the parameters and statistics whose path `matches` accepts."""
    replaced(model, lambda path, part: _made(Frozen, part) if matches(path) else part)
    for path, norm in members(model):
        if isinstance(norm, BatchNorm):
            params = [p for p in (norm.scale, norm.bias) if p is not None]
            held = bool(params) and all(isinstance(p, Frozen) for p in params)
            norm.frozen = norm.frozen or held or matches(_below(path, "mean"))


def searcher(function: str, pattern: str) -> Callable[[str], bool]:
    """Whether `pattern` is found in a path; `function` is named in the errors."""
    if not isinstance(pattern, str):
        raise TypeError(f"{function}: pattern must be a string, got {type(pattern).__name__}")
    try:
        found = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{function}: {pattern!r} is no regular expression: {error}") from None
    return lambda path: found.search(path) is not None


def replaced(model: Model, change: Callable[[str, Any], Any]) -> Model:
    """`model`, with each module and variable within it for which `change` gives another; what is shared stays so."""
    return _replaced(model, "", {}, change)


def _made(kind: type[nnx.Variable], part: Any) -> Any:
    """`part` as a variable of another kind, with the array and the notes it has."""
    if not isinstance(part, nnx.Param | Frozen):
        return part
    return kind(part[...], **part.get_metadata())


def _replaced(node: Any, path: str, done: dict[int, Any], change: Callable[[str, Any], Any]) -> Any:
    if id(node) in done:
        return done[id(node)]
    done[id(node)] = node
    items: Any = ()
    if isinstance(node, nnx.Variable | nnx.Module):
        done[id(node)] = new = change(path, node)
        if new is not node or isinstance(node, nnx.Variable):
            return new
        items = [item for item in vars(node).items() if not item[0].startswith("_pytree__")]
    if isinstance(node, Mapping):
        items = list(node.items())
    elif isinstance(node, Sequence) and not isinstance(node, str):
        items = list(enumerate(node))
    for name, value in items:
        new = _replaced(value, _below(path, name), done, change)
        if new is value:
            continue
        if isinstance(node, MutableMapping | MutableSequence):
            node[name] = new
        else:
            setattr(node, name, new)
    return node


def _below(path: str, name: Any) -> str:
    return f"{path}/{name}" if path else str(name)


def _paths(model: nnx.Module, kind: Any = nnx.Param | Frozen) -> list[str]:
    return [path for path, part in members(model) if isinstance(part, kind)]


def listed(paths: Iterable[str], most: int = 8) -> str:
    """The first of the paths, and how many more there are."""
    paths = list(paths)
    return ", ".join(paths[:most]) + (f" and {len(paths) - most} more" if len(paths) > most else "")
