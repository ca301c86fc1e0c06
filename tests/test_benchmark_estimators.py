"""Suite `estimators`: both libraries fit the same thing, and what its table says."""

import numpy as np
import pytest

from benchmarks import _estimators as suite
from benchmarks._results import SuiteResult
from benchmarks._settings import Settings


@pytest.mark.loose_promotion
@pytest.mark.parametrize("name", [suite.NAMES[0], suite.NAMES[3]])
def test_a_row_is_measured_and_told(name):
    row = suite._row(name, 200, Settings("tiny"))
    assert row.notes == []  # both found the same
    assert set(row.times) == {"fit.jaxml", "fit.sklearn"} and row.facts["first_seconds"] > 0
    result = SuiteResult("estimators", 1.0, [row])
    (table,) = suite.SUITE.tables(result)
    assert [f"{line[0]}, 200 x 32" for line in table.rows] == [row.name] and table.title.endswith(", 200 x 32")
    assert len(table.rows[0]) == len(table.columns)
    (said,) = suite.SUITE.summary(result)
    assert said.startswith("fit: ") and row.name in said


def test_every_name_is_a_fit_of_the_same_data():
    assert (
        list(suite.fits()) == list(suite.NAMES) == [task[0].split(", 200")[0] for task in suite.tasks(Settings("tiny"))]
    )
    first, again = suite.data(50, 0), suite.data(50, 0)
    assert all(np.array_equal(first[k], again[k]) and len(first[k]) == 50 for k in ("x", "y", "classes"))
    assert 5 < first["classes"].sum() < 45
