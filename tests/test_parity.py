"""PyTorch's results, kept in a file, and the coverage table: both hold where PyTorch is not installed."""

import importlib

import jax
import pytest
from parity import _golden, _page
from parity._all import CLAIMS, ROWS
from parity._claim import error, run_ours
from parity._measure import allowed

GOLDEN = _golden.load()


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, _golden.DRAWS))])
@pytest.mark.parametrize("claim", CLAIMS, ids=str)
@pytest.mark.slow
def test_claim_holds_on_kept_results(claim, seed):
    options, arrays = claim.draw(seed)
    with jax.enable_x64(True):
        got, slopes = run_ours(claim, options, arrays)
    assert error(got, _golden.of(GOLDEN, claim, seed, "value")) <= allowed(claim, "float64"), options
    assert error(slopes, _golden.of(GOLDEN, claim, seed, "gradient")) <= allowed(claim, "float64"), options


def test_no_kept_result_is_left_over():
    """Each is of a claim that there is; `python -m tests.parity` writes the file anew."""
    assert {key.split("/")[0] for key in GOLDEN} == {str(claim) for claim in CLAIMS}


def test_the_page_is_what_the_rows_and_figures_give():
    assert _page.PAGE.read_text() == _page.page(ROWS, _page.load_figures())


@pytest.mark.parametrize(
    "row", [row for rows in ROWS.values() for row in rows], ids=lambda row: str(row.torch or row.ours)
)
def test_row(row):
    """What it names exists; what it does not have has a reason."""
    if not row.ours:
        assert row.reason
        return
    *path, name = row.ours.split(".")
    ours = ".".join(["jaxml", *(path or ["functional"])])
    module = importlib.import_module(ours if row.whose == "jaxml" else row.whose)
    assert hasattr(module, name), f"there is no {row.ours}"


def test_every_claim_is_in_the_table():
    shown = {row.ours for rows in ROWS.values() for row in rows}
    assert {claim.name for claim in CLAIMS} <= shown
