"""The table of what each module costs: its rows add up to what `flops.count` and `nn.count_params` say, exactly."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import flops, models, nn

NUMBERS = ("macs", "other", "transcendentals", "bytes", "activations")


def S(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def check_sums(table, cost, params):
    """Rows to the total, and the total to an independent count."""
    assert {n: sum(getattr(row.cost, n) for row in table.rows) for n in NUMBERS} == {
        n: getattr(table.total, n) for n in NUMBERS
    }
    assert {n: getattr(table.total, n) for n in NUMBERS} == {n: getattr(cost, n) for n in NUMBERS}
    assert sum(row.params for row in table.rows) == table.total.params == params
    assert table.total.uncounted == cost.uncounted


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("name", ["linear", "mlp", "cnn_separable", "mobilenet_v1_025"])
@pytest.mark.slow
def test_rows_add_up(name, backward):
    def build():
        return models.create(name, rngs=nnx.Rngs(0))

    x = S(2, *models.info(name).input_shape)
    table = nn.summary(build, x, train=backward, backward=backward)
    apply, params, state = nn.abstract(build)
    forward = partial(apply, train=backward)
    step = jax.value_and_grad(lambda params, state, x: forward(params, state, x)[0].sum())
    check_sums(table, flops.count(step if backward else forward, params, state, x), nn.count_params(params))
    assert all(len(line) <= 80 for line in str(table).splitlines())
    (last,) = (row for row in table.rows if row.path == "(elsewhere)") if name != "linear" or backward else (None,)
    assert last is None or (last is table.rows[-1] and last.cost.macs == 0)


def small():
    rngs = nnx.Rngs(0)
    return nn.Sequential(
        nn.Conv(3, 4, 3, stride=2, rngs=rngs),
        nn.BatchNorm(4),
        F.relu,
        nn.DepthwiseConv(4, 3, padding="VALID", use_bias=False, rngs=rngs),
        nn.Flatten(),
        nn.Linear(2 * 3 * 4, 5, rngs=rngs),
    )


def loops(out, kernel, stride, before, size):
    """Taps of a convolution along one axis, by counting: all, and those that read no padding."""
    positions = [o * stride + k - before for o in range(out) for k in range(kernel)]
    return len(positions), sum(0 <= p < size for p in positions)


@pytest.mark.parametrize("padding", ["include", "exclude"])
def test_a_small_network_by_brute_force(padding):
    """Of 8x10 images: a 3x3 convolution of stride 2 (padding 0 and 1), then a 3x3 depthwise one without padding."""
    n, which = 3, int(padding == "exclude")
    table = nn.summary(small(), S(n, 8, 10, 3), padding=padding)
    conv = n * loops(4, 3, 2, 0, 8)[which] * loops(5, 3, 2, 0, 10)[which] * 3 * 4
    depthwise = n * loops(2, 3, 1, 0, 4)[which] * loops(3, 3, 1, 0, 5)[which] * 4
    got = [(row.path, row.type, row.output, row.params, row.cost.macs, row.cost.activations) for row in table.rows]
    assert [row for row in got if row[4] or row[3]] == [
        ("layers/0", "Conv", ((n, 4, 5, 4),), 9 * 3 * 4 + 4, conv, n * 4 * 5 * 4),
        ("layers/1", "BatchNorm", ((n, 4, 5, 4),), 2 * 4, 0, 0),
        ("layers/3", "DepthwiseConv", ((n, 2, 3, 4),), 9 * 4, depthwise, n * 2 * 3 * 4),
        ("layers/5", "Linear", ((n, 5),), 24 * 5 + 5, n * 24 * 5, n * 5),
    ]
    assert table.rows[2].cost.other == n * 4 * 5 * 4  # the activation: one comparison an element
    assert (table.rows[-1].path, table.model, table.padding) == ("layers/5", "Sequential", padding)


def test_backward_is_three_times_but_twice_where_the_input_is_data():
    forward, backward = (nn.summary(small(), S(3, 8, 10, 3), backward=b) for b in (False, True))
    times = {row.path: row.cost.macs for row in backward.rows if row.cost.macs}
    assert {
        row.path: row.cost.macs * (2 if row.path == "layers/0" else 3) for row in forward.rows if row.cost.macs
    } == times


class Cell(nnx.Module):
    """Not of jaxml's layers: parameters of its own, and methods of other names than `__call__`."""

    def __init__(self, size):
        self.w = nnx.Param(jnp.ones((size, size)))
        self.biases = nnx.List([nnx.Param(jnp.ones((size,)))])
        self.inner = nn.Linear(size, size, rngs=nnx.Rngs(0))

    def initial(self, x):
        return jnp.zeros_like(x)

    def step(self, h, x):
        h = jnp.tanh(h @ self.w[...] + self.inner(x) + self.biases[0][...])
        return h, h


