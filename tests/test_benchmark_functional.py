"""Suite `functional`: both forms of every row do the same job, and what its tables say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import _functional as functional
from benchmarks import _functional_case as case
from benchmarks import _functional_report as report
from benchmarks._results import Measured, Row, SuiteResult
from benchmarks._settings import Settings


@pytest.mark.slow
@pytest.mark.loose_promotion  # the plain forms promote as one writes them
@pytest.mark.parametrize("name", functional.CASES)
def test_both_forms_have_the_same_value_and_gradients(name):
    one = functional.CASES[name]
    inputs = [jnp.asarray(a) for a in one.arrays(3, seed=1)]
    out = jax.eval_shape(one.plain, *inputs)
    rng = np.random.default_rng(2)
    cotangent = jax.tree.map(lambda a: jnp.asarray(rng.standard_normal(a.shape), a.dtype), out)
    got, want = (
        jax.jit(case.pulled(f, case.differentiated(inputs)))(cotangent, *inputs) for f in (one.ours, one.plain)
    )
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * float(jnp.abs(b).max()))


def test_sizes_are_those_asked_for():
    """In the cache all inputs together take a mebibyte; weights do not grow with the examples."""
    for one in functional.CASES.values():
        if one.examples is None:
            count = one.count(case.CACHED)
            assert 0.8 * 2**20 < sum(a.nbytes for a in one.arrays(count)) <= 2**20, one.name


def test_default_run_has_rows_of_the_table():
    rows = functional.tasks(Settings("quick"))
    assert [name for name, _ in rows] == [f"{name}, cached" for name in functional.SHORT]
    assert len(functional.tasks(Settings("full"))) > len(functional.CASES)


@pytest.mark.loose_promotion
def test_a_row_times_both_forms_both_ways():
    (row,) = (task(Settings("tiny")) for name, task in functional.tasks(Settings("tiny")) if name == "dropout, cached")
    assert row.notes == []
    assert set(row.times) == {f"{what}.{who}" for what in report.DIRECTIONS for who in ("jaxml", "plain")}
    assert all(row.times[f"{what}.jaxml"].difference < 1e-6 for what in report.DIRECTIONS)
    assert row.facts["examples"] == 2


def test_the_summary_names_what_is_slower():
    times = {
        f"{what}.{who}": Measured(1e-3, 1e-3, 1e-3, 1e-3, 3) for what in ("forward",) for who in ("jaxml", "plain")
    }
    rows = [
        Row(f"{name}, cached", {"size": "cached"}, times, {"forward.jaxml/plain": (ratio, ratio, ratio)})
        for name, ratio in (("slow", 0.5), ("even", 0.96), ("fast", 2.0))
    ]
    result = SuiteResult("functional", 1.0, rows)
    (line,) = report.summary(result)
    assert "Of 3 timed, 1 below 0.95: slow, cached, forward 0.50." in line
    (table,) = report.tables(result)
    assert [cells[0] for cells in table.rows] == ["slow", "even", "fast"]
    assert table.rows[0][2] == "0.50 (0.50-0.50)" and table.rows[0][3] == "-"


def test_a_result_of_which_nothing_fitted_is_drawn():
    result = SuiteResult("functional", 1.0, [Row("huge", notes=["out of memory, skipped"])])
    assert report.tables(result) == [] and report.summary(result) == []
