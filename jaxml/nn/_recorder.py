"""What `summary` sees while a model is traced."""

import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
from flax import nnx

from jaxml.nn._scope import members, scope, scoped

MARK = "module#"  # such a scope is no path, so it has no slash in it, and ends where the next begins
_lock = threading.RLock()


class Recorder:
    """The modules of a model by path: class, parameters of its own, and once called the shapes of its outputs.

    Layers of jaxml say by themselves where they are. Classes that others wrote are made to, for as long as the model
    is traced: their public methods are wrapped, and then put back.
    """

    def __init__(self) -> None:
        self.types: dict[str, str] = {}
        self.params: dict[str, int] = {}
        self.outputs: dict[str, tuple[tuple[int, ...], ...]] = {}
        self.called: dict[str, None] = {}  # in the order of the first calls

    def begin(self, model: nnx.Module) -> Callable[[], None]:
        found = list(members(model))
        modules = {path: part for path, part in found if isinstance(part, nnx.Module)}
        self.types = {path: type(part).__name__ for path, part in modules.items()}
        owners = [path for path, part in modules.items() if not isinstance(part, Mapping | Sequence)]
        for path, part in found:
            if isinstance(part, nnx.Param):
                owner = max((p for p in owners if not p or path.startswith(f"{p}/")), key=len, default="")
                self.params[owner] = self.params.get(owner, 0) + _size(part)
        # A model that only calls its parts is no part of the table, and a row for it would take what is elsewhere.
        whole = len(modules) == 1 or "" in self.params
        return wrapped({type(part) for path, part in modules.items() if path in owners and (path or whole)})

    def name(self, path: str) -> str:
        return f"{MARK}{list(self.types).index(path)}"

    def enter(self, path: str) -> None:
        self.called.setdefault(path)

    def call(self, path: str, module: nnx.Module, method: Callable[[], Any]) -> Any:
        return method()

    def result(self, path: str, output: Any) -> None:
        self.enter(path)
        shapes = tuple(tuple(leaf.shape) for leaf in jax.tree.leaves(output) if hasattr(leaf, "shape"))
        self.outputs.setdefault(path, shapes)

    def path(self, names: Sequence[str]) -> str | None:
        """The module that a scope is in: the innermost, or None."""
        marks = [name for name in names if name.startswith(MARK)]
        return list(self.types)[int(marks[-1].removeprefix(MARK))] if marks else None


def accepts_train(model: nnx.Module) -> bool:
    """Whether a call takes `train=`."""
    parameters = inspect.signature(type(model).__call__).parameters.values()  # type: ignore[operator]
    return any(p.name == "train" or p.kind is p.VAR_KEYWORD for p in parameters)


def _size(param: nnx.Param) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.as_pure(param)))


def wrapped(classes: set[type]) -> Callable[[], None]:
    """Give the public methods of these classes their module's scope; the function returned takes it off again."""
    before: list[tuple[type, str, Any]] = []

    def undo() -> None:
        for cls, name, method in before:
            delattr(cls, name) if method is None else setattr(cls, name, method)
        _lock.release()

    _lock.acquire()  # a second watcher, in another thread, would put back what this one has wrapped
    try:
        # All are found before the first is wrapped, since one class may inherit from another.
        for cls, name, method in [method for one in classes for method in _methods(one)]:
            before.append((cls, name, vars(cls).get(name)))
            setattr(cls, name, scoped(method) if name == "__call__" else _in_scope(method))
    except BaseException:
        undo()
        raise
    return undo


def _methods(cls: type) -> Iterator[tuple[type, str, Any]]:
    """The public methods that a class adds to those of a module, unless it is a layer that names its scope itself."""
    if getattr(cls.__call__, "is_scoped", False):  # type: ignore[operator]
        return
    for name in dir(cls):
        method = inspect.getattr_static(cls, name)
        if name == "__call__" or (inspect.isfunction(method) and name[0] != "_" and not hasattr(nnx.Module, name)):
            yield cls, name, method


def _in_scope(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapper(self: nnx.Module, *args: Any, **kwargs: Any) -> Any:
        with scope(self):
            return method(self, *args, **kwargs)

    return wrapper
