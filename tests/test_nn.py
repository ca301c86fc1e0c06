"""Every layer is one call of its functional on its own parameters, bit for bit, with NNX's graph mode on and off."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import nn
from jaxml.functional import init


@pytest.fixture(autouse=True, params=[True, False], ids=["graph", "tree"])
def nnx_mode(request):
    with nnx.set_graph_mode(request.param), nnx.set_graph_updates(request.param):
        yield


def rngs():
    return nnx.Rngs(0)


def values(shape, dtype=jnp.float32):
    return jax.random.normal(jax.random.key(7), shape, jnp.float32).astype(dtype)


def with_biases(layer):
    """Biases start at 0, where adding one twice or not at all would not show."""
    for name in ("b", "bias"):
        if getattr(layer, name, None) is not None:
            param = getattr(layer, name)
            param[...] = (jnp.arange(param.shape[0]) / 7 - 0.3).astype(param.dtype)
    return layer


CONV = {"stride": 2, "padding": ((1, 0), (2, 1)), "dilation": (1, 2)}
# name: (how to make the layer, the shape of x, the same thing by functions given x and the arrays of the layer)
CASES = {
    "linear": (lambda **o: nn.Linear(5, 3, **o), (2, 4, 5), lambda x, p: F.linear(x, p["w"], p["b"])),
    "linear no bias": (lambda **o: nn.Linear(5, 3, use_bias=False, **o), (4, 5), lambda x, p: F.linear(x, p["w"])),
    "conv": (
        lambda **o: nn.Conv(4, 6, 3, groups=2, **CONV, **o),
        (2, 9, 8, 4),
        lambda x, p: F.conv2d(x, p["w"], p["b"], groups=2, **CONV),
    ),
    "conv 1x1": (
        lambda **o: nn.Conv(4, 6, 1, use_bias=False, **o),
        (2, 5, 4, 4),
        lambda x, p: F.conv2d(x, p["w"]),
    ),
    "conv 1d": (
        lambda **o: nn.Conv(4, 6, (3,), padding="VALID", **o),
        (2, 9, 4),
        lambda x, p: F.conv1d(x, p["w"], p["b"], padding="VALID"),
    ),
    "conv 3d": (
        lambda **o: nn.Conv(2, 3, [3, 2, 1], padding=[1, 0, 0], **o),
        (2, 5, 4, 3, 2),
        lambda x, p: F.conv3d(x, p["w"], p["b"], padding=(1, 0, 0)),
    ),
    "conv xla": (
        lambda **o: nn.Conv(4, 6, 3, implementation="xla", **o),
        (2, 5, 4, 4),
        lambda x, p: F.conv2d(x, p["w"], p["b"], implementation="xla"),
    ),
    "depthwise": (
        lambda **o: nn.DepthwiseConv(4, (3, 2), multiplier=2, **CONV, **o),
        (2, 9, 8, 4),
        lambda x, p: F.depthwise_conv2d(x, p["w"], p["b"], **CONV),
    ),
    "depthwise xla": (
        lambda **o: nn.DepthwiseConv(4, 3, use_bias=False, implementation="xla", **o),
        (2, 9, 8, 4),
        lambda x, p: F.depthwise_conv2d(x, p["w"], implementation="xla"),
    ),
    "separable": (
        lambda **o: nn.SeparableConv(4, 6, 3, multiplier=2, **CONV, **o),
        (2, 9, 8, 4),
        lambda x, p: F.separable_conv2d(x, p["w_depthwise"], p["w_pointwise"], p["b"], **CONV),
    ),
    "separable no bias": (
        lambda **o: nn.SeparableConv(4, 6, 3, use_bias=False, implementation="xla", **o),
        (2, 9, 8, 4),
        lambda x, p: F.separable_conv2d(x, p["w_depthwise"], p["w_pointwise"], implementation="xla"),
    ),
}
# No parameters: (the layer, the shape of x, the function)
PLAIN = {
    "max pool": (lambda: nn.MaxPool(2), (2, 6, 5, 3), lambda x: F.max_pool2d(x, window=2)),
    "max pool 1d": (lambda: nn.MaxPool((3,), stride=1), (2, 6, 3), lambda x: F.max_pool1d(x, window=3, stride=1)),
    "max pool 3d": (lambda: nn.MaxPool((2, 1, 2)), (2, 4, 3, 4, 3), lambda x: F.max_pool3d(x, window=(2, 1, 2))),
    "avg pool": (
        lambda: nn.AvgPool(3, stride=2, padding="SAME"),
        (2, 6, 5, 3),
        lambda x: F.avg_pool2d(x, window=3, stride=2, padding="SAME"),
    ),
    "avg pool with padding": (
        lambda: nn.AvgPool(3, padding=[[1, 0], [0, 1]], count_include_pad=True),
        (2, 6, 5, 3),
        lambda x: F.avg_pool2d(x, window=3, padding=((1, 0), (0, 1)), count_include_pad=True),
    ),
    "avg pool 1d": (lambda: nn.AvgPool((2,)), (2, 6, 3), lambda x: F.avg_pool1d(x, window=2)),
    "avg pool 3d": (lambda: nn.AvgPool((2, 2, 2)), (2, 4, 4, 4, 3), lambda x: F.avg_pool3d(x, window=2)),
    "global avg pool": (nn.GlobalAvgPool, (2, 6, 5, 3), F.global_avg_pool),
    "global max pool": (nn.GlobalMaxPool, (2, 6, 5, 3), F.global_max_pool),
    "flatten": (nn.Flatten, (2, 6, 5, 3), F.flatten),
    "activation": (lambda: nn.Activation(F.relu6), (2, 6), F.relu6),
}


def arrays(layer):
    return {name: v[...] for name, v in vars(layer).items() if isinstance(v, nnx.Variable)}


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_is_its_functional(case, train):
    make, shape, function = CASES[case]
    layer, x = with_biases(make(rngs=rngs())), values(shape)
    got, want = layer(x, train=train), function(x, arrays(layer))
    assert got.size and np.ptp(got) > 0
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("case", PLAIN)
def test_plain_layer_is_its_functional(case, train):
    make, shape, function = PLAIN[case]
    x = values(shape)
    np.testing.assert_array_equal(make()(x, train=train), function(x))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_half_input_runs_in_half(case, dtype):
    """Parameters stay float32; the call sees their rounded copies."""
    make, shape, function = CASES[case]
    layer, x = with_biases(make(rngs=rngs())), values(shape, dtype)
    assert {a.dtype for a in arrays(layer).values()} == {jnp.dtype("float32")}
    got = layer(x)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, function(x, {name: a.astype(dtype) for name, a in arrays(layer).items()}))


@pytest.mark.parametrize("case", CASES)
def test_dtype_options(case):
    make, shape, function = CASES[case]
    x = values(shape)
    layer = with_biases(make(dtype=jnp.bfloat16, param_dtype=jnp.float16, rngs=rngs()))
    assert {a.dtype for a in arrays(layer).values()} == {jnp.dtype("float16")}
    got = layer(x)
    assert got.dtype == jnp.bfloat16
    rounded = {name: a.astype(jnp.bfloat16) for name, a in arrays(layer).items()}
    np.testing.assert_array_equal(got, function(x.astype(jnp.bfloat16), rounded))


def test_float64_input_runs_in_float64():
    with jax.enable_x64(True):
        layer = nn.Linear(3, 2, rngs=rngs())
        assert layer.w[...].dtype == jnp.float32
        assert layer(jnp.ones((2, 3), jnp.float64)).dtype == jnp.float64


@pytest.mark.parametrize("case", CASES)
def test_integer_input_is_refused(case, unchecked_types):
    make, shape, _ = CASES[case]
    with pytest.raises(TypeError, match="x must be floating point, got uint8"):
        make(rngs=rngs())(jnp.ones(shape, jnp.uint8))


def test_batch_norm_with_a_dtype_refuses_integers(unchecked_types):
    norm, x = nn.BatchNorm(3, dtype=jnp.bfloat16), jnp.ones((2, 3), jnp.uint8)
    calls = [lambda: norm(x), lambda: norm.then(x, jnp.ones((3, 4)), conv=jnp.matmul, activation=F.relu)]
    for call in calls:
        with pytest.raises(TypeError, match="x must be floating point, got uint8"):
            call()
    assert norm(jnp.ones((2, 3))).dtype == jnp.bfloat16


class TestBatchNorm:
    def make(self, **options):
        norm = with_biases(nn.BatchNorm(3, momentum=0.8, eps=1e-3, **options))
        if norm.scale is not None:
            norm.scale[...] = jnp.array([0.5, 1.0, 2.0])
        norm.mean[...], norm.var[...] = jnp.array([0.1, -0.2, 0.3]), jnp.array([1.0, 2.0, 0.5])
        return norm

    def by_function(self, norm, x, train):
        p = {"scale": None, "bias": None, **arrays(norm)}
        options = {"train": train, "momentum": 0.8, "eps": 1e-3}
        return F.batch_norm(x, p["mean"], p["var"], p["scale"], p["bias"], **options)

    @pytest.mark.parametrize("options", [{}, {"use_scale": False}, {"use_bias": False}])
    @pytest.mark.parametrize("shape", [(8, 3), (4, 3, 2, 3)])
    def test_train(self, options, shape):
        norm, x = self.make(**options), values(shape)
        want, mean, var = self.by_function(norm, x, True)
        np.testing.assert_array_equal(norm(x, train=True), want)
        np.testing.assert_array_equal(norm.mean[...], mean)
        np.testing.assert_array_equal(norm.var[...], var)
        flat = np.asarray(x, np.float64).reshape(-1, 3)
        np.testing.assert_allclose(mean, 0.8 * np.array([0.1, -0.2, 0.3]) + 0.2 * flat.mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(var, 0.8 * np.array([1.0, 2.0, 0.5]) + 0.2 * flat.var(0), rtol=1e-5)

    @pytest.mark.parametrize("options", [{}, {"use_scale": False, "use_bias": False}])
    def test_eval(self, options):
        norm, x = self.make(**options), values((4, 5, 3))
        before = arrays(norm)
        np.testing.assert_array_equal(norm(x), self.by_function(norm, x, False)[0])
        jax.tree.map(np.testing.assert_array_equal, arrays(norm), before)

    @pytest.mark.parametrize("train", [True, False])
    @pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
    def test_half(self, dtype, train):
        """Statistics and parameters stay float32, the result is in x's dtype."""
        norm, x = self.make(), values((16, 3), dtype)
        want, mean, _ = self.by_function(norm, x, train)
        got = norm(x, train=train)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(norm.mean[...], mean)
        assert {a.dtype for a in arrays(norm).values()} == {jnp.dtype("float32")}

    def test_dtype(self):
        norm = nn.BatchNorm(3, dtype=jnp.bfloat16)
        assert norm(values((4, 3)), train=True).dtype == jnp.bfloat16
        assert norm.mean[...].dtype == jnp.float32

    def test_axis_name(self):
        """Two halves of a batch on a mapped axis are normalised as the whole batch is."""
        x = values((8, 3))
        apply, params, state = nn.functionalize(nn.BatchNorm(3, axis_name="devices"))
        halves, moved = jax.vmap(lambda x: apply(params, state, x, train=True), axis_name="devices")(x.reshape(2, 4, 3))
        norm = nn.BatchNorm(3)
        np.testing.assert_allclose(halves.reshape(8, 3), norm(x, train=True), rtol=1e-5, atol=1e-5)
        for got in moved["var"]:
            np.testing.assert_allclose(got, norm.var[...], rtol=1e-5)


