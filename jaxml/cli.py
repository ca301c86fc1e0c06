"""The command line: `jaxml`. Every command that prints a table takes `--json`."""

import json

import typer
from rich.console import Console
from rich.table import Table

import jaxml
from jaxml import models

app = typer.Typer(
    help="jaxml: a functional machine-learning library for JAX.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> bool:
    if wanted:
        print(f"jaxml {jaxml.__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    # A callback makes typer treat `models` as a subcommand even while it is the only one.
    pass


@app.command("models")
def list_models(as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table.")) -> None:
    """List the models: parameters, input shape, family and paper."""
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


def main() -> None:
    """The entry point of the `jaxml` script."""
    app()


if __name__ == "__main__":
    main()