class Recurrent(nnx.Module):
    def __init__(self, size):
        self.cell = Cell(size)
        self.head = nnx.Linear(size, 2, rngs=nnx.Rngs(0))  # Flax's own

    def __call__(self, x):
        h, hs = jax.lax.scan(self.cell.step, self.cell.initial(x[0]), x)
        return {"last": h, "all": self.head(hs)}


@pytest.mark.loose_promotion
def test_modules_of_others_and_a_scan():
    """The body of a scan counts as often as it runs; a method that no layer of jaxml calls is found too."""
    steps, batch, size = 7, 3, 4
    args = (S(steps, batch, size),)
    table = nn.summary(lambda: Recurrent(size), *args)
    rows = {row.path: (row.type, row.params, row.cost.macs, row.output) for row in table.rows}
    each = steps * batch * size
    assert rows["cell"] == ("Cell", size * size + size, each * size, ())
    assert rows["cell/inner"] == ("Linear", size * size + size, each * size, ((batch, size),))
    assert rows["head"] == ("Linear", size * 2 + 2, each * 2, ((steps, batch, 2),))
    assert [row.path for row in table.rows][:3] == ["cell", "cell/inner", "head"]
    assert {row.path: row.cost.transcendentals for row in table.rows}["cell"] == each
    apply, params, state = nn.abstract(lambda: Recurrent(size))
    check_sums(table, flops.count(apply, params, state, *args), nn.count_params(params))

    def loss(params, state, x):
        out = apply(params, state, x)[0]
        return out["all"].sum() + out["last"].sum()

    backward = nn.summary(lambda: Recurrent(size), *args, backward=True)
    cost = flops.count(jax.value_and_grad(loss), params, state, *args)
    check_sums(backward, cost, nn.count_params(params))
    assert sum(row.cost.macs for row in backward.rows if row.path == "(elsewhere)") == 0


def test_classes_of_others_are_left_as_they_were():
    before = {cls: dict(vars(cls)) for cls in (Cell, Recurrent, nnx.Linear)}
    with pytest.raises(flops.CountError):
        nn.summary(Recurrent(4), S(7, 3, 5))
    nn.summary(Recurrent(4), S(7, 3, 4))
    assert {cls: dict(vars(cls)) for cls in before} == before


test_classes_of_others_are_left_as_they_were = pytest.mark.loose_promotion(test_classes_of_others_are_left_as_they_were)


class Child(Cell):
    """Inherits its call, and has a method of its own."""

    def __call__(self, x, train):
        return self.twice(x)

    def twice(self, x):
        return self.once(x) + self.once(x)

    def once(self, x):
        return x @ self.w[...]


class Grandchild(Child):
    def once(self, x):
        return 2 * super().once(x)


def test_classes_that_inherit_from_each_other():
    parts = Child(3), Grandchild(3)
    for part in parts:
        part.inner = None
    before = {cls: dict(vars(cls)) for cls in (Cell, Child, Grandchild)}
    table = nn.summary(nn.Sequential(*parts), S(2, 3))
    assert [(row.path, row.type, row.cost.macs, row.cost.other) for row in table.rows] == [
        ("layers/0", "Child", 2 * 18, 6), ("layers/1", "Grandchild", 2 * 18, 6 + 2 * 6),
    ]  # fmt: skip
    assert {cls: dict(vars(cls)) for cls in before} == before


class Tied(nnx.Module):
    """One weight in two layers, one of them never called."""

    def __init__(self):
        self.a, self.b = nn.Linear(3, 3, rngs=nnx.Rngs(0)), nn.Linear(3, 3, rngs=nnx.Rngs(0))
        self.b.w = self.a.w

    def __call__(self, x):
        return self.b(x)


def test_shared_and_uncalled_parameters_count_once():
    table = nn.summary(Tied(), S(2, 3))
    assert [(row.path, row.params, row.cost.macs) for row in table.rows] == [("b", 3, 18), ("a", 12, 0)]
    assert table.total.params == 15


class Own(nnx.Module):
    """A model with a parameter and a part."""

    def __init__(self):
        self.scale, self.part = nnx.Param(jnp.ones(3)), nn.Linear(3, 3, rngs=nnx.Rngs(0))

    def __call__(self, x):
        return self.part(x * self.scale[...][None])


def test_a_model_with_parameters_of_its_own_is_a_row():
    table = nn.summary(Own(), S(2, 3))
    assert [(row.path, row.params, row.cost.flops) for row in table.rows] == [("Own", 3, 6), ("part", 12, 42)]


