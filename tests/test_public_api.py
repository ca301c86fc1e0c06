"""The rules of the house for everything a user can call: names, order of arguments, options, docstrings, types."""

import functools
import importlib
import inspect
import re
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cases
import jax
import numpy as np
import pytest
from jaxtyping import Array, Float

MODULES = [
    "functional", "functional.init", "nn", "models", "optim", "data", "train", "timing", "flops", "gradcheck",
    "diagnostics", "rl", "descent", "estimators", "tuning",
]  # fmt: skip
# One word for one thing, everywhere in `functional`. A new option is added here once, after looking for its synonym.
OPTIONS = {
    "stride", "padding", "dilation", "groups", "window", "count_include_pad", "divisor_override", "ceil",
    "implementation",
    "axis", "eps", "momentum", "where", "train", "axis_name", "rate",
    "activation", "conv", "scope", "approximate", "alpha", "negative_slope", "mode", "stddev", "minval", "maxval",
    "value",
    "ignore_index", "label_smoothing", "gamma", "exponent", "coefficient", "smooth", "beta", "log_targets", "blank",
    "delta", "level", "scale", "full", "log_input", "margin", "order", "swap", "distance", "temperature",
    "threshold", "pieces",
    "output_padding", "input_size", "output_size", "scale_factor", "align_corners", "antialias", "padding_mode",
    "upscale_factor", "downscale_factor",
    "k", "steps",
    "causal", "heads", "hard", "padding_index", "max_norm", "features", "base", "interleaved",
    "reverse", "bidirectional", "reset_after", "checkpoint_every",
}  # fmt: skip
SYNONYMS = {
    "strides", "pad", "pads", "dilations", "rates", "dim", "axes", "epsilon", "kernel_size", "ceil_mode", "training",
    "is_training", "deterministic", "mask", "reduction", "rng", "prng", "prng_key", "rng_key", "seed", "inplace", "p",
}  # fmt: skip
POSITIONAL_OR_KEYWORD, KEYWORD_ONLY = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY


def public(name: str) -> dict[str, Any]:
    """What `__all__` lists; of a module that is one file, without `__all__`, what it defines."""
    module = importlib.import_module(f"jaxml.{name}")
    own = [
        s
        for s, v in vars(module).items()
        if s[0] != "_" and (getattr(v, "__module__", "") or "").startswith(module.__name__)
    ]
    return {symbol: getattr(module, symbol) for symbol in getattr(module, "__all__", own)}


def callables(*names: str, cls: bool = False) -> list[Any]:
    """The public functions (or classes) of these modules."""
    return [
        pytest.param(value, name, id=f"{name}.{symbol}")
        for name in names
        for symbol, value in public(name).items()
        if callable(value) and inspect.isclass(value) == cls and not is_alias(value)
    ]


def is_alias(value: Any) -> bool:
    """A name for a type, such as `Padding = str | int | ...`: nothing to call."""
    return typing.get_origin(value) is not None or hasattr(value, "array_type")


def is_array(annotation: Any) -> bool:
    """`annotation` is jax's `Array`, a jaxtyping one, a sequence of such, or a union of them with `None`."""
    if typing.get_origin(annotation) is Sequence:
        annotation = typing.get_args(annotation)[0]
    parts = [part for part in typing.get_args(annotation) if part is not type(None)]
    if parts and not hasattr(annotation, "array_type"):
        return all(is_array(part) for part in parts)
    return annotation in (jax.Array, np.ndarray) or hasattr(annotation, "array_type")


def signature_faults(f: Callable[..., Any]) -> list[str]:
    """What breaks the rules in the signature of a pure function."""
    found = []
    signature = inspect.signature(f)
    for place, (name, p) in enumerate(signature.parameters.items()):
        if p.annotation is inspect.Parameter.empty:
            found.append(f"{name} has no type")
        if p.kind not in (POSITIONAL_OR_KEYWORD, KEYWORD_ONLY):
            found.append(f"{name} is of kind {p.kind.description}")
        if name in SYNONYMS:
            found.append(f"{name} is called otherwise here")
        if name == "key":
            if place != 0 or p.kind is KEYWORD_ONLY or p.default is not inspect.Parameter.empty:
                found.append("key must come first of all and have no default")
        elif "key" in name.split("_") or "rng" in name.split("_"):
            found.append(f"{name} must be called key")
        elif p.kind is KEYWORD_ONLY and not is_array(p.annotation) and name not in OPTIONS:
            found.append(f"option {name} is not in the vocabulary")
        elif p.kind is POSITIONAL_OR_KEYWORD and not is_array(p.annotation):
            found.append(f"option {name} must be keyword-only")
    if signature.return_annotation is inspect.Signature.empty:
        found.append("the result has no type")
    return found