class TestDropout:
    def test_train_is_its_functional(self):
        layer, x = nn.Dropout(0.5, rngs=rngs()), values((50, 4))
        keep, use = jax.random.split(layer.key[...])
        np.testing.assert_array_equal(layer(x, train=True), F.dropout(use, x, rate=0.5))
        assert (layer.key[...] == keep).all()

    def test_eval_is_identity_and_moves_no_key(self):
        layer, x = nn.Dropout(0.5, rngs=rngs()), values((50, 4))
        before = layer.key[...]
        np.testing.assert_array_equal(layer(x), x)
        assert (layer.key[...] == before).all()

    def test_calls_differ(self):
        layer, x = nn.Dropout(0.5, rngs=rngs()), jnp.ones(200)
        assert (layer(x, train=True) != layer(x, train=True)).any()

    def test_layers_of_one_rngs_differ(self):
        shared, x = rngs(), jnp.ones(200)
        first, second = nn.Dropout(0.5, rngs=shared), nn.Dropout(0.5, rngs=shared)
        assert (first(x, train=True) != second(x, train=True)).any()

    @pytest.mark.parametrize("key", [lambda: jax.random.key(3), lambda: jax.random.PRNGKey(3)], ids=["typed", "old"])
    def test_keys(self, key):
        layer = nn.Dropout(0.5, rngs=nnx.Rngs(key()))
        kept = (layer(jnp.ones(1000), train=True) > 0).mean()
        assert 0.4 < kept < 0.6


