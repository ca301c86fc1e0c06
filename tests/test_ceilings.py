"""The roofs of a device: what they say between measured sizes, and the probe that measures them."""

import json
import math

import jax.numpy as jnp
import pytest

from jaxml import flops
from jaxml.flops import Ceilings, _probe, ceilings

ROOFS = Ceilings("example", {"float32": 2e11, "bfloat16": 8e11}, {2**20: 1.6e11, 2**24: 1e10})


def test_rate_by_name_and_dtype():
    assert ROOFS.rate("float32") == ROOFS.rate(jnp.float32) == 2e11
    assert ROOFS.rate(jnp.dtype("bfloat16")) == 8e11


@pytest.mark.parametrize(
    ("nbytes", "expected"),
    [(0, 1.6e11), (2**20, 1.6e11), (2**22, 4e10), (2**23, 2e10), (2**24, 1e10), (2**40, 1e10)],
)
def test_bandwidth_is_logarithmic_between_sizes_and_constant_beyond(nbytes, expected):
    """16 times the bytes at a 16th of the bandwidth: on a line through both, each doubling halves it."""
    both_orders = (ROOFS, Ceilings("", {"float32": 1.0}, dict(reversed(ROOFS.bandwidth.items()))))
    for roofs in both_orders:
        assert math.isclose(roofs.bandwidth_at(nbytes), expected, rel_tol=1e-12)


def test_survives_json():
    assert Ceilings.from_dict(json.loads(json.dumps(ROOFS.as_dict()))) == ROOFS


def test_errors_of_ceilings():
    with pytest.raises(ValueError, match=r"rate: no roof for float16 on example \(there are: bfloat16, float32\)"):
        ROOFS.rate("float16")
    for bad in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=f"Ceilings: flops must be positive and finite, got {bad} at float32"):
            Ceilings("", {"float32": bad}, {1: 1.0})
        with pytest.raises(ValueError, match=f"Ceilings: bandwidth must be positive and finite, got {bad} at 8"):
            Ceilings("", {"float32": 1.0}, {8: bad})
    with pytest.raises(ValueError, match="a working set must have at least one byte, got 0"):
        Ceilings("", {"float32": 1.0}, {0: 1.0})
    with pytest.raises(ValueError, match="Ceilings: flops must hold at least one roof"):
        Ceilings("", {}, {1: 1.0})
    with pytest.raises(ValueError, match="Ceilings: bandwidth must hold at least one roof"):
        Ceilings("", {"float32": 1.0}, {})
    with pytest.raises(ValueError, match=r"from_dict: no flops, bandwidth in it"):
        Ceilings.from_dict({"device": "x"})


# The probe, on sizes that take no time
@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(_probe, "SIDES", (16, 32))
    monkeypatch.setattr(_probe, "WORKING_SETS", (2**10, 2**12))
    monkeypatch.setattr(_probe, "MOVED", 2**14)
    forget()
    yield
    forget()  # no figure of these sizes may be taken for a measurement


def forget():
    _probe._rate.cache_clear()
    _probe._bandwidth.cache_clear()


def test_probe(small):
    found = ceilings(("float32", jnp.bfloat16, "complex64", "int8"), seconds=0.02)
    assert set(found.flops) == {"float32", "bfloat16", "complex64", "int8"} and set(found.bandwidth) == {2**10, 2**12}
    assert found.device.startswith("cpu, ") and found.device.endswith(" cores")
    assert ceilings("float32", seconds=0.02).flops == {"float32": found.flops["float32"]}, "measured a second time"
    assert ceilings(seconds=0.02).bandwidth == found.bandwidth


def test_probe_counts_what_it_runs(small, monkeypatch):
    """With a clock of ours: a product of side n in one second makes 2 n³ FLOP/s, a complex one four times as many."""
    monkeypatch.setattr(_probe, "_times", lambda call, seconds: flops_of_one_second(call))
    found = ceilings(("float32", "complex64"), seconds=1e6)
    assert found.flops == {"float32": 2 * 32**3, "complex64": 8 * 32**3}
    assert found.bandwidth == {2**10: 2**14, 2**12: 2**14}  # of either, as many passes as read and write 2**14


def flops_of_one_second(call):
    call()
    return _probe.timing.Timing("probe", (1.0,))


def test_probe_passes_over_its_working_set(small):
    """Every pass multiplies all of it once, in place: after 3 passes the numbers are c³."""
    out = _probe._repeated(2**10, 3, jnp.zeros(()).device)()
    assert out.shape == (2**8,) and out.dtype == jnp.float32
    expected = jnp.float32(1)
    for _ in range(3):
        expected = expected * jnp.float32(1.0000001)
    assert bool((out == expected).all()) and float(expected) > 1


def test_errors_of_the_probe(small, monkeypatch, unchecked_types):
    for bad in (0, -1.0, math.nan):
        with pytest.raises(ValueError, match="ceilings: seconds must be positive and finite"):
            ceilings(seconds=bad)
    with pytest.raises(ValueError, match="ceilings: dtypes must not be empty"):
        ceilings(())
    with pytest.raises(ValueError, match=r"ceilings: no dtype is called 'flaot32'; did you mean 'float32'\?"):
        ceilings(("flaot32",))
    with pytest.raises(ValueError, match="ceilings: bool is no dtype of numbers"):
        ceilings(("bool",))
    with pytest.raises(ValueError, match="ceilings: float64 needs jax_enable_x64"):
        ceilings((jnp.float64,))

    def refuse(*args, **kwargs):
        raise RuntimeError("no such unit")

    monkeypatch.setattr(_probe.timing, "compile", refuse)
    with pytest.raises(ValueError, match="ceilings: cpu cannot multiply float16 matrices: no such unit"):
        flops.ceilings(("float16",))
