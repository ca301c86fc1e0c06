"""Zeros that are added to what the layers of a model return, so that it can be differentiated by them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from jaxml.diagnostics._recurrent import RECURRENT, hidden_shape, with_taps
from jaxml.nn._recorder import wrapped
from jaxml.nn._scope import members


def watched(model: nnx.Module) -> Callable[[], None]:
    """Let the modules of `model` but containers and itself be seen, whoever wrote them, until the result is called."""
    modules = {path: part for path, part in members(model) if isinstance(part, nnx.Module)}
    own = [part for path, part in modules.items() if path and not isinstance(part, Mapping | Sequence)]
    return wrapped({type(part) for part in own})


def numbered(calls: dict[str, int], path: str, module: nnx.Module) -> str:
    """The name of a call: the path, or the class of the model itself; `path (2)` and on if it is called again."""
    path = path or type(module).__name__
    calls[path] = calls.get(path, 0) + 1
    return path if calls[path] == 1 else f"{path} ({calls[path]})"


class Calls:
    """What a watcher of the calls of modules leaves as it is."""

    def begin(self, model: nnx.Module) -> Callable[[], None]:
        return watched(model)

    def name(self, path: str) -> str:
        return path

    def enter(self, path: str) -> None: ...

    def result(self, path: str, output: Any) -> None: ...


class Taps(Calls):
    """A watcher of the calls of a model: without values it notes the shapes of all outputs, with values it adds them.

    `outputs` are those of every module but containers and the model itself, `states` the h_t of recurrent layers, by
    path; the further calls of a module that is called again are `path (2)` and on.
    """

    def __init__(self, outputs: Mapping[str, Any] | None = None, states: Mapping[str, Any] | None = None):
        self.given = None if outputs is None else (outputs, states or {})
        self.outputs: dict[str, Any] = {}
        self.states: dict[str, Any] = {}
        self.calls: dict[str, int] = {}

    def call(self, path: str, module: nnx.Module, method: Any) -> Any:
        path = numbered(self.calls, path, module)
        recurrent = isinstance(module, RECURRENT)
        if self.given is None:
            output = method()
            if recurrent:
                self.states[path] = hidden_shape(method)
            self.outputs[path] = jax.tree.map(_zeros, output)
            return output
        outputs, states = self.given
        output = with_taps(method, states[path]) if recurrent and path in states else method()
        return output if path not in outputs else jax.tree.map(_added, output, outputs[path])


def _zeros(leaf: Any) -> jax.ShapeDtypeStruct | None:
    """What is added to a leaf; None to one that is not differentiable."""
    if not hasattr(leaf, "dtype") or not jnp.issubdtype(leaf.dtype, jnp.floating):
        return None
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)


def _added(leaf: Any, tap: Array | None) -> Any:
    return leaf if tap is None else leaf + tap
