"""Timing: its structure, with a clock that the test turns. No test here judges a real time."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import timing
from jaxml.timing import Timing


class Clock:
    """A clock that stands still unless a job moves it."""

    def __init__(self):
        self.now = 100.0
        self.log = []

    def job(self, name, *seconds):
        """A call that takes the given times in turn, the last of them from then on."""
        left = list(seconds)

        def call():
            self.log.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return call


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "_clock", lambda: clock.now)
    return clock


def test_statistics_are_numpys():
    for n in (1, 2, 3, 4, 9, 10):
        samples = tuple(np.random.default_rng(n).random(n).tolist())
        t = Timing("t", samples)
        want = np.percentile(samples, [0, 25, 50, 75])
        np.testing.assert_allclose([t.minimum, t.q25, t.median, t.q75], want, rtol=1e-12)
        assert t.iqr == t.q75 - t.q25


def test_as_dict_is_json_with_the_raw_samples():
    t = Timing("t", (3.0, 1.0, 2.0), inner=4)
    back = json.loads(json.dumps(t.as_dict()))
    assert back == {
        "name": "t", "minimum": 1.0, "median": 2.0, "q25": 1.5, "q75": 2.5, "iqr": 1.0,
        "repeats": 3, "inner": 4, "samples": [3.0, 1.0, 2.0],
    }  # fmt: skip


def test_samples_are_the_times_of_the_calls(clock):
    jobs = {"a": clock.job("a", 9.0, 8.0, 1.0, 2.0, 3.0), "b": clock.job("b", 0.5)}
    times = timing.compare(jobs, warmup=2, repeats=3, inner=1)
    assert list(times) == ["a", "b"]
    assert times["a"].samples == (1.0, 2.0, 3.0)  # the slow first two were warm-up
    assert times["b"].samples == (0.5, 0.5, 0.5)


def test_rounds_are_interleaved_in_seeded_shuffled_order(clock):
    def order(seed):
        clock.log.clear()
        timing.compare({name: clock.job(name, 1.0) for name in "abc"}, warmup=0, repeats=12, inner=1, seed=seed)
        return ["".join(clock.log[i : i + 3]) for i in range(0, len(clock.log), 3)]

    rounds = order(0)
    assert len(rounds) == 12
    assert all(sorted(r) == list("abc") for r in rounds), "every round runs every candidate once"
    assert len(set(rounds)) > 2, "the order changes from round to round"
    assert order(0) == rounds
    assert order(1) != rounds


def test_short_calls_are_repeated_within_a_sample(clock):
    jobs = {"short": clock.job("short", 30e-6), "long": clock.job("long", 0.1)}
    times = timing.compare(jobs, warmup=1, repeats=4)
    assert (times["short"].inner, times["long"].inner) == (7, 1)  # 7 * 30 us is the first to reach 200 us
    assert times["short"].samples == pytest.approx([30e-6] * 4)
    assert clock.log.count("long") == 1 + 1 + 4  # warm-up, probe, samples
    assert clock.log.count("short") == 1 + 3 + 4 * 7


def test_odd_first_call_does_not_set_the_number_of_repetitions(clock):
    times = timing.compare({"a": clock.job("a", 5.0, 190e-6, 20e-6)}, warmup=1, repeats=3)
    assert times["a"].inner == 10


def test_repetitions_are_bounded_when_a_call_takes_no_time(clock):
    assert timing.compare({"a": clock.job("a", 0.0)}, repeats=1)["a"].inner == timing.MAX_INNER


def test_given_number_of_repetitions(clock):
    times = timing.compare({"a": clock.job("a", 2.0)}, warmup=0, repeats=2, inner=5)
    assert (times["a"].inner, times["a"].samples, len(clock.log)) == (5, (2.0, 2.0), 10)


def test_min_seconds_asks_for_more_rounds(clock):
    times = timing.compare({"a": clock.job("a", 1.0)}, warmup=0, repeats=2, min_seconds=7.0, inner=1)
    assert len(times["a"].samples) == 7


@pytest.mark.parametrize(("limit", "rounds"), [(1000.0, 10), (16.5, 8), (5.0, 3), (0.0, 3)])
def test_max_seconds_bounds_the_whole_but_leaves_three_whole_rounds(clock, limit, rounds):
    jobs = {"a": clock.job("a", 1.5), "b": clock.job("b", 0.5)}
    times = timing.compare(jobs, warmup=0, repeats=10, max_seconds=limit, inner=1)
    assert {len(t.samples) for t in times.values()} == {rounds}
    assert times["a"].as_dict()["repeats"] == rounds


def test_fewer_rounds_than_three_when_so_asked(clock):
    times = timing.compare({"a": clock.job("a", 1.0)}, repeats=2, max_seconds=0.0, inner=1)
    assert len(times["a"].samples) == 2


def test_every_call_is_waited_for(clock):
    class Result:
        waited = 0

        def block_until_ready(self):
            Result.waited += 1
            clock.now += 1.0
            return self

    times = timing.compare({"a": Result}, warmup=1, repeats=2, inner=3)
    assert times["a"].samples == (1.0, 1.0)
    assert Result.waited == 1 + 2 * 3


def test_exception_of_a_candidate_passes_through():
    def fails():
        raise MemoryError("too large")

    with pytest.raises(MemoryError, match="too large"):
        timing.compare({"a": fails})


def test_ratio_is_paired_by_round():
    a = Timing("a", (1.0, 20.0, 3.0, 400.0))  # the machine grew slow in rounds 2 and 4, for both
    b = Timing("b", (0.5, 10.0, 1.5, 200.0))
    assert timing.ratio(a, b) == (2.0, 2.0, 2.0)
    assert timing.ratio(b, a) == (0.5, 0.5, 0.5)
    median, low, high = timing.ratio(Timing("a", (1.0, 2.0, 3.0, 4.0, 5.0)), Timing("b", (1.0,) * 5))
    assert (median, low, high) == (3.0, 2.0, 4.0)


def test_ratio_of_different_comparisons():
    with pytest.raises(ValueError, match=r"ratio: both timings .* got 2 samples of 'a' and 1 of 'b'"):
        timing.ratio(Timing("a", (1.0, 2.0)), Timing("b", (1.0,)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeats": 0}, r"compare: repeats must be at least 1, got 0"),
        ({"warmup": -1}, r"compare: warmup must be at least 0, got -1"),
        ({"inner": 0}, r"compare: inner must be 'auto' or at least 1, got 0"),
        ({"inner": "all"}, r"compare: inner must be 'auto' or at least 1, got 'all'"),
        ({"min_seconds": 2.0, "max_seconds": 1.0}, r"compare: max_seconds must be at least min_seconds, got 1.0 < 2.0"),
    ],
)
def test_bad_options(options, message):
    def call():
        raise AssertionError("nothing may run")

    with pytest.raises(ValueError, match=message):
        timing.compare({"a": call}, **options)


def test_no_candidates():
    with pytest.raises(ValueError, match="compare: candidates must not be empty"):
        timing.compare({})


def test_compile_reports_tracing_and_compiling_apart(monkeypatch):
    ticks = iter([1.0, 3.0, 10.0])
    monkeypatch.setattr(timing, "_clock", lambda: next(ticks))
    traces = []

    def f(x, w):
        traces.append(1)
        return jnp.tanh(x @ w)

    x, w = jnp.ones((8, 16)), jnp.ones((16, 4))
    done = timing.compile(f, x, w)
    assert (done.trace_seconds, done.compile_seconds) == (2.0, 7.0)
    np.testing.assert_allclose(done.call(x, w), jnp.tanh(x @ w), rtol=1e-6)
    done.call(x, w)
    assert len(traces) == 1, "calling must not trace again"
    assert done.flops is None or done.flops >= 2 * 8 * 16 * 4
    assert done.temp_bytes is None or done.temp_bytes >= 0


def test_compile_from_shapes_alone():
    done = timing.compile(lambda x: x + 1, jax.ShapeDtypeStruct((3,), jnp.float32))
    np.testing.assert_array_equal(done.call(jnp.zeros(3)), np.ones(3))
    assert done.trace_seconds > 0
    assert done.compile_seconds > 0


def test_compile_donates():
    x = jnp.arange(4.0)
    done = timing.compile(lambda x: x + 1, x, donate_argnums=0)
    done.call(x)
    assert x.is_deleted()


def test_real_clock():
    f = timing.compile(lambda x: x @ x, jnp.ones((32, 32)))
    x = jnp.ones((32, 32))
    times = timing.compare({"once": lambda: f.call(x), "twice": lambda: f.call(f.call(x))}, repeats=4)
    assert all(len(t.samples) == 4 and 0 < t.minimum <= t.q25 <= t.median <= t.q75 for t in times.values())
    assert all(r > 0 for r in timing.ratio(times["twice"], times["once"]))
