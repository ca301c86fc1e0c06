"""Every claim of parity, live, on fresh draws of inputs and options."""

import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity._all import CLAIMS, ROWS
from parity._measure import allowed, compare

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
pytestmark = pytest.mark.peers
DRAWS = 6
# What the module merely imports or checks with; all else that is public in it is a function for users.
NOT_FUNCTIONALS = {
    "Optional", "assert_int_or_pair", "boolean_dispatch", "handle_torch_function", "has_torch_function",
    "has_torch_function_unary", "has_torch_function_variadic",
}  # fmt: skip


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_claim(claim):
    @settings(max_examples=DRAWS, deadline=None, derandomize=True, database=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from(["float64", "float32"]))
    def holds(seed, dtype):
        value, gradient, options = compare(claim, seed, dtype)
        assert max(value, gradient) <= allowed(claim, dtype), (dtype, options, value, gradient)

    holds()


def test_every_public_functional_of_pytorch_has_a_row():
    """Theirs by the definition of the reference: public, callable, not in-place, not an `_with_indices` twin."""
    functional = torch.nn.functional
    public = {
        name
        for name, value in vars(functional).items()
        if not name.startswith("_") and not name.endswith("_") and callable(value) and not inspect.isclass(value)
        and not name.endswith("_with_indices") and name not in NOT_FUNCTIONALS
    }  # fmt: skip
    shown = {name for rows in ROWS.values() for row in rows for name in row.torch}
    assert public - shown == set()
