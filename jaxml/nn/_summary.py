"""`summary`: what each module of a model costs."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxml.flops import Cost, CountError
from jaxml.flops._count import _shapes, check_options, traced
from jaxml.flops._table import for_rich
from jaxml.flops._tally import Tally
from jaxml.flops._walk import Walker
from jaxml.nn._bridge import abstract, count_params
from jaxml.nn._recorder import Recorder, accepts_train
from jaxml.nn._scope import watching
from jaxml.nn._summary_text import summary_text

ELSEWHERE = "(elsewhere)"


@dataclass(frozen=True)
class SummaryRow:
    """One module: its path and class, the shapes of its outputs, and what itself, without its parts, has and costs."""

    path: str
    type: str
    output: tuple[tuple[int, ...], ...]
    params: int
    cost: Cost

    def as_dict(self, whole: Cost) -> dict[str, Any]:
        """Plain numbers, for JSON; `share` is that of the MACs of the whole. One output is a shape, several a list."""
        shapes = [list(shape) for shape in self.output]
        return {
            "path": self.path,
            "type": self.type,
            "output": shapes[0] if len(shapes) == 1 else shapes or None,
            "share": self.cost.macs / whole.macs if whole.macs else 0.0,
            "intensity": self.cost.intensity,
            **replace(self.cost, params=self.params).as_dict(),
        }


@dataclass(frozen=True)
class Summary:
    """A table of what each module of a model costs; the rows add up to `total`, which is what `flops.count` counts.

    `print` shows it in 80 columns; `as_dict` and `to_json` have all of it.
    """

    model: str
    rows: tuple[SummaryRow, ...]
    total: Cost
    train: bool = False
    backward: bool = False
    padding: str = "include"

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain numbers and nested lists, for JSON."""
        return {
            "model": self.model,
            "train": self.train,
            "backward": self.backward,
            "padding": self.padding,
            "rows": [row.as_dict(self.total) for row in self.rows],
            "total": replace(self.total, by_primitive={}, uncounted={}).as_dict() | {"intensity": self.total.intensity},
            "uncounted": dict(self.total.uncounted),
        }

    def to_json(self) -> str:
        """`as_dict` as one JSON object."""
        return json.dumps(self.as_dict())

    def __str__(self) -> str:
        return summary_text(self)

    def __rich__(self) -> str:
        return for_rich(str(self))


def summary(
    model: nnx.Module | Callable[[], nnx.Module],
    *args: Any,
    train: bool = False,
    backward: bool = False,
    depth: int | None = None,
    padding: str = "include",
) -> Summary:
    """What each module of `model` costs when it is called with `args`: one row for each that has parameters or works.

    Nothing is run or allocated: `args` are arrays or `jax.ShapeDtypeStruct`s, and `model` may be a function without
    arguments that makes the model, as for `abstract`. Rows are in the order of the program. A row is the module itself
    without the modules inside it, so the rows add up; what lies in no module is in the last row, "(elsewhere)": a
    function called by the model itself, say. A module's parameters are counted once, where they are first.

    train: what the model is called with, if it takes that.
    backward: count a training step's gradient, `jax.value_and_grad` of the sum of all floating outputs by the
        parameters, from its own program, the forward pass included.
    depth: fold modules deeper than so many names in a path into the one at that depth.
    padding: as for `flops.count`.

    Errors: `TypeError` for anything but a module, `ValueError` for a `depth` below 1, for `train=True` where the model
    takes no such argument and for `backward=True` without a floating output, `flops.CountError` for arguments that the
    model cannot be called with and for an unknown `padding`.

    >>> import jax; from flax import nnx; from jaxml import nn
    >>> table = nn.summary(lambda: nn.Linear(64, 10, rngs=nnx.Rngs(0)), jax.ShapeDtypeStruct((8, 64), "float32"))
    >>> [(row.path, row.output, row.params, row.cost.macs) for row in table.rows]
    [('Linear', ((8, 10),), 650, 5120)]
    """
    check_options(padding=padding, trip_count=None, branch="max")
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 1):
        raise ValueError(f"summary: depth must be an int of at least 1, got {depth!r}")
    made, recorder = [], Recorder()

    def build() -> nnx.Module:
        built = model if isinstance(model, nnx.Module) or not callable(model) else model()
        if not isinstance(built, nnx.Module):
            raise TypeError(f"summary: model must be an nnx.Module or make one, got {type(built).__name__}")
        made.append((type(built).__name__, accepts_train(built)))
        return built

    apply, params, state = abstract(build)
    name, takes_train = made[0]
    if train and not takes_train:
        raise ValueError(f"summary: {name} takes no train=")
    options = {"train": train} if takes_train else {}

    def forward(params: Any, state: Any, *args: Any) -> Any:
        return apply(params, state, *args, **options)

    def step(params: Any, state: Any, *args: Any) -> Any:
        return jax.value_and_grad(lambda params: _summed(name, forward(params, state, *args)[0]))(params)

    with watching(recorder):
        try:
            program = traced(step if backward else forward, params, state, *args)
        except CountError as error:
            if isinstance(error.__cause__, NoLoss):
                raise error.__cause__ from None
            raise CountError(
                f"summary: {name} cannot be called with ({', '.join(map(_shapes, args))}): "
                f"{type(error.__cause__).__name__}: {error.__cause__}"
            ) from error.__cause__
    tally, _ = Walker(padding).walk(program, ())
    rows = tuple(_folded(_rows(recorder, tally), recorder.types, depth))
    total = replace(tally.cost(count_params(params)), by_scope={})
    return Summary(name, rows, total, train, backward, padding)


class NoLoss(ValueError):
    """There is nothing to differentiate."""


def _summed(name: str, output: Any) -> jax.Array:
    """The sum of all floating outputs."""
    sums = [leaf.sum() for leaf in jax.tree.leaves(output) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    if not sums:
        raise NoLoss(f"summary: backward=True needs a floating output, and {name} has none")
    return functools.reduce(jnp.add, [s.astype(sums[0].dtype) for s in sums])


def _rows(recorder: Recorder, tally: Tally) -> Iterator[SummaryRow]:
    """One for each module with parameters or a cost, as they were called; then those never called; then the rest."""
    costs: dict[str | None, Cost] = {}
    for (scope, _), part in tally.rows.items():
        path = recorder.path(scope)
        costs[path] = costs.get(path, Cost()) + part
    for path in [*recorder.called, *(path for path in recorder.types if path not in recorder.called)]:
        cost, params = costs.get(path, Cost()), recorder.params.get(path, 0)
        if cost != Cost() or params:
            kind = recorder.types[path]
            yield SummaryRow(path or kind, kind, recorder.outputs.get(path, ()), params, cost)
    if costs.get(None, Cost()) != Cost():
        yield SummaryRow(ELSEWHERE, "", (), 0, costs[None])


def _folded(rows: Iterator[SummaryRow], types: Mapping[str, str], depth: int | None) -> list[SummaryRow]:
    """Rows deeper than `depth` are added to the one at that depth; its output is then that of the last of them."""
    found: dict[str, SummaryRow] = {}
    for row in rows:
        path = row.path if depth is None else "/".join(row.path.split("/")[:depth])
        before = found.get(path)
        if before is None:
            found[path] = replace(row, path=path, type=types.get(path, row.type))
        else:
            output = before.output if before.path in types and not row.output else row.output
            found[path] = replace(before, output=output, params=before.params + row.params, cost=before.cost + row.cost)
    return list(found.values())
