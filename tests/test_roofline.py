"""The roofline's arithmetic, exactly, under roofs that are given; and its text, its picture and its errors."""

import json
import math

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxml.functional as F
from jaxml import flops
from jaxml.flops import Ceilings, CountError, Roofline, _roofline, _rules, plot_roofline, roofline
from jaxml.flops._roofline_text import duration

RATE, BANDWIDTH = 1e9, 1e8
FLAT = Ceilings("example", {"float32": RATE}, {1: BANDWIDTH})  # bandwidth is the same for all sizes
CACHED = Ceilings("example", {"float32": 1e15}, {2**10: 1e9, 2**20: 1e6})  # memory bounds everything, by its size
MIXED = Ceilings("example", {"float32": RATE, "bfloat16": 4 * RATE}, {1: 1e15})  # memory bounds nothing


def S(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def product(a, b):
    return a @ b


def conv(x, w):
    return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def test_product_bound_by_compute():
    line = roofline(product, S(64, 64), S(64, 64), ceilings=FLAT)
    assert line.bound == "compute" and line.floor == 2 * 64**3 / RATE
    assert line.moved == 3 * 64 * 64 * 4 and line.intensity == 2 * 64**3 / line.moved
    assert (line.dtype, line.seconds, line.share, line.cost.macs) == ("float32", None, None, 64**3)


def test_product_bound_by_memory():
    line = roofline(product, S(64, 64), S(64), ceilings=FLAT)
    assert line.bound == "memory" and line.moved == 4 * (64 * 64 + 2 * 64)
    assert line.floor == line.moved / BANDWIDTH


def test_sum_is_read_and_written_once_however_long_the_expression():
    for f in (lambda a, b: a + b, lambda a, b: jnp.tanh(a * b + a) - b):
        line = roofline(f, S(1000), S(1000), ceilings=FLAT)
        assert (line.bound, line.floor, line.moved) == ("memory", 12000 / BANDWIDTH, 12000)
    busy = roofline(lambda a: lax.fori_loop(0, 10**6, lambda _, a: a * a, a), S(1000), ceilings=FLAT)
    assert busy.bound == "compute" and busy.floor == busy.cost.flops / RATE >= 1e9 / RATE


def test_elementwise_work_around_a_product_is_free():
    plain = roofline(product, S(64, 64), S(64, 64), ceilings=FLAT)
    dressed = roofline(lambda a, b: jax.nn.relu(jnp.tanh(a) @ b + 1), S(64, 64), S(64, 64), ceilings=FLAT)
    assert (dressed.floor, dressed.moved) == (plain.floor, plain.moved)
    assert dressed.cost.flops > plain.cost.flops


def test_each_product_has_its_own_bound():
    """Of one floor, the product's part is computing and the vector's is moving; the larger names the bound."""
    line = roofline(lambda a, v: (a @ a) @ v, S(64, 64), S(64), ceilings=FLAT)
    vector = 4 * (64 * 64 + 2 * 64)
    assert math.isclose(line.floor, 2 * 64**3 / RATE + vector / BANDWIDTH, rel_tol=1e-12)
    assert line.bound == "compute" and line.moved == 2 * 64 * 64 * 4 + vector  # a is read once, though it is both sides
    scoped = roofline(lambda a, v: jax.named_scope("s")(product)(a, a) @ v, S(64, 64), S(64), ceilings=FLAT)
    assert scoped.floor == line.floor


def test_conv_and_its_padding():
    x, w = S(1, 8, 8, 16), S(3, 3, 16, 16)
    taps = {"include": 8 * 8 * 9, "exclude": 22 * 22}  # along an axis of 8: 3 * 8 taps, 2 of them on padding
    for padding, n in taps.items():
        line = roofline(conv, x, w, ceilings=FLAT, padding=padding)
        assert (line.cost.macs, line.bound, line.floor) == (n * 256, "compute", 2 * n * 256 / RATE)
        assert line.moved == 4 * (2 * 8 * 8 * 16 + 9 * 256)
    assert roofline(conv, x, w, ceilings=FLAT).floor == 2 * taps["exclude"] * 256 / RATE


def test_depthwise_is_one_operation():
    """Of the primitive that jaxml brings, the ends count, and not what the function it counts as moves inside."""
    line = roofline(F.depthwise_conv2d, S(1, 8, 8, 16), S(3, 3, 1, 16), ceilings=FLAT)
    assert line.moved == 4 * (2 * 8 * 8 * 16 + 9 * 16) and line.cost.macs == 22 * 22 * 16
    assert (line.bound, line.floor) == ("memory", line.moved / BANDWIDTH)


def test_gradient_is_the_program_it_is():
    """d/dw of a sum of squares: the product and one more; d/dx as well: two more."""
    x, w = S(32, 64), S(64, 128)

    def loss(w, x):
        return ((x @ w) ** 2).sum()

    one = 2 * 32 * 64 * 128 / RATE
    assert roofline(loss, w, x, ceilings=MIXED).floor == one
    assert roofline(jax.grad(loss), w, x, ceilings=MIXED).floor == 2 * one
    assert math.isclose(roofline(jax.grad(loss, (0, 1)), w, x, ceilings=MIXED).floor, 3 * one, rel_tol=1e-12)


@pytest.mark.parametrize("length", [1, 10, 1000])
def test_scan_is_its_body_so_often_at_the_bandwidth_of_one_step(length):
    def f(h, w):
        return lax.scan(lambda h, _: (h @ w, None), h, length=length)[0]

    one = 4 * (16 * 16 + 2 * 16)
    line = roofline(f, S(16), S(16, 16), ceilings=CACHED)
    assert math.isclose(line.floor, length * one / CACHED.bandwidth_at(one), rel_tol=1e-12)
    assert (line.moved, line.bound) == (length * one, "memory")


def test_ends_take_the_room_of_the_larger_of_them():
    """Donated, the output lies where the input was: 1 MiB in and out is a working set of 1 MiB."""
    line = roofline(lambda x: x * 2, S(2**18), ceilings=CACHED)
    assert line.floor == 2 * 2**20 / CACHED.bandwidth_at(2**20)


def test_what_is_not_read_is_not_moved():
    table, rows, row = S(1000, 8), S(3, dtype=jnp.int32), 8 * 4

    def moved(f, *args):
        return roofline(f, *args, ceilings=FLAT).moved

    def lookup(table, rows):
        return table[rows]

    assert moved(lookup, table, rows) == moved(jax.jit(lookup), table, rows) == 2 * 3 * row + 12
    assert moved(lambda t, r: t[r] + t[r + 1], table, rows) == 3 * 3 * row + 12
    assert moved(lambda t, r: t[r] + t.sum(), table, rows) == 1000 * row + 3 * row + 12
    assert moved(lambda t: t[2:4], table) == moved(lambda t: lax.dynamic_slice(t, (2, 0), (2, 8)), table) == 4 * row
    assert moved(lambda t, x: x + 1, table, S(4)) == 32
    line = roofline(lambda t, x: (t, x), table, S(4), ceilings=FLAT)
    assert (line.moved, line.floor, line.intensity) == (0, 0.0, 0.0)


def halves(a):
    return a @ a, a.astype(jnp.bfloat16) @ a.astype(jnp.bfloat16)


def test_each_product_counts_at_the_rate_of_its_dtype():
    one = 2 * 64**3
    assert roofline(halves, S(64, 64), ceilings=MIXED).floor == one / 1e9 + one / 4e9
    assert roofline(halves, S(64, 64), ceilings=MIXED, dtype=jnp.bfloat16).floor == 2 * one / 4e9
    assert roofline(halves, S(64, 64), ceilings=FLAT).floor == 2 * one / RATE  # which has no roof for bfloat16


def test_dtype_is_the_widest_floating_one():
    line = roofline(lambda a, b, i: a.sum(), S(8, dtype=jnp.bfloat16), S(8), S(9, dtype=jnp.int32), ceilings=MIXED)
    assert line.dtype == "float32"
    half = S(8, 8, dtype=jnp.bfloat16)
    assert roofline(lambda a, c: a @ a, half, 1, ceilings=MIXED).dtype == "bfloat16"
    assert roofline(lambda i: i + 1, S(9, dtype=jnp.int32), ceilings=MIXED).dtype == "float32"
    assert roofline(product, half, half, ceilings=MIXED, dtype="float32").dtype == "float32"


def test_probe_measures_the_dtypes_that_occur(monkeypatch):
    asked = []
    monkeypatch.setattr(_roofline, "probe", lambda dtypes: asked.append(dtypes) or MIXED)
    roofline(halves, S(64, 64))
    roofline(halves, S(64, 64), dtype="bfloat16")
    roofline(product, S(8, 8, dtype=jnp.int8), S(8, 8, dtype=jnp.int8))
    assert asked == [("float32", "bfloat16"), ("bfloat16",), ("float32",)]


def test_kernel_by_its_declared_cost():
    pl = pytest.importorskip("jax.experimental.pallas")

    def kernel(x, out):
        out[...] = x[...]

    def f(x):
        cost = pl.CostEstimate(flops=4000, transcendentals=0, bytes_accessed=100)
        return pl.pallas_call(kernel, out_shape=x, cost_estimate=cost, interpret=True)(x)

    assert roofline(f, S(8, 8), ceilings=FLAT).floor == max(4000 / RATE, 2 * 256 / BANDWIDTH)
    line = roofline(lambda x: f(f(x)) @ x, S(8, 8), ceilings=Ceilings("", {"float32": 1.0}, {1: 1e9}))
    assert line.floor == 2 * 4000 + 2 * 8**3


def test_rule_of_ones_own_is_a_product():
    @flops.rule("ffi_call:roofline_source")
    def source(call):
        return flops.Cost(macs=call.size)

    try:
        f = lambda: jax.ffi.ffi_call("roofline_source", S(32))()  # noqa: E731  without operands
        assert roofline(f, ceilings=FLAT, seconds=1.0).moved == 128
        chained = roofline(lambda a: f().sum() + (a @ a).sum(), S(64, 64), ceilings=MIXED)
        assert math.isclose(chained.floor, (2 * 32 + 2 * 64**3) / RATE, rel_tol=1e-12)
    finally:
        del _rules.RULES["ffi_call:roofline_source"]


# Time
def test_given_seconds_are_the_achieved_time():
    line = roofline(product, S(64, 64), S(64, 64), ceilings=FLAT, seconds=4 * 2 * 64**3 / RATE)
    assert line.share == 0.25 and line.seconds == 4 * line.floor


def test_arrays_are_timed():
    a = jnp.ones((64, 64))
    for args in ((a, a), (a, jax.device_get(a))):
        line = roofline(product, *args, ceilings=FLAT)
        assert line.seconds is not None and line.seconds > 0 and line.share == line.floor / line.seconds
    assert roofline(lambda p: p["a"] @ p["b"], {"a": a, "b": S(64, 64)}, ceilings=FLAT).seconds is None


def test_given_seconds_run_nothing():
    calls = []

    def f(a):
        jax.debug.callback(lambda: calls.append(1))
        return a @ a

    a = jnp.ones((4, 4))
    roofline(f, a, ceilings=FLAT, seconds=1.0)
    assert calls == []
    roofline(f, a, ceilings=FLAT)
    jax.effects_barrier()
    assert calls


# Text
def test_output():
    line = roofline(product, S(64, 64), S(64, 64), ceilings=FLAT, seconds=0.001)
    assert max(map(len, str(line).splitlines())) <= 80
    assert all(part in str(line) for part in ("compute", "524 us", "1 ms", "52.4 % of the roof", "262,144", "10.67"))
    assert "not timed" in str(roofline(product, S(8, 8), S(8, 8), ceilings=FLAT))
    assert "NOT COUNTED" not in str(line)
    read = json.loads(json.dumps(line.as_dict()))
    assert (read["floor"], read["bound"], read["cost"]["macs"]) == (line.floor, "compute", 64**3)
    endless = roofline(lambda x: lax.while_loop(lambda x: x.sum() < 0, lambda x: x @ x, x), S(8, 8), ceilings=FLAT)
    assert "NOT COUNTED" in str(endless) and "while" in endless.cost.uncounted
    rich = pytest.importorskip("rich.console")
    console = rich.Console(width=80)
    with console.capture() as captured:
        console.print(line)
    assert "52.4 % of the roof" in captured.get()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ns"),
        (1.5e-9, "1.5 ns"),
        (1.234e-5, "12.3 us"),
        (0.9999, "1 s"),
        (0.0125, "12.5 ms"),
        (1234.5, "1234 s"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


# The picture
def picture(**lines: Roofline):
    pytest.importorskip("matplotlib")
    return plot_roofline(lines, Ceilings("example", {"float32": 1e9, "bfloat16": 4e9}, {2**10: 4e8, 2**20: 1e8}))


def test_plot():
    big = roofline(product, S(64, 64), S(64, 64), ceilings=FLAT, seconds=0.001)
    small = roofline(product, S(64, 64), S(64), ceilings=FLAT)
    figure = picture(big=big, small=small, moved=roofline(lambda x: x.T, S(4, 8), ceilings=FLAT))
    (axes,) = figure.axes
    assert axes.get_xscale() == axes.get_yscale() == "log"
    roofs = {line.get_label(): line.get_xydata().tolist() for line in axes.lines if line.get_label()[0] != "_"}
    assert set(roofs) == {"in cache, 1 KiB: 400 MB/s", "out of cache, 1 MiB: 100 MB/s", "float32: 1.00 GFLOP/s",
                          "bfloat16: 4.00 GFLOP/s"}  # fmt: skip
    for label, bandwidth in (("in cache, 1 KiB: 400 MB/s", 4e8), ("out of cache, 1 MiB: 100 MB/s", 1e8)):
        (x0, y0), (x1, y1) = roofs[label]
        assert math.isclose(y0 / x0, bandwidth) and math.isclose(y1 / x1, bandwidth) and y1 == 4e9
    assert [y for _, y in roofs["float32: 1.00 GFLOP/s"]] == [1e9, 1e9]
    marks = [tuple(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    assert marks == [(big.intensity, 2 * 64**3 / 0.001), (small.intensity, small.cost.flops / small.floor)]
    assert "not drawn: moved" in axes.get_xlabel() and "example" in axes.get_title(loc="left")


def test_labels_do_not_overlap():
    lines = {f"layer number {i}": roofline(product, S(64 + i, 64), S(64, 64), ceilings=FLAT) for i in range(8)}
    figure = picture(**lines)
    renderer = figure.canvas.get_renderer()
    boxes = [t.get_window_extent(renderer) for t in figure.axes[0].texts if t.get_text()]
    assert len(boxes) == 8
    assert [1 for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)] == []


def test_plot_of_one_bandwidth_and_of_nothing_to_draw():
    pytest.importorskip("matplotlib")
    figure = plot_roofline({"t": roofline(lambda x: x.T, S(4, 8), ceilings=FLAT)}, FLAT)
    labels = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert labels == ["memory, 1 B: 100 MB/s", "float32: 1.00 GFLOP/s"]


def test_errors_of_the_plot(monkeypatch):
    with pytest.raises(ValueError, match="plot_roofline: rooflines must not be empty"):
        plot_roofline({}, FLAT)
    for name in ("matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(
        ImportError, match=r"plot_roofline: matplotlib is not installed: pip install 'jaxml-nn\[bench\]'"
    ):
        plot_roofline({"a": roofline(product, S(8, 8), S(8, 8), ceilings=FLAT)}, FLAT)


def test_errors(unchecked_types):
    for bad in (0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="roofline: seconds must be positive and finite, got"):
            roofline(product, S(8, 8), S(8, 8), ceilings=FLAT, seconds=bad)
    with pytest.raises(ValueError, match="roofline: no dtype is called 'flaot32'; did you mean 'float32'"):
        roofline(product, S(8, 8), S(8, 8), ceilings=FLAT, dtype="flaot32")
    with pytest.raises(ValueError, match=r"rate: no roof for float16 on example \(there are: float32\)"):
        roofline(product, S(8, 8), S(8, 8), ceilings=FLAT, dtype="float16")
    with pytest.raises(CountError, match="cannot be traced"):
        roofline(product, S(8, 8), S(9, 8), ceilings=FLAT)
    with pytest.raises(CountError, match="padding must be 'include' or 'exclude', got 'same'"):
        roofline(product, S(8, 8), S(8, 8), ceilings=FLAT, padding="same")
    with pytest.raises(CountError, match="f must be a function"):
        roofline(3, ceilings=FLAT)  # type: ignore[arg-type]
