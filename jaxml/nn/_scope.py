"""Named scopes: which module of a model an operation belongs to, for `flops.count`, `nn.summary` and profiles.

`functionalize` knows where in the model each module is, and says so here while the model is called; each layer then
opens the `jax.named_scope` of its own path. Names are metadata: values, gradients and the compiled program stay what
they are, and under `jax.jit` all of this happens once, while tracing.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import jax
from flax import nnx

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@runtime_checkable
class Watcher(Protocol):
    """Who wants to see the calls of a model's modules: `nn.summary`, `diagnostics.gradient_profile`."""

    def begin(self, model: nnx.Module) -> Callable[[], None]:
        """Before the call of the whole model; what it returns is called afterwards."""
        ...

    def name(self, path: str) -> str:
        """The scope in place of a path."""
        ...

    def enter(self, path: str) -> None:
        """A call of the module at this path begins."""
        ...

    def call(self, path: str, module: nnx.Module, method: Callable[..., Any]) -> Any:
        """The call itself, of the module at this path: `method()`, or what is to be in its place."""
        ...

    def result(self, path: str, output: Any) -> None:
        """What the module at this path returned."""
        ...


@dataclass(frozen=True)
class _Naming:
    """The paths of the modules that exist now, by id; which are of one class; and the path that is open."""

    paths: Mapping[int, str]
    by_class: Mapping[type, tuple[str, ...]]
    watcher: Watcher | None
    inside: str | None = None


_NAMING: ContextVar[_Naming | None] = ContextVar("jaxml_naming", default=None)
_WATCHER: ContextVar[Watcher | None] = ContextVar("jaxml_watcher", default=None)


def members(model: Any, path: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """Every module and variable below `model`, itself first, with its path, in the order of the attributes.

    Lists, tuples and dictionaries are looked into. What is there twice comes once, under its first path; that is the
    first by name, as in `params`, where NNX has rebuilt the model.
    """
    seen = set() if seen is None else seen
    inner: Iterator[tuple[Any, Any]] | Any = ()
    if isinstance(model, Mapping):
        inner = model.items()
    elif isinstance(model, Sequence) and not isinstance(model, str):
        inner = enumerate(model)
    elif isinstance(model, nnx.Module):
        inner = vars(model).items()
    elif not isinstance(model, nnx.Variable):
        return
    if id(model) in seen:
        return
    seen.add(id(model))
    if isinstance(model, nnx.Module | nnx.Variable):
        yield path, model
    for name, value in inner:
        if not str(name).startswith("_pytree__"):
            yield from members(value, f"{path}/{name}" if path else str(name), seen)


@contextmanager
def naming(model: nnx.Module) -> Iterator[None]:
    """While this is open, the modules of `model` know their paths."""
    watcher = _WATCHER.get() if _NAMING.get() is None else None  # a model within a model is a part of the outer one
    found = {path: module for path, module in members(model) if isinstance(module, nnx.Module)}
    finish = watcher.begin(model) if watcher is not None else None
    by_class: dict[type, tuple[str, ...]] = {}
    for path, module in found.items():
        by_class[type(module)] = (*by_class.get(type(module), ()), path)
    token = _NAMING.set(_Naming({id(module): path for path, module in found.items()}, by_class, watcher))
    try:
        yield
    finally:
        _NAMING.reset(token)
        if finish is not None:
            finish()


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """While this is open, `watcher` sees the calls of every model."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


@contextmanager
def rebuilt(module: nnx.Module, again: nnx.Module) -> Iterator[None]:
    """While this is open, `again`, a module built anew from `module`'s parts, goes by the paths of `module`."""
    before, path = _NAMING.get(), _path(module)
    if before is None or path is None:
        yield
        return
    parts = {id(part): name for name, part in members(again, path) if isinstance(part, nnx.Module)}
    token = _NAMING.set(replace(before, paths={**before.paths, **parts}))
    try:
        yield
    finally:
        _NAMING.reset(token)


@contextmanager
def scope(module: nnx.Module) -> Iterator[None]:
    """The `jax.named_scope` of a module: its path in the model that is called, or its class where there is none.

    Inside the same module's scope it opens none.
    """
    before = _NAMING.get()
    now = None if before is None else _located(before, module)
    if now is None or now.inside is None:
        with jax.named_scope(type(module).__name__):
            yield
    elif before is not None and now.inside == before.inside:
        yield
    else:
        if now.watcher is not None:
            now.watcher.enter(now.inside)
        token = _NAMING.set(now)
        try:
            with jax.named_scope(scope_name(module)):
                yield
        finally:
            _NAMING.reset(token)


def scope_name(module: nnx.Module) -> str:
    """The name of the module's scope."""
    naming, path = _NAMING.get(), _path(module)
    if naming is None or path is None:
        return type(module).__name__
    return naming.watcher.name(path) if naming.watcher is not None else path or type(module).__name__


def returned(module: nnx.Module, output: T) -> T:
    """`output`, shown to the watcher if there is one."""
    return _shown(_path(module), output)


def within(module: nnx.Module, f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` in the scope that the module has now, however late a backward pass may call it.

    It keeps nothing of the module, whose arrays belong to the trace at hand.
    """
    name, path = scope_name(module), _path(module)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with jax.named_scope(name):
            return _shown(path, f(*args, **kwargs))

    return wrapper


def scoped(method: F) -> F:
    """Decorates the `__call__` of a module: it runs in the module's scope."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        with scope(self):
            return returned(self, _called(self, functools.partial(method, self, *args, **kwargs)))

    wrapper.is_scoped = True  # type: ignore[attr-defined]
    return cast(F, wrapper)


def _called(module: nnx.Module, method: Callable[[], Any]) -> Any:
    naming, path = _NAMING.get(), _path(module)
    if naming is None or naming.watcher is None or path is None:
        return method()
    return naming.watcher.call(path, module, method)


def _path(module: nnx.Module) -> str | None:
    naming = _NAMING.get()
    return None if naming is None else naming.paths.get(id(module))


def _shown(path: str | None, output: T) -> T:
    naming = _NAMING.get()
    if naming is not None and naming.watcher is not None and path is not None:
        naming.watcher.result(path, output)
    return output


def _located(naming: _Naming, module: nnx.Module) -> _Naming:
    """`naming` inside the module.

    A transformation that takes the module as an argument (`jax.checkpoint`, `jax.lax.scan` over stacked layers) calls
    it rebuilt, as another object: it is known again where it is the only one of its class.
    """
    path = naming.paths.get(id(module))
    if path is not None:
        return replace(naming, inside=path)
    candidates = naming.by_class.get(type(module), ())
    if len(candidates) != 1:
        return replace(naming, inside=None)
    (path,) = candidates
    rebuilt = {id(part): name for name, part in members(module, path) if isinstance(part, nnx.Module)}
    return replace(naming, paths={**naming.paths, **rebuilt}, inside=path)
