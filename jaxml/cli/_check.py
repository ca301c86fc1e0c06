"""`jaxml check`: verify a gradient, or all that jaxml writes by hand. Exit status 0 ok, 1 wrong, 2 could not tell."""

import json
import re
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import jax.numpy as jnp
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from jaxml import gradcheck
from jaxml.cli._load import LoadError, load_object
from jaxml.custom_gradients import CUSTOM_GRADIENTS

OK, WRONG, COULD_NOT_TELL = 0, 1, 2


class ArgumentsError(ValueError):
    """The options do not say what to call the function with."""


def check(
    function: str | None = typer.Argument(None, help="What to check, as pkg.module:function."),
    every: bool = typer.Option(False, "--all", help="Check every custom gradient of jaxml itself."),
    shape: list[str] = typer.Option([], help="Shape of an argument, such as 8,16; () for a scalar. One for each."),
    dtype: list[str] = typer.Option(["float32"], help="Dtype of the arguments: one for all, or one for each --shape."),
    npz: Path | None = typer.Option(None, help="Take the arguments from this .npz file, in its order."),
    factory: str | None = typer.Option(None, help="Take the arguments from pkg.module:make, called without arguments."),
    reference: str | None = typer.Option(None, help="A plain differentiable form of it, as pkg.module:function."),
    order: int = typer.Option(1, min=1, max=2, help="2 checks the derivative of the gradient as well."),
    seed: int = typer.Option(0, min=0, help="Seeds the arguments, the directions and the elements probed."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
) -> None:
    """Verify the gradient of a function. Exit status: 0 ok, 1 wrong, 2 could not run or could not tell."""
    if every:
        _forbid(function is not None, "--all takes no function")
        _finish(_check_all(as_json, seed))
    if function is None:
        _forbid(True, "name a function as pkg.module:function, or give --all")
    try:
        f = load_object(str(function))
        plain = None if reference is None else load_object(reference)
        args = _arguments(shape, dtype, npz, factory, seed)
        report = gradcheck.check(f, *args, reference=plain, order=order, seed=seed, name=function)
    except (LoadError, ArgumentsError) as error:
        _forbid(True, str(error))
    except Exception as error:
        # The function's own traceback, or a CheckError that carries it: both belong to the user.
        if as_json:
            print(json.dumps({"name": function, "verdict": "error", "ok": False, "error": str(error)}))
        else:
            traceback.print_exception(error)
        raise typer.Exit(COULD_NOT_TELL) from error
    if as_json:
        print(report.to_json())
    else:
        Console().print(report)
    _finish([report.verdict])


def _forbid(condition: bool, message: str) -> None:
    if condition:
        raise typer.BadParameter(message)


def _finish(verdicts: list[str]) -> None:
    """Leave with the status of the worst verdict."""
    if {"wrong", "nan"} & set(verdicts):
        raise typer.Exit(WRONG)
    raise typer.Exit(COULD_NOT_TELL if {"inconclusive", "error"} & set(verdicts) else OK)


def _check_all(as_json: bool, seed: int) -> list[str]:
    """Check every registered gradient, print the table, then whatever was found in full; the verdicts."""
    console = Console()
    table = Table(title="jaxml's custom gradients", caption="each against autodiff of its plain reference, at order 2")
    for heading in ("gradient", "verdict", "leaves", "probed", "seconds"):
        table.add_column(heading, justify="left" if heading in ("gradient", "verdict") else "right")
    reports, verdicts = [], []
    for gradient in CUSTOM_GRADIENTS:
        start = time.perf_counter()
        with console.status(f"checking {gradient.name}"):
            report = gradient.check(seed=seed)
        seconds = time.perf_counter() - start
        reports.append(report)
        verdicts.append(report.verdict)
        leaves = str(len(report.leaves))
        table.add_row(gradient.name, report.verdict, leaves, f"{100 * report.probed:.3g} %", f"{seconds:.1f}")
    if as_json:
        print(json.dumps([json.loads(report.to_json()) for report in reports]))
        return verdicts
    console.print(table)
    for report in reports:
        if not report.ok:
            console.print(report)
    return verdicts


def _arguments(
    shapes: list[str], dtypes: list[str], npz: Path | None, factory: str | None, seed: int
) -> tuple[Any, ...]:
    """The arguments from the one source that was named."""
    sources: dict[str, tuple[bool, Callable[[], tuple[Any, ...]]]] = {
        "--shape": (bool(shapes), lambda: _random(shapes, dtypes, seed)),
        "--npz": (npz is not None, lambda: _from_npz(npz)),
        "--factory": (factory is not None, lambda: _from_factory(str(factory))),
    }
    given = [name for name, (is_given, _) in sources.items() if is_given]
    if len(given) != 1:
        raise ArgumentsError(
            f"say the arguments by one of --shape, --npz and --factory, got {' and '.join(given) or 'none'}"
        )
    return sources[given[0]][1]()


def _random(shapes: list[str], dtypes: list[str], seed: int) -> tuple[Any, ...]:
    if len(dtypes) not in (1, len(shapes)):
        raise ArgumentsError(f"--dtype must be given once or for each of the {len(shapes)} shapes, got {len(dtypes)}")
    rng = np.random.default_rng(seed)
    dtypes = dtypes * len(shapes) if len(dtypes) == 1 else dtypes
    return tuple(_draw(rng, shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True))


def _draw(rng: np.random.Generator, shape: str, dtype: str) -> np.ndarray:
    """Normal draws; small natural numbers for an integer dtype, coins for a boolean one."""
    if not re.fullmatch(r"\(\)|\d+(,\d+)*,?", shape):
        raise ArgumentsError(f"--shape must be sizes separated by commas, such as 8,16, or (), got {shape!r}")
    sizes = tuple(int(size) for size in shape.strip("(),").split(",") if size)
    try:
        kind = jnp.dtype(dtype)
    except TypeError as error:
        raise ArgumentsError(f"--dtype {dtype!r} is not a dtype") from error
    if jnp.issubdtype(kind, jnp.complexfloating):
        return (rng.standard_normal(sizes) + 1j * rng.standard_normal(sizes)).astype(kind)
    if jnp.issubdtype(kind, jnp.floating):
        return rng.standard_normal(sizes).astype(kind)
    return rng.integers(0, 2 if kind == np.bool_ else 8, sizes).astype(kind)


def _from_npz(path: Path | None) -> tuple[Any, ...]:
    try:
        with open(str(path), "rb") as file, np.load(file) as arrays:
            found = tuple(arrays[name] for name in arrays.files)
    except (OSError, ValueError, AttributeError, BadZipFile) as error:
        raise ArgumentsError(f"--npz {path} cannot be read: {error}") from error
    if not found:
        raise ArgumentsError(f"--npz {path} holds no array")
    return found


def _from_factory(spec: str) -> tuple[Any, ...]:
    args = load_object(spec)()
    if not isinstance(args, (tuple, list)):
        raise ArgumentsError(f"--factory {spec} must return a tuple of arguments, got {type(args).__name__}")
    return tuple(args)
