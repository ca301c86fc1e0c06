"""The tables and sentences of suite `dispatch`, from its result alone."""

from benchmarks import _dispatch_calls, _dispatch_compile, _dispatch_count, _dispatch_imports
from benchmarks._dispatch_calls import BARE, NNX, OURS
from benchmarks._dispatch_compile import STOCK
from benchmarks._dispatch_imports import BASE, EMPTY
from benchmarks._results import Row, SuiteResult
from benchmarks._tables import MISSING, Table, times

CALLS = {
    "forward": {BARE: "jax.jit of plain functions", OURS: "jax.jit of functionalize's apply", NNX: "nnx.jit"},
    "training step": {BARE: "jax.jit of plain functions", OURS: "make_train_step", NNX: "nnx.jit and nnx.Optimizer"},
}


def part(result: SuiteResult, name: str) -> list[Row]:
    return [row for row in result.rows if row.facts.get("part") == name and row.times]


def added(row: Row, key: str, base: str) -> float | None:
    """Seconds of `key` beyond those of `base`; below zero where it is the faster."""
    longer, shorter = row.median(key), row.median(base)
    return None if longer is None or shorter is None else longer - shorter


def microseconds(seconds: float | None) -> str:
    return MISSING if seconds is None else f"{1e6 * seconds:.1f}"


def seconds(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"


def tables(result: SuiteResult) -> list[Table]:
    drawn = []
    if calls := part(result, _dispatch_calls.PART):
        drawn.append(_calls_table(calls))
    drawn += [_imports_table(row) for row in part(result, _dispatch_imports.PART)]
    if compiled := part(result, _dispatch_compile.PART):
        drawn.append(_compile_table(compiled))
    if counted := part(result, _dispatch_count.PART):
        drawn.append(_count_table(counted))
    return drawn


def _calls_table(rows: list[Row]) -> Table:
    cells = []
    for row in rows:
        for who, name in CALLS[row.name].items():
            over = MISSING if who == BARE else microseconds(added(row, f"call.{who}", f"call.{BARE}"))
            slower = times(row.speedup("call", BARE, who))
            cells.append([f"{row.name}: {name}", microseconds(row.median(f"call.{who}")), over, slower])
    sizes = "-".join(map(str, rows[0].facts["sizes"]))
    caption = (
        "us: of one call and its tiny computation, waited for. vs bare: median over the rounds of time / bare time."
    )
    columns = ("", "us", "us over bare", "vs bare")
    return Table(f"Python for each call: MLP {sizes}, batch {rows[0].facts['batch']}", columns, cells, caption)


def _imports_table(row: Row) -> Table:
    cells = []
    for key, measured in row.times.items():
        name = key.partition(".")[2]
        over = added(row, key, f"import.{BASE}")
        over = None if over is None or over <= 0 else over  # of what does not import jax
        title = "no import" if name == EMPTY else f"import {name}"
        cells.append([title, seconds(measured.median), seconds(over)])
    samples = next(iter(row.times.values())).samples
    caption = f"Medians of {samples} fresh processes each, interleaved, from start to exit."
    return Table("Import time", ("", "s", "s over jax"), cells, caption)


def _compile_table(rows: list[Row]) -> Table:
    cells = []
    for row in rows:
        for what in ("forward", "step"):
            for who in (OURS, STOCK):
                figures = [seconds(row.median(f"{step} {what}.{who}")) for step in ("trace", "compile")]
                cells.append([f"{row.facts['network']}, {what}: {who}", *figures])
    samples = next(iter(rows[0].times.values())).samples
    often = "Once each" if samples == 1 else f"Medians of {samples} in turn"
    caption = f"stock: the same network of flax.nnx layers. trace: with lowering. {often}, with JAX's caches emptied."
    return Table("Compile time", ("program", "trace s", "compile s"), cells, caption)


def _count_table(rows: list[Row]) -> Table:
    cells = []
    for row in rows:
        for who in (_dispatch_count.OURS, _dispatch_count.STOCK):
            figures = [seconds(row.median(f"{what}.{who}")) for what in (_dispatch_count.COUNT, _dispatch_count.TRACE)]
            cells.append([f"{row.facts['network']}: {who}", *figures])
    caption = "A gradient, one image. trace: jax.make_jaxpr, which counting does too. With JAX's caches emptied."
    return Table("Counting FLOPs", ("network", "flops.count s", "trace s"), cells, caption)


def summary(result: SuiteResult) -> list[str]:
    lines = []
    for row in part(result, _dispatch_calls.PART):
        extra = {who: added(row, f"call.{who}", f"call.{BARE}") for who in (OURS, NNX)}
        if extra[OURS] is not None and extra[NNX] is not None:
            names = CALLS[row.name]
            lines.append(
                f"What does a {row.name} cost beside computing? a bare jax.jit "
                f"{microseconds(row.median(f'call.{BARE}'))} us; {names[OURS]} {microseconds(extra[OURS])} us more, "
                f"{names[NNX]} {microseconds(extra[NNX])} us more"
            )
    for row in part(result, _dispatch_imports.PART):
        found = {
            name: added(row, f"import.{name}", f"import.{BASE}")
            for name in ("jaxml.functional", "jaxml.nn", "flax.nnx")
        }
        parts = [f"{name} {seconds(value)} s" for name, value in found.items() if value is not None]
        if parts:
            lines.append(f"What does an import add to `import jax`? {', '.join(parts)}")
    for row in part(result, _dispatch_compile.PART):
        whole = {who: _whole(row, who) for who in (OURS, STOCK)}
        if whole[OURS] is not None and whole[STOCK] is not None:
            lines.append(
                f"How long does a training step of {row.facts['network']} take to trace and compile? "
                f"{seconds(whole[OURS])} s, of stock Flax layers {seconds(whole[STOCK])} s"
            )
    for row in part(result, _dispatch_count.PART):
        found = [row.median(f"{_dispatch_count.COUNT}.{who}") for who in (_dispatch_count.OURS, _dispatch_count.STOCK)]
        lines.append(
            f"How long does counting the gradient of {row.facts['network']} take? "
            f"{seconds(found[0])} s, of stock Flax layers {seconds(found[1])} s (asked: {_dispatch_count.TARGET:.0f})"
        )
    return lines


def _whole(row: Row, who: str) -> float | None:
    found = [row.median(f"{part} step.{who}") for part in ("trace", "compile")]
    return None if None in found else sum(value for value in found if value is not None)
