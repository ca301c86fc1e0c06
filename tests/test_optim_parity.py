"""Parameters after 20 steps are those of PyTorch, Keras and Optax, as kept in a file, for every option."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from optim_parity import _defaults
from optim_parity._golden import golden
from optim_parity._grid import CASES, error, tolerance
from optim_parity._run import ours

from jaxml import optim

NOT_RULES = {"current_learning_rate", "decay_mask", "freeze", "per_group"}
STYLES_OF = {"radam": {"torch", "optax"}, "lamb": {"keras", "optax"}, "lion": {"keras", "optax"}}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_parameters_are_the_library_s(case):
    """Against its float64: in float32 some of them lose digits that are kept here."""
    for dtype in ("float64", "float32"):
        got = ours(case, dtype)
        assert got.dtype == dtype
        assert error(got, golden()[case.id]) <= tolerance(case, dtype), dtype


def test_kept_results_are_of_this_grid():
    """`python -m tests.optim_parity` writes them anew."""
    assert list(golden()) == [case.id for case in CASES]


def test_every_rule_and_style_is_compared():
    styles = {name: STYLES_OF.get(name, {"torch", "keras", "optax"}) for name in set(optim.__all__) - NOT_RULES}
    assert {(c.name, c.style) for c in CASES} == {(name, style) for name, all_ in styles.items() for style in all_}
    assert Counter(case.id for case in CASES).most_common(1)[0][1] == 1


def test_table_in_the_manual_is_of_this_grid():
    page = (Path(__file__).parents[1] / "docs" / "optim.md").read_text()
    libraries = {"torch": "PyTorch", "keras": "Keras", "optax": "Optax"}
    for (name, style), n in Counter((case.name, case.style) for case in CASES).items():
        assert f"| `{name}` | {libraries[style]} | {n} |" in page


def test_table_of_defaults_in_the_manual():
    """`python -m tests.optim_parity defaults` writes it."""
    page = (Path(__file__).parents[1] / "docs" / "optim.md").read_text()
    assert _defaults.table() in page


def test_defaults_are_those_of_the_table():
    """Given by name they change no bit, and another number does."""
    for case in [case for case in CASES if not case.options]:
        plain, named = ours(case, "float64"), _defaults.own(case.name, case.style)
        assert np.array_equal(ours(case._replace(options=named), "float64"), plain), case.id
        for option, value in named.items():
            other = {option: {"min_dim_size_to_factor": 2, "min_scale": 4.0}.get(option, value / 2 or 0.25)}
            assert not np.array_equal(ours(case._replace(options=named | other), "float64"), plain), (case.id, option)


def test_other_options_give_other_parameters():
    """The grid tells the options apart: what was compared is not the same run over and over."""
    for name in ("sgd", "adam", "rmsprop", "adafactor"):
        results = [golden()[case.id] for case in CASES if (case.name, case.style) == (name, "torch")]
        alike = [
            (i, j) for i in range(len(results)) for j in range(i) if np.array_equal(results[i], results[j])
        ]  # fmt: skip
        # PyTorch ignores the dampening where there is no momentum.
        assert len(alike) == (1 if name == "sgd" else 0), alike
