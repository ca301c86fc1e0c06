"""A suite of made-up rows, and the suites' command line, for the tests of what every suite shares."""

from functools import partial

import numpy as np
from typer.testing import CliRunner

from benchmarks import _suites
from benchmarks.__main__ import app
from benchmarks._results import Measured, Row
from benchmarks._tables import Table
from benchmarks._types import Suite

ROWS = ("one", "two", "three")


def cli(*arguments, env=None):
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "80", **(env or {})})


def measured(factor=1.0, samples=9, seed=0):
    """About a millisecond a call, `factor` times as slow, with 2 % of noise."""
    raw = np.sort(np.random.default_rng(seed).normal(1e-3, 2e-5, samples)) * factor
    return Measured(float(np.median(raw)), raw[2], raw[-2], raw[0], samples, raw=[float(s) for s in raw])


class Fake:
    """The suite `fake`: a test sets `factors`, by row and key, or has a row fail; `called` lists what was measured."""

    def __init__(self):
        self.factors, self.fails, self.called, self.rows = {}, {}, [], ROWS
        self.after_each = lambda name: None

    def task(self, name, settings):
        self.called.append(name)
        if name in self.fails:
            raise self.fails[name]
        keys = ("forward.a", "forward.b")
        times = {key: measured(self.factors.get((name, key), 1.0), seed=seed) for seed, key in enumerate(keys)}
        self.after_each(name)
        return Row(name, {"batch": settings.examples()}, times, {"forward.a/b": (1.0, 0.9, 1.1)})

    def suite(self):
        def tasks(settings):
            return [(name, partial(self.task, name)) for name in self.rows]

        def tables(result):
            return [Table("Fake", ("row",), [[row.name] for row in result.rows])]

        return Suite("fake", "Made up", tasks, tables, lambda result: [])


def install(monkeypatch):
    """Put `fake` in place of all suites."""
    fake = Fake()
    monkeypatch.setattr(_suites, "SUITES", {"fake": fake.suite()})
    monkeypatch.setattr("benchmarks._html.SUITES", _suites.SUITES)
    return fake
