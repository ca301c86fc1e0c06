"""The tables and sentences of suite `models`, from its result alone."""

from benchmarks import _why
from benchmarks._families import FAMILIES, STOCK
from benchmarks._results import Row, SuiteResult
from benchmarks._tables import MISSING, Table, count, milliseconds, percent, times

# whose speed is told of, and how the two are called in a row with a standard twin and in one without
PEERS = {
    "stock Flax": {"separable": STOCK, "jaxml": STOCK},
    "PyTorch": {"separable": "torch-separable", "jaxml": "torch"},
    "Keras": {"separable": "keras-separable"},
}
STOCK_CAPTION = "stock: the same network of flax.nnx layers."


def who_in(rows: list[Row]) -> list[str]:
    """Everyone timed, in the order of the first rows."""
    return list(dict.fromkeys(key.split(".", 1)[1] for row in rows for key in row.times))


def of_family(rows: list[Row], name: str) -> list[Row]:
    return [row for row in rows if row.name.startswith(f"{name} ")]


def tables(result: SuiteResult) -> list[Table]:
    found = [_cost_table(result.rows)]
    for name in FAMILIES:
        if rows := of_family(result.rows, name):
            found += [time_table(rows, name), _memory_table(rows, name)]
    return [*found, *_why.table(result.rows, [("network", "")])]


def _cost_table(rows: list[Row]) -> Table:
    """What each network is, whoever runs it."""
    lines = {}
    for row in rows:
        for key in row.facts:
            if key.startswith("params_"):
                who = key.removeprefix("params_")
                family = row.facts["family"]
                name = family if who == "jaxml" else f"{family}: {who}"
                figures = [count(row.facts[f"{what}_{who}"]) for what in ("params", "macs", "activations")]
                lines[name] = [name, "x".join(map(str, row.facts["shape"])), *figures]
    columns = ("network", "input", "params", "MACs", "activations")
    caption = "MACs and activations (elements written by products and convolutions) of one example."
    return Table("The networks", columns, list(lines.values()), caption)


def time_table(rows: list[Row], name: str) -> Table:
    """A line per network and mode, so that the table stays narrow with the peers in it."""
    cells = []
    for row in rows:
        mode = row.facts.get("mode", row.name)
        for who in who_in([row]):
            time = row.median(f"network.{who}")
            faster = row.speedup("network", who, "standard")
            share = None if faster is None or who == "torch-standard" else faster / row.facts["saving"]
            rate = MISSING if time is None else count(row.facts["batch"] / time)
            roof = percent(row.share(f"network.{who}"))
            cells.append([f"{mode}: {who}", milliseconds(time), rate, times(faster), percent(share), roof])
        if not row.times and row.notes:
            cells.append([f"{mode}: {row.notes[0]}", *[MISSING] * 5])
    facts = next((row.facts for row in rows if row.facts), None)
    where = "" if facts is None else f", batch {facts['batch']}, {'x'.join(map(str, facts['shape']))}"
    columns = ("network", "ms", "examples/s", "vs standard", "share of saving", "of roof")
    caption = f"{STOCK_CAPTION} vs standard: jaxml's all-standard network. of roof: floor / time."
    return Table(f"{FAMILIES[name].title}{where}", columns, cells, caption)


def _memory_table(rows: list[Row], name: str) -> Table:
    cells = []
    for row in rows:
        for who in who_in([row]):
            measured = row.times[f"network.{who}"]
            if measured.temp_bytes is not None and measured.compile_seconds is not None:
                memory = f"{measured.temp_bytes / 2**20:.1f}"
                cells.append([f"{row.facts['mode']}: {who}", memory, f"{measured.compile_seconds:.1f}"])
    columns = ("network", "MiB", "compile s")
    return Table(f"{FAMILIES[name].title}: temporary memory and compile time", columns, cells)


def summary(result: SuiteResult) -> list[str]:
    return [line for row in result.rows if (line := sentence(row))]


def sentence(row: Row) -> str:
    """One row in words."""
    if not row.times:
        return ""
    facts = row.facts
    shape = "x".join(map(str, facts["shape"]))
    name = f"{FAMILIES[facts['family']].title} {facts['mode']}, batch {facts['batch']}, {shape}"
    peers = [
        f"{times(speed)} {who}'s speed"
        for who, keys in PEERS.items()
        for mine, key in keys.items()
        if (speed := row.speedup("network", mine, key)) is not None
    ]
    speedup = row.speedup("network", "separable", "standard")
    if speedup is not None:
        share = percent(facts["network_share"])
        start = (
            f"{times(facts['saving'])} fewer MACs, {times(speedup)} faster than standard "
            f"({share} of the saving became time)"
        )
        return f"{name}: {'; '.join([start, *peers])}"
    return f"{name}: {'; '.join(peers)}" if peers else ""