def examples(doc: str) -> list[list[str]]:
    """The doctests of a docstring: blocks of lines that start at `>>>` and end at an empty one."""
    blocks = re.split(r"\n\s*\n", doc)
    return [block.splitlines() for block in blocks if block.lstrip().startswith(">>>")]


def docstring_faults(f: Any, *, example: bool) -> list[str]:
    """What a docstring lacks: one sentence first, shapes, and where asked for an example of six lines at most."""
    doc = inspect.getdoc(f) or ""
    first = re.split(r"\n\s*\n", doc)[0].strip()
    found = []
    if not first or first[-1] not in ".:":
        found.append("the first paragraph is not a sentence")
    if example and not re.search(r"\([A-Z.*][^()]*\)|[Ss]hape|elementwise", doc) and inspect.signature(f).parameters:
        found.append("no shape is mentioned")
    if example and not examples(doc):
        found.append("there is no example")
    if any(len(block) > 6 for block in examples(doc)):
        found.append("an example is longer than six lines")
    return found


@pytest.mark.parametrize("name", MODULES)
def test_names(name):
    """`__all__` has no doubles and is complete: what is imported publicly is listed."""
    module = importlib.import_module(f"jaxml.{name}")
    if not hasattr(module, "__path__"):
        assert public(name), "a module of one file needs no __all__, but public names it has"
        return
    exported = module.__all__  # which ruff keeps sorted
    assert len(exported) == len(set(exported))
    assert {s for s, v in vars(module).items() if s[0] != "_" and not inspect.ismodule(v)} <= set(exported)


@pytest.mark.parametrize(("f", "module"), callables("functional", "functional.init"))
def test_function_signature(f, module):
    assert signature_faults(f) == []


@pytest.mark.parametrize(("f", "module"), callables("functional", "functional.init"))
def test_function_docstring(f, module):
    assert docstring_faults(f, example=True) == []


@pytest.mark.parametrize(("f", "module"), callables(*MODULES[2:]))
def test_other_function(f, module):
    """Above the pure functions: everything typed and documented, and every option keyword-only."""
    assert docstring_faults(f, example=False) == []
    parameters = inspect.signature(f).parameters.values()
    assert [p.name for p in parameters if p.annotation is inspect.Parameter.empty] == []
    assert [p.name for p in parameters if p.kind is POSITIONAL_OR_KEYWORD and p.default is not p.empty] == []
    assert [p.name for p in parameters if p.name in SYNONYMS - {"seed"}] == []
    assert inspect.signature(f).return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize(("cls", "module"), [p for p in callables("nn", cls=True) if "__call__" in vars(p.values[0])])
def test_layer(cls, module):
    """A layer: sizes first, every option and `rngs` keyword-only, called as `layer(x, *, train=False)`.

    Or with the arrays of its functional in place of x, and options of the call before `train`.
    """
    assert docstring_faults(cls, example=True) == []
    made = inspect.signature(cls.__init__).parameters if "__init__" in vars(cls) else {}
    assert [p.name for p in made.values() if p.kind is inspect.Parameter.VAR_KEYWORD] == []
    assert [p.name for p in made.values() if p.kind is POSITIONAL_OR_KEYWORD and p.default is not p.empty] == []
    assert [name for name in made if name in SYNONYMS - {"kernel_size"}] == []
    assert [name for name, p in made.items() if name != "self" and p.annotation is p.empty] == []
    assert "rngs" not in made or made["rngs"].kind is KEYWORD_ONLY
    called = inspect.signature(cls.__call__)
    _, first, *more, train = called.parameters.values()
    assert first.kind is POSITIONAL_OR_KEYWORD and (first.name == "x" or is_array(first.annotation))
    assert [p.name for p in more if p.kind is POSITIONAL_OR_KEYWORD and not is_array(p.annotation)] == []
    assert [p.name for p in more if not is_array(p.annotation) and p.name not in OPTIONS] == []
    assert (train.name, train.kind, train.default) == ("train", KEYWORD_ONLY, False)
    assert called.return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize(("cls", "module"), callables(*MODULES[2:], cls=True))
