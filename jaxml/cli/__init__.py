"""The command line: `jaxml`. Every command that prints a table takes `--json`."""

from jaxml.cli._app import app, main

__all__ = ["app", "main"]
