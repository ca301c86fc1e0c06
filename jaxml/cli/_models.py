"""`jaxml models`."""

import json

import typer
from rich.console import Console
from rich.table import Table


def list_models(as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table.")) -> None:
    """List the models: parameters, input shape, family and paper."""
    from jaxml import models  # with Flax, which `jaxml --help` does without

    listed = [models.info(name) for name in models.names()]
    if as_json:
        print(json.dumps([info._asdict() for info in listed], indent=2))
        return
    table = Table(title="jaxml models", caption="parameters: the trainable ones, at the default options")
    for heading, side in [("name", "left"), ("parameters", "right"), ("input", "left"), ("family", "left")]:
        table.add_column(heading, justify=side, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("paper")
    for info in listed:
        shape = "x".join(map(str, info.input_shape))
        table.add_row(info.name, f"{info.params:,}", shape, info.family, info.paper)
    Console().print(table)
