"""The closed forms against the integers of the papers and of published networks."""

import math

import pytest

from jaxml import flops


def network(**options):
    return sum(flops.mobilenet_v1(**options))


@pytest.mark.parametrize(
    ("options", "macs", "params"),
    [
        ({}, 568_740_352, 4_209_088),
        ({"standard": True}, 4_867_293_184, 29_281_120),
        ({"width": 0.75}, 325_400_448, 2_568_144),
        ({"width": 0.5}, 149_497_088, 1_319_648),
        ({"width": 0.25}, 41_030_272, 463_600),
        ({"width": 0.5, "resolution": 160}, 76_524_800, 1_319_648),
    ],
)
def test_mobilenet_integers(options, macs, params):
    cost = network(**options)
    assert (cost.macs, cost.params) == (macs, params)
    assert cost.flops == 2 * macs


@pytest.mark.parametrize(
    ("options", "trainable"),
    [
        ({}, 4_231_976),
        ({"standard": True}, 29_294_088),
        ({"width": 0.75}, 2_585_560),
        ({"width": 0.5}, 1_331_592),
        ({"width": 0.25}, 470_072),
    ],
)
def test_mobilenet_trainable_parameters(options, trainable):
    """Those of keras.applications: gamma, beta and the classifier's bias on top."""
    assert network(batch_norm=True, bias=True, **options).params == trainable


@pytest.mark.parametrize(("resolution", "millions"), [(224, 568.74), (192, 418.12), (160, 290.68), (128, 186.40)])
def test_mobilenet_resolutions(resolution, millions):
    assert network(resolution=resolution).macs / 1e6 == pytest.approx(millions, abs=5e-3)


@pytest.mark.parametrize(
    ("options", "paper"),
    [
        ({}, 569), ({"width": 0.75}, 325), ({"width": 0.5}, 149), ({"width": 0.25}, 41),
        ({"resolution": 192}, 418), ({"resolution": 160}, 290), ({"resolution": 128}, 186),
        ({"width": 0.5, "resolution": 160}, 76), ({"standard": True}, 4866),
    ],
)  # fmt: skip
def test_mobilenet_agrees_with_the_papers_rounded_figures(options, paper):
    assert network(**options).macs / 1e6 == pytest.approx(paper, rel=7e-3)


def test_conv_mobilenet_of_the_paper_leaves_the_classifier_out():
    *body, classifier = flops.mobilenet_v1(standard=True)
    assert sum(body).macs == 4_866_269_184
    assert classifier.macs == 1_024_000


def test_shallow_mobilenet():
    """Table 5: without the five blocks of 14 x 14 x 512."""
    dropped = [f"block{i}/" for i in range(7, 12)]
    kept = [layer for layer in flops.mobilenet_v1() if not layer.name.startswith(tuple(dropped))]
    assert len(kept) == 28 - 10
    assert (sum(kept).macs, sum(kept).params) == (307_323_392, 2_875_328)


def test_share_of_each_kind_of_layer():
    """Table 2, whose 1.19 % for the stem must be 1.91 %: its rows sum to 99.29."""
    total = network().macs
    share = {
        kind: 100 * sum(layer.macs for layer in flops.mobilenet_v1() if layer.name.endswith(kind)) / total
        for kind in ("pointwise", "depthwise", "stem", "classifier")
    }
    want = {"pointwise": 94.857, "depthwise": 3.057, "stem": 1.906, "classifier": 0.180}
    assert share == pytest.approx(want, abs=6e-4)


@pytest.mark.parametrize(
    ("cost", "macs", "params"),
    [
        (flops.conv(1, 14, 14, 512, 512, kernel=3), 462_422_016, 2_359_296),
        (flops.separable(1, 14, 14, 512, 512, kernel=3), 52_283_392, 266_752),
        (flops.separable(1, 14, 14, 384, 384, kernel=3), 29_578_752, 150_912),
        (flops.separable(1, 10, 10, 384, 384, kernel=3), 15_091_200, 150_912),
    ],
)
def test_internal_layer_of_table_3(cost, macs, params):
    assert (cost.macs, cost.params) == (macs, params)


def test_layers_have_names_and_shapes_that_fit():
    layers = flops.mobilenet_v1(batch=2, width=0.5)
    assert [layer.name for layer in layers[:3]] == ["stem", "block1/depthwise", "block1/pointwise"]
    assert (layers[0].input_shape, layers[0].output_shape) == ((2, 224, 224, 3), (2, 112, 112, 16))
    assert layers[-2].output_shape == (2, 7, 7, 512)
    assert layers[-1].input_shape == (2, 512)
    assert [a.output_shape for a in layers[:-2]] == [b.input_shape for b in layers[1:-1]]
    assert network(batch=2, width=0.5).macs == 2 * 149_497_088
    assert network(batch=2, width=0.5).params == 1_319_648


