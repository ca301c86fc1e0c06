"""What docs/diagnosis.md says of examples/diagnosis.py is what it finds."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "diagnosis.md").read_text()


def example():
    spec = importlib.util.spec_from_file_location("diagnosis_pictures", ROOT / "examples" / "diagnosis.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(name):
    """The numbers of the page's table behind this name."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {name} |")]
    return [float(cell) for cell in line.split("|")[2:-1]]


def test_classes():
    _, before, after, temperature = example().classes()
    for name, found in (("before", before), ("after", after)):
        assert [float(v) for v in (found.ece, found.mce, found.brier)] == pytest.approx(row(name), abs=2e-3)
    assert f"temperature of {temperature:.2f}" in PAGE


@pytest.mark.loose_promotion  # a reader runs JAX as it comes
def test_polynomials():
    """Bias falls and variance rises with the degree; the squared error is least in between."""
    results = example().polynomials((1, 3, 9), 500)
    for degree, found in results.items():
        parts = [float(v) for v in (found.loss, found.bias, found.variance, found.noise)]
        assert parts == pytest.approx(row(degree), abs=2e-3)
    line, cubic, wild = results.values()
    assert line.bias > 10 * cubic.bias and wild.variance > 2 * cubic.variance and cubic.loss < min(line.loss, wild.loss)