def test_depth_folds():
    """To the path at that depth, in the order of the program; the output is that of the last inside."""

    def build():
        return models.create("cnn_separable", rngs=nnx.Rngs(0))

    x = S(2, 8, 8, 1)
    whole, two, one = (nn.summary(build, x, depth=depth) for depth in (None, 2, 1))
    assert [row.path for row in one.rows] == ["stem", "blocks", "head", "(elsewhere)"]
    assert [row.type for row in one.rows] == ["ConvBlock", "List", "Linear", ""]
    assert [row.output for row in one.rows] == [((2, 8, 8, 32),), ((2, 2, 2, 128),), ((2, 10),), ()]
    assert [row.path for row in two.rows if row.path.startswith("b")] == [f"blocks/{i}" for i in range(3)]
    assert one.total == two.total == whole.total
    for table in (one, two):
        check_sums(table, whole.total, whole.total.params)
    blocks = sum((row.cost for row in whole.rows if row.path.startswith("blocks")), flops.Cost())
    assert one.rows[1].cost == blocks


def test_nothing_is_allocated():
    """Ten billion parameters would not fit."""
    table = nn.summary(lambda: nn.Linear(100_000, 100_000, rngs=nnx.Rngs(0)), S(1, 100_000))
    assert [(row.path, row.params, row.cost.macs) for row in table.rows] == [("Linear", 10**10 + 10**5, 10**10)]


def test_training_is_counted_as_training():
    """Dropout draws its masks, and batch norm takes statistics, only then."""
    net = nn.Sequential(nn.BatchNorm(4), nn.Dropout(0.5, rngs=nnx.Rngs(0)))
    still, moving = (nn.summary(net, S(8, 4), train=train) for train in (False, True))
    assert [row.path for row in still.rows] == ["layers/0"]
    assert [row.path for row in moving.rows] == ["layers/0", "layers/1"]
    assert moving.rows[0].cost.flops > still.rows[0].cost.flops


class Endless(nnx.Module):
    def __call__(self, x):
        return jax.lax.while_loop(lambda x: (x > 0).all(), lambda x: x - 1, x)


def test_what_is_not_counted_is_said():
    table = nn.summary(Endless(), S(3))
    assert "NOT COUNTED" in str(table) and "while: the number of steps" in str(table)
    assert list(table.as_dict()["uncounted"]) == ["while"]


def test_text_and_json():
    table = nn.summary(lambda: models.create("mobilenet_v1", rngs=nnx.Rngs(0)), S(8, 224, 224, 3))
    text = str(table)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80 and "one MAC is 2 FLOPs" in text and "4,549,922,816 MACs" in text
    stem = next(line for line in lines if line.startswith("stem/conv"))
    assert stem.split() == ["stem/conv", "Conv", "8x112x112x32", "864", "86.7", "M", "1.9%", "3.21", "M", "9.82"]
    found = json.loads(table.to_json())
    assert found == table.as_dict()
    assert set(found) == {"model", "train", "backward", "padding", "rows", "total", "uncounted"}
    assert {"path", "type", "output", "params", "macs", "share", "activations", "intensity"} <= set(found["rows"][0])
    assert (found["total"]["macs"], found["total"]["params"]) == (4_549_922_816, 4_231_976)
    np.testing.assert_allclose(sum(row["share"] for row in found["rows"]), 1)
    assert found["rows"][0]["output"] == [8, 112, 112, 32] and found["rows"][-1]["output"] is None


def test_long_names_are_cut_and_brackets_survive_rich():
    class VeryLongNameOfAModuleThatNobodyWouldWrite(nnx.Module):
        def __init__(self):
            self.a_name_that_takes_up_most_of_a_line_of_eighty = nn.Linear(3, 123456, rngs=nnx.Rngs(0))

        def __call__(self, x):
            return self.a_name_that_takes_up_most_of_a_line_of_eighty(x)

    text = str(nn.summary(VeryLongNameOfAModuleThatNobodyWouldWrite, S(123, 456, 78, 3)))
    assert max(map(len, text.splitlines())) <= 80 and "line_of_eighty Linear" in text
    table = nn.summary(Endless(), S(3))
    assert table.__rich__() == str(table).replace("[", r"\[")


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.summary(3, S(1)), TypeError, "summary: model must be an nnx.Module or make one, got int"),
        (lambda: nn.summary(lambda: 3, S(1)), TypeError, "summary: model must be an nnx.Module or make one, got int"),
        (
            lambda: nn.summary(small(), S(3, 8, 10, 3), depth=0),
            ValueError,
            "summary: depth must be an int of at least 1",
        ),
        (lambda: nn.summary(Own(), S(2, 3), train=True), ValueError, "summary: Own takes no train="),
        (
            lambda: nn.summary(small(), S(8, 10, 3)),
            flops.CountError,
            r"Sequential cannot be called with \(float32\[8,10,3",
        ),
        (lambda: nn.summary(small(), S(3, 8, 10, 3), padding="no"), flops.CountError, "padding must be 'include' or"),
        (
            lambda: nn.summary(nn.Flatten(), S(3, 2, dtype=jnp.int32), backward=True),
            ValueError,
            "summary: backward=True needs a floating output, and Flatten has none",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