def brute_force_macs(batch, out_size, kernel, in_channels, out_channels, groups):
    """Count the multiply-adds of the loops themselves."""
    count = 0
    for _ in range(batch * math.prod(out_size)):
        for _ in range(out_channels):
            for _ in range(math.prod(kernel)):
                count += in_channels // groups
    return count


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize(("out_size", "kernel"), [((5,), (3,)), ((4, 3), (2, 5)), ((2, 3, 2), (1, 3, 2))])
def test_conv_counts_the_loops(out_size, kernel, groups):
    cost = flops.conv(2, [n + 1 for n in out_size], out_size, 4, 8, kernel=kernel, groups=groups, bias=True)
    assert cost.macs == brute_force_macs(2, out_size, kernel, 4, 8, groups)
    assert cost.params == math.prod(kernel) * 4 * 8 // groups + 8


def test_bytes_move_each_tensor_once():
    cost = flops.conv(2, (8, 6), (4, 3), 3, 5, kernel=3, bias=True, itemsize=flops.ITEMSIZE["bfloat16"])
    assert cost.input_bytes == 2 * (2 * 8 * 6 * 3)
    assert cost.weight_bytes == 2 * (3 * 3 * 3 * 5 + 5)
    assert cost.output_bytes == 2 * (2 * 4 * 3 * 5)
    assert cost.bytes == cost.input_bytes + cost.weight_bytes + cost.output_bytes
    assert cost.intensity == cost.flops / cost.bytes
    full = flops.conv(2, (8, 6), (4, 3), 3, 5, kernel=3, bias=True, itemsize=flops.ITEMSIZE["float32"])
    assert full.intensity == pytest.approx(cost.intensity / 2)


def test_separable_is_its_two_halves():
    whole = flops.separable(3, 9, 5, 4, 6, kernel=3, multiplier=2, bias=True, name="s")
    first = flops.depthwise(3, 9, 5, 4, kernel=3, multiplier=2)
    second = flops.pointwise(3, 5, 8, 6, bias=True)
    for field in ("params", "macs", "flops", "bytes", "input_bytes", "weight_bytes", "output_bytes"):
        assert getattr(whole, field) == getattr(first, field) + getattr(second, field)
    assert (whole.name, whole.input_shape, whole.output_shape) == ("s", (3, 9, 9, 4), (3, 5, 5, 6))


@pytest.mark.parametrize(("kernel", "channels"), [(3, 512), (5, 64), ((3, 1), 16), (1, 7)])
def test_separable_ratio_is_the_ratio_of_the_counts(kernel, channels):
    macs = flops.separable(1, 12, 6, 32, channels, kernel=kernel).macs
    standard = flops.conv(1, 12, 6, 32, channels, kernel=kernel).macs
    assert flops.separable_ratio(kernel, channels) == pytest.approx(macs / standard, rel=1e-14)


def test_sum_of_many_and_of_one():
    a, b = flops.linear(1, 3, 4), flops.linear(1, 4, 2, bias=True)
    assert sum([a]) is a
    assert (sum([a, b]).params, sum([a, b]).macs, sum([a, b]).name) == (22, 20, "total")
    with pytest.raises(TypeError):
        _ = 1 + a


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: flops.conv(0, 4, 4, 1, 1, kernel=3), r"conv: batch must be positive integers, got 0"),
        (lambda: flops.conv(1, 4, 4, 1, 1, kernel=(3, 0)), r"conv: kernel must be positive integers, got \(3, 0\)"),
        (lambda: flops.conv(1, (4,), 4, 1, 1, kernel=3), r"conv: in_size, out_size and kernel must agree in axes"),
        (lambda: flops.conv(1, 4, 4, 6, 4, kernel=3, groups=3), r"conv: groups must divide 6 and 4 channels, got 3"),
        (lambda: flops.depthwise(1, 4, 4, 3, kernel=3, multiplier=0), r"depthwise: multiplier must be positive"),
        (lambda: flops.linear(1, 3, True), r"linear: out_features must be positive integers, got True"),
        (lambda: flops.separable_ratio(3, 0), r"separable_ratio: out_channels must be positive integers, got 0"),
        (lambda: flops.mobilenet_v1(width=0), r"mobilenet_v1: width must be positive, got 0"),
        (lambda: flops.mobilenet_v1(resolution=0), r"stem: in_size must be positive integers, got \(0, 0\)"),
    ],
)  # fmt: skip
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