class TestSequential:
    def test_is_its_layers_in_order(self):
        first, second = nn.Linear(4, 5, rngs=rngs()), nn.Linear(5, 2, rngs=rngs())
        x = values((3, 4))
        want = F.linear(F.relu(F.linear(x, first.w[...], first.b[...])), second.w[...], second.b[...])
        np.testing.assert_array_equal(nn.Sequential(first, F.relu, second)(x), want)

    def test_passes_train_on(self):
        net = nn.Sequential(nn.Sequential(nn.BatchNorm(4)), lambda x: 2 * x)
        x = values((3, 4))
        np.testing.assert_array_equal(net(x, train=True), 2 * nn.BatchNorm(4)(x, train=True))
        assert (net.layers[0].layers[0].mean[...] != 0).all()

    def test_empty_is_identity(self):
        x = values((3, 4))
        assert nn.Sequential()(x) is x


class TestInitialisers:
    """The deviations asked for, to within three percent of some ten thousand draws; biases and statistics exactly."""

    @pytest.mark.parametrize(
        ("make", "deviation"),
        [
            (lambda: nn.Linear(200, 300, rngs=rngs()).w, (1 / 200) ** 0.5),
            (lambda: nn.Conv(64, 128, 3, rngs=rngs()).w, (2 / (9 * 64)) ** 0.5),
            (lambda: nn.Conv(64, 256, 3, groups=8, rngs=rngs()).w, (2 / (9 * 8)) ** 0.5),
            (lambda: nn.DepthwiseConv(2048, 3, rngs=rngs()).w, (2 / 9) ** 0.5),
            (lambda: nn.SeparableConv(2048, 8, 3, rngs=rngs()).w_depthwise, (2 / 9) ** 0.5),
            (lambda: nn.SeparableConv(128, 200, 3, multiplier=2, rngs=rngs()).w_pointwise, (2 / 256) ** 0.5),
        ],
        ids=["linear", "conv", "grouped", "depthwise", "separable depthwise", "separable pointwise"],
    )
    def test_deviation(self, make, deviation):
        w = make()[...]
        assert abs(w.std() / deviation - 1) < 0.03
        assert abs(w.mean()) < 0.03 * deviation

    def test_w_init(self):
        ones = init.ones()
        for layer in (
            nn.Linear(3, 2, w_init=ones, rngs=rngs()),
            nn.Conv(3, 2, 3, w_init=ones, rngs=rngs()),
            nn.DepthwiseConv(3, 3, w_init=ones, rngs=rngs()),
            nn.SeparableConv(3, 2, 3, w_init=ones, rngs=rngs()),
        ):
            assert all((a == float(name != "b")).all() for name, a in arrays(layer).items())

    def test_seed(self):
        one, two = nn.Linear(3, 2, rngs=nnx.Rngs(0)), nn.Linear(3, 2, rngs=nnx.Rngs(1))
        assert (one.w[...] == nn.Linear(3, 2, rngs=nnx.Rngs(0)).w[...]).all()
        assert (one.w[...] != two.w[...]).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(0, 3, rngs=rngs()), r"^Linear: in_features, out_features must be positive .*got \(0, 3\)"),
        (lambda: nn.Conv(3, -1, 3, rngs=rngs()), r"^Conv: in_features, out_features must be positive .*got \(3, -1\)"),
        (lambda: nn.Conv(6, 4, 3, groups=3, rngs=rngs()), r"^Conv: groups must divide.*groups=3.*out_features=4"),
        (lambda: nn.Conv(4, 6, 3, groups=3, rngs=rngs()), r"^Conv: groups must divide.*in_features=4"),
        (lambda: nn.Conv(4, 6, 3, groups=0, rngs=rngs()), r"^Conv: groups must be positive integers, got \(0,\)"),
        (lambda: nn.Conv(4, 6, 0, rngs=rngs()), r"^Conv: kernel_size must be positive integers, got \(0, 0\)"),
        (lambda: nn.Conv(4, 6, (1,) * 4, rngs=rngs()), r"^Conv: the number of entries of kernel_size must be one of"),
        (lambda: nn.Conv(4, 6, 3, stride=(1, 0), rngs=rngs()), r"^Conv: stride must be positive integers"),
        (lambda: nn.Conv(4, 6, 3, stride=(1,), rngs=rngs()), r"^Conv: the number of entries of stride must be 2"),
        (lambda: nn.Conv(4, 6, 3, dilation=0, rngs=rngs()), r"^Conv: dilation must be positive integers"),
        (lambda: nn.Conv(4, 6, 3, padding="same", rngs=rngs()), r"^Conv: padding must be one of 'SAME', 'VALID'"),
        (lambda: nn.Conv(4, 6, 3.0, rngs=rngs()), r"^Conv: kernel_size must be positive integers, got \(3.0, 3.0\)"),
        (lambda: nn.Conv(4, 6, 3, padding=None, rngs=rngs()), r"^Conv: padding must be 'SAME', .* or pairs, got None"),
        (lambda: nn.DepthwiseConv(4, 3, implementation="shfit", rngs=rngs()), r"^DepthwiseConv: .* mean 'shift'\?"),
        (lambda: nn.SeparableConv(4, 6, 3, implementation="dot", rngs=rngs()), r"^SeparableConv: implementation must"),
        (lambda: nn.DepthwiseConv(0, 3, rngs=rngs()), r"^DepthwiseConv: channels, multiplier must be positive"),
        (lambda: nn.DepthwiseConv(4, 3, multiplier=0, rngs=rngs()), r"^DepthwiseConv: channels, multiplier must be"),
        (lambda: nn.DepthwiseConv(4, (3,), rngs=rngs()), r"^DepthwiseConv: the number of entries of kernel_size"),
        (lambda: nn.DepthwiseConv(4, 3, padding="FULL", rngs=rngs()), r"^DepthwiseConv: padding must be one of"),
        (lambda: nn.SeparableConv(4, 0, 3, rngs=rngs()), r"^SeparableConv: in_features, out_features, multiplier must"),
        (lambda: nn.SeparableConv(4, 3, 3, stride=0, rngs=rngs()), r"^SeparableConv: stride must be positive"),
        (lambda: nn.BatchNorm(0), r"^BatchNorm: features must be positive integers, got \(0,\)"),
        (lambda: nn.BatchNorm(3, momentum=1.5), r"^BatchNorm: momentum must be in \[0, 1\], got 1.5"),
        (lambda: nn.BatchNorm(3, eps=0.0), r"^BatchNorm: eps must be positive, got 0.0"),
        (lambda: nn.Dropout(1.5, rngs=rngs()), r"^Dropout: rate must be in \[0, 1\], got 1.5"),
        (lambda: nn.MaxPool(0), r"^MaxPool: window must be positive integers"),
        (lambda: nn.MaxPool(2, stride=(1, 1, 1)), r"^MaxPool: the number of entries of stride must be 2, got 3"),
        (lambda: nn.AvgPool(2, padding="HALF"), r"^AvgPool: padding must be one of"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_bad_configuration(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("make", [nn.Linear, partial(nn.Conv, kernel_size=3)])
def test_a_list_is_refused_by_the_functionals_name(make):
    with pytest.raises(TypeError, match=r"^(linear|conv2d): x must be an array, got list"):
        make(4, 6, rngs=rngs())([[1.0]])


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([nn.Flatten], r"^Sequential: layer 0 is the class Flatten; give an instance"),
        ([F.relu, 3], r"^Sequential: layer 1 must be callable, got int"),
        ([[F.relu]], r"^Sequential: layer 0 must be callable, got list"),
    ],
)
def test_bad_layers(layers, message, unchecked_types):
    with pytest.raises(TypeError, match=message):
        nn.Sequential(*layers)


def test_bad_activation(unchecked_types):
    with pytest.raises(TypeError, match=r"^Activation: fn must be callable, got str"):
        nn.Activation("relu")
