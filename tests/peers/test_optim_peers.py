"""Every case of the optimizers' grid, live against its library; and the kept results are still what that computes."""

import os
from importlib.util import find_spec

import numpy as np
import pytest
from optim_parity._golden import golden
from optim_parity._grid import CASES, error, tolerance
from optim_parity._run import ours, theirs

os.environ.setdefault("KERAS_BACKEND", "jax")
pytestmark = [
    pytest.mark.peers,
    pytest.mark.loose_promotion,  # Keras and Optax rely on it
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),
]


STYLES = sorted({case.style for case in CASES})
INSTALLED = [style for style in STYLES if find_spec(style) is not None]


@pytest.mark.parametrize("style", STYLES)
def test_the_library_is_there(style):
    """One skip says that all of a library's cases are left out."""
    if style not in INSTALLED:
        pytest.skip(f"{style} is not installed: live comparison of the optimizers skipped")


@pytest.mark.parametrize("case", [case for case in CASES if case.style in INSTALLED], ids=lambda case: case.id)
def test_parameters_are_the_library_s(case):
    if case.style == "keras":
        import keras

        if keras.backend.backend() != "jax":
            pytest.skip("Keras runs on another backend here, set KERAS_BACKEND=jax")
    want = theirs(case, "float64")
    np.testing.assert_allclose(want, golden()[case.id], rtol=1e-12 if tolerance(case, "float64") < 1e-6 else 1e-6)
    assert error(ours(case, "float64"), want) <= tolerance(case, "float64")
