"""At every kink the derivative is the documented one, and the manual has the same table."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from kinks import KINKS

PAGE = Path(__file__).parents[1] / "docs" / "numerics.md"


@pytest.mark.parametrize(("name", "f", "point", "derivative"), KINKS, ids=[kink[0] for kink in KINKS])
def test_kink(name, f, point, derivative):
    """In reverse and in forward mode, finite to the second order; and it is a kink: the slopes beside it differ."""
    slopes = jax.jit(lambda x: [d(f)(x) for d in (jax.grad, jax.jacfwd, lambda f: jax.grad(jax.grad(f)))])
    reverse, forward, second = slopes(jnp.float32(point))
    assert reverse == pytest.approx(derivative, abs=1e-6)
    assert forward == pytest.approx(derivative, abs=1e-6)
    assert jnp.isfinite(second)
    left, right = (float(slopes(jnp.float32(point + step))[0]) for step in (-1e-3, 1e-3))
    assert abs(left - right) > 0.1
    assert min(left, right) - 0.05 <= derivative <= max(left, right) + 0.05


def test_the_manual_shows_the_table():
    text = PAGE.read_text(encoding="utf-8")
    rows = text.split("| --- | ---: | ---: |\n")[1].split("\n\n")[0]
    assert rows.splitlines() == [f"| {name} | {point:g} | {derivative:g} |" for name, _, point, derivative in KINKS]
