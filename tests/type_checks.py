"""The run-time checks of annotations that the tests install: jaxtyping's with beartype, made once for each definition.

jaxtyping makes its checkers anew each time a `def` runs, those of inner functions too, which took a quarter of the time
of a test that traces a model. Here all closures of one definition share them, a result is checked without its arguments
once more, and a function whose annotations have no shapes in them needs no place to note sizes.
"""

import functools
import inspect
import typing
from collections.abc import Callable, Hashable
from types import FunctionType
from typing import Any, NamedTuple

import jaxtyping
from beartype import BeartypeConf, beartype

try:  # inner functions of jaxtyping: where they go by other names, all is as without
    from jaxtyping._decorator import _destring_annotation, _make_fn_with_signature
    from jaxtyping._storage import pop_shape_memo, push_shape_memo, shape_str
except ImportError:
    push_shape_memo = None

ORIGINAL = jaxtyping.jaxtyped
# `float` admits an int, as PEP 484 has it.
CHECKER = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=jaxtyping.TypeCheckError))


class Checks(NamedTuple):
    """Of one signature: what accepts the arguments, what accepts `ret0=result`, and whether shapes are among them."""

    signature: inspect.Signature
    arguments: Callable[..., None]
    result: Callable[..., Any]
    shapes: bool


MADE: dict[Hashable, Checks] = {}


def install() -> None:
    """Before anything imports jaxml."""
    if push_shape_memo is not None:
        jaxtyping.jaxtyped = jaxtyped
    jaxtyping.install_import_hook("jaxml", "type_checks.CHECKER")


def jaxtyped(function: Any = None, **options: Any) -> Any:
    """In place of `jaxtyping.jaxtyped`, which still has the dataclasses, properties and methods of a class."""
    if function is None:
        return functools.partial(jaxtyped, **options)
    if not isinstance(function, FunctionType):
        return ORIGINAL(function, **options)
    defaults = len(function.__defaults__ or ()), tuple(function.__kwdefaults__ or ())
    key = (
        function.__module__,
        function.__qualname__,
        function.__code__,
        defaults,
        # jaxtyping makes a new class each time for one type; its name says all of it.
        tuple((name, repr(a) if has_shapes(a) else a) for name, a in function.__annotations__.items()),
    )
    try:
        checks = MADE.get(key)
    except TypeError:  # an annotation without a hash
        return ORIGINAL(function, **options)
    if checks is None:
        checks = MADE[key] = made(function)
    return (with_shapes if checks.shapes else without_shapes)(function, checks)


def made(function: FunctionType) -> Checks:
    def resolved(annotation: Any) -> Any:
        return _destring_annotation(annotation, function.__globals__)

    signature = inspect.signature(function)
    parameters = [p.replace(annotation=resolved(p.annotation)) for p in signature.parameters.values()]
    returned = resolved(signature.return_annotation)
    names = function.__name__, function.__qualname__, function.__module__
    arguments = _make_fn_with_signature(*names, inspect.Signature(parameters, return_annotation=Any), output=False)
    result, name = _make_fn_with_signature(*names, inspect.Signature([], return_annotation=returned), output=True)
    assert name == "ret0"
    shapes = any(has_shapes(annotation) for annotation in [*(p.annotation for p in parameters), returned])
    return Checks(signature, CHECKER(arguments), CHECKER(result), shapes)


def has_shapes(annotation: Any) -> bool:
    """Whether one of jaxtyping's types is in it, or a name that may stand for one."""
    if isinstance(annotation, (list, tuple)):  # the arguments of a Callable
        return any(map(has_shapes, annotation))
    modules = getattr(annotation, "__module__", None) or "", type(annotation).__module__
    if isinstance(annotation, (str, typing.ForwardRef)) or any(name.startswith("jaxtyping") for name in modules):
        return True
    return any(map(has_shapes, typing.get_args(annotation)))


def without_shapes(function: Callable[..., Any], checks: Checks) -> Callable[..., Any]:
    config, arguments, result = jaxtyping.config, checks.arguments, checks.result

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if config.jaxtyping_disable:
            return function(*args, **kwargs)
        arguments(*args, **kwargs)
        return result(ret0=function(*args, **kwargs))

    return call


def with_shapes(function: Callable[..., Any], checks: Checks) -> Callable[..., Any]:
    config = jaxtyping.config

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if config.jaxtyping_disable:
            return function(*args, **kwargs)
        bound = checks.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        memos = push_shape_memo(bound.arguments)
        try:
            checks.arguments(*args, **kwargs)
            return checks.result(ret0=function(*args, **kwargs))
        except jaxtyping.TypeCheckError as error:
            error.add_note(shape_str(memos))
            raise
        finally:
            pop_shape_memo()

    return call
