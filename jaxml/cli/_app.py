"""The application: one file a command."""

import typer

import jaxml
from jaxml.cli import _check, _flops, _models, _predict, _train, _tune

app = typer.Typer(
    help="jaxml: a functional machine-learning library for JAX.",
    no_args_is_help=True,
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
    pass


app.command("check", no_args_is_help=True)(_check.check)
app.command("flops", no_args_is_help=True, epilog=_flops.EXAMPLES)(_flops.flops)
app.command("models")(_models.list_models)
app.command("predict", no_args_is_help=True, epilog=_predict.EXAMPLES)(_predict.predict)
app.command("train", no_args_is_help=True, epilog=_train.EXAMPLES)(_train.train)
app.command("tune", no_args_is_help=True, epilog=_tune.EXAMPLES)(_tune.tune)


def main() -> None:
    """The entry point of the `jaxml` script."""
    app()