def test_class_is_documented(cls, module):
    assert docstring_faults(cls, example=False) == []
    assert not (inspect.getdoc(cls) or "").startswith(f"{cls.__name__}("), (
        "the docstring dataclasses write by themselves"
    )


@pytest.mark.parametrize("name", MODULES)
def test_is_in_the_manual(name):
    """Every public name has a line `::: jaxml...` in `docs/`; second names and constants are mentioned."""
    pages = "\n".join(p.read_text() for p in (Path(__file__).parents[1] / "docs").glob("*.md"))
    shown = set(re.findall(r"^::: jaxml\.([\w.]+)", pages, re.M))
    for symbol, value in public(name).items():
        no_page_of_its_own = getattr(value, "__name__", None) != symbol
        if (re.search(rf"`(\w+\.)?{symbol}`", pages) and no_page_of_its_own) or inspect.ismodule(value):
            shown.add(f"{name}.{symbol}")
    assert {f"{name}.{symbol}" for symbol in public(name)} - shown == set()


def names_in(fn: Any) -> set[str]:
    """The names that the function of a case is built from: itself, what a closure holds, what its code refers to."""
    if isinstance(fn, functools.partial):
        return names_in(fn.func)
    if (getattr(fn, "__module__", None) or "").split(".")[0] in ("jax", "jaxml"):
        return {fn.__name__}
    held = [cell.cell_contents for cell in fn.__closure__ or () if callable(cell.cell_contents)]
    return {*fn.__code__.co_names}.union(*map(names_in, held))


def test_every_function_is_in_the_table_of_cases():
    """So that none escapes the sweeps over value, gradient, transformations, dtypes and platforms."""
    tested = set().union(*(names_in(case.fn) for case in cases.ALL))
    computing = {s for s, v in public("functional").items() if callable(v) and getattr(v, "__name__", "") == s}
    assert computing - tested == {"depthwise_implementations"}


# The tester, tested.
def strides(x: Float[Array, "N C"], *, strides: int) -> Array: ...
def positional(x: Float[Array, "N C"], stride: int = 1) -> Array: ...
def late_key(x: Float[Array, "N C"], key: Array) -> Array: ...
def renamed_key(rng_key: Array, x: Float[Array, "N C"]) -> Array: ...
def swallows(x: Float[Array, "N C"], **options: int) -> Array: ...
def variadic(*x: Float[Array, "N C"]) -> Array: ...
def untyped(x, *, stride: int = 1) -> Array: ...
def no_result(x: Array): ...
def invented(x: Array, *, hop: int = 1) -> Array: ...
def right(key: Array, x: Float[Array, "N C"], b: Float[Array, " C"] | None = None, *, rate: float) -> Array: ...


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (strides, "strides is called otherwise"),
        (positional, "stride must be keyword-only"),
        (late_key, "key must come first"),
        (renamed_key, "rng_key is called otherwise"),
        (swallows, "options is of kind variadic keyword"),
        (variadic, "x is of kind variadic positional"),
        (untyped, "x has no type"),
        (no_result, "the result has no type"),
        (invented, "hop is not in the vocabulary"),
    ],
)
def test_planted_signature_is_found(f, message):
    assert [fault for fault in signature_faults(f) if message in fault]
    assert signature_faults(right) == []


@pytest.mark.parametrize(
    ("doc", "message"),
    [
        ("", "not a sentence"),
        ("Adds", "not a sentence"),
        ("Adds.\n\n>>> 1\n1", "no shape"),
        ("Adds, (N, C).", "no example"),
        ("Adds, (N, C).\n\n" + "\n".join(["    >>> 1"] * 7), "longer than six"),
    ],
)
def test_planted_docstring_is_found(doc, message):
    def f(x: Array) -> None: ...

    f.__doc__ = doc
    assert [fault for fault in docstring_faults(f, example=True) if message in fault]
    f.__doc__ = "Adds; (N, C).\n\n>>> 1\n1"
    assert docstring_faults(f, example=True) == []
