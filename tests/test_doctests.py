"""Every example in a docstring runs and prints what it says."""

import contextlib
import doctest
import importlib
import inspect
import io
import pkgutil
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
PARSER = doctest.DocTestParser()


def documented(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """`value` and, if it is a class, what is defined in its body."""
    yield name, value
    if inspect.isclass(value):
        for attribute, member in vars(value).items():
            if callable(member) or isinstance(member, (classmethod, staticmethod, property)):
                yield f"{name}.{attribute}", member


def found() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """`(name, docstring, globals)` of every module of jaxml and every symbol it defines that has an example.

    Only `__doc__` is read: a function wrapped by jaxtyping's import hook, `jax.jit` or `jax.custom_vjp` still has
    that, while `doctest`'s own finder passes it over as something defined elsewhere.
    """
    for info in pkgutil.walk_packages(jaxml.__path__, "jaxml."):
        module = importlib.import_module(info.name)
        symbols = {s: v for s, v in vars(module).items() if getattr(v, "__module__", None) == info.name}
        pairs = [(info.name, module)]
        pairs += [pair for s, value in symbols.items() for pair in documented(f"{info.name}.{s}", value)]
        for name, value in pairs:
            doc = inspect.getdoc(value) or ""
            if ">>>" in doc:
                yield name, doc, vars(module)


def run(name: str, doc: str, variables: dict[str, Any]) -> tuple[doctest.TestResults, str]:
    out = io.StringIO()
    test = PARSER.get_doctest(doc, {"jax": jax, "jnp": jnp, "np": np} | variables, name, None, 0)
    with contextlib.redirect_stdout(io.StringIO()):
        results = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=out.write)
    return results, out.getvalue()


@pytest.mark.parametrize(("name", "doc", "variables"), [pytest.param(*case, id=case[0]) for case in found()])
def test_docstring(name, doc, variables):
    results, output = run(name, doc, variables)
    assert results.attempted > 0
    assert results.failed == 0, output


def test_examples_are_found():
    """Of the functions, every one: `test_public_api` demands an example of each."""
    names = {name.rsplit(".", 1)[-1] for name, _, _ in found() if name.startswith("jaxml.functional")}
    functions = vars(importlib.import_module("jaxml.functional")).items()
    wanted = {symbol for symbol, f in functions if callable(f) and f.__module__.startswith("jaxml.")}
    assert {"conv2d", "linear"} <= wanted <= names


@pytest.mark.parametrize("doc", [">>> 1 + 1\n3", ">>> jnp.ones(2).shape\n(3,)", ">>> undefined"])
def test_wrong_example_fails(doc):
    assert run("planted", doc, {})[0].failed == 1
