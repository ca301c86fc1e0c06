"""Networks by name: the papers' integers, shapes, options, and a gradient for every parameter."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxml import models, nn

# Trainable parameters: of MobileNetV1 as Keras counts them, of the others by hand below.
PARAMS = {
    "linear": 64 * 10 + 10,
    "mlp": (64 * 128 + 128) + (128 * 128 + 128) + (128 * 10 + 10),
    "cnn": 9 * (1 * 32 + 32 * 64 + 64 * 128 + 128 * 128) + 2 * (32 + 64 + 128 + 128) + 128 * 10 + 10,
    "cnn_separable": (9 * 32 + 2 * 32)
    + sum(9 * i + 2 * i + i * o + 2 * o for i, o in [(32, 64), (64, 128), (128, 128)])
    + 128 * 10
    + 10,
    "mobilenet_v1": 4_231_976,
    "mobilenet_v1_075": 2_585_560,
    "mobilenet_v1_050": 1_331_592,
    "mobilenet_v1_025": 470_072,
    "conv_mobilenet_v1": 29_294_088,
    "mobilenet_v2": 3_504_872,
    "mobilenet_v2_035": 1_677_128,
    "mobilenet_v2_050": 1_968_680,
    "mobilenet_v2_075": 2_636_424,
    "mobilenet_v2_130": 5_386_792,
    "mobilenet_v2_140": 6_108_776,
    "mobilenet_v3_small": 2_542_856,
    "mobilenet_v3_large": 5_483_032,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet50_v2": 25_549_352,
    "resnet101_v2": 44_541_480,
    "resnet152_v2": 60_185_128,
    "cifar_resnet20": 269_722,
    "cifar_resnet32": 464_154,
    "cifar_resnet44": 658_586,
    "cifar_resnet56": 853_018,
    "cifar_resnet110": 1_727_962,
    "sequence_classifier": 256 * 64 + 2 * (4 * 128 * (64 + 128) + 2 * 4 * 128) + 2 * 128 * 2 + 2,
    "sequence_tagger": 256 * 64 + 2 * (4 * 128 * (64 + 128) + 2 * 4 * 128) + 2 * 128 * 10 + 10,
    "character_language_model": 256 * 64 + 4 * 256 * (64 + 256) + 2 * 4 * 256 + 256 * 256 + 256,
    "forecaster": 3 * 64 * (1 + 64) + 2 * 3 * 64 + 64 + 1,
    "encoder_decoder": 2 * 64 * 128 + 2 * (3 * 256 * (128 + 256) + 2 * 3 * 256) + 256 * 64 + 64,
    # One table of each vocabulary; the encoder's two directions and the decoder; bridge, Luong's w, readout and head.
    "seq2seq": 2 * 4000 * 256
    + 3 * (3 * 256 * (256 + 256) + 2 * 3 * 256)
    + (512 * 256 + 256)
    + 256 * 512
    + (768 * 256 + 256)
    + (256 * 4000 + 4000),
    "g2p_en": (29 + 74) * 256 + 2 * (3 * 256 * (256 + 256) + 2 * 3 * 256) + 256 * 74 + 74,
    "g2pm": 5398 * 64 + 2 * (4 * 32 * (64 + 32) + 2 * 4 * 32) + 64 * 32 + 32 + 32 * 876 + 876,
}
# One of every family and kind of block: what holds for these holds for their sizes.
SWEPT = ["linear", "mlp", "cnn", "cnn_separable", "mobilenet_v1", "conv_mobilenet_v1", "resnet18", "cifar_resnet20"]
# What Keras calls non-trainable: two running statistics a channel of every batch norm.
STATISTICS = {
    "mobilenet_v1": 21_888,
    "mobilenet_v1_075": 16_416,
    "mobilenet_v1_050": 10_944,
    "mobilenet_v1_025": 5_472,
}


def abstract(name, **options):
    return nn.abstract(lambda: models.create(name, rngs=nnx.Rngs(0), **options))


def out_shape(made, shape, dtype=jnp.float32, train=False):
    apply, params, state = made
    x = jax.ShapeDtypeStruct(shape, dtype)
    return jax.eval_shape(partial(apply, train=train), params, state, x)[0]


def test_every_model_is_counted():
    assert set(PARAMS) == set(models.names())


@pytest.mark.parametrize("name", PARAMS)
def test_parameters(name):
    assert models.info(name).params == PARAMS[name]


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics(name):
    _, _, state = abstract(name)
    statistics = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert nn.count_params(statistics) == STATISTICS[name]


def test_width_multiplier_is_the_sized_name():
    for width, name in [(0.75, "mobilenet_v1_075"), (0.5, "mobilenet_v1_050"), (0.25, "mobilenet_v1_025")]:
        assert models.info("mobilenet_v1", width_multiplier=width).params == PARAMS[name]


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("dtype", [jnp.float32, pytest.param(jnp.bfloat16, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SWEPT)
def test_output(name, dtype, train):
    """Logits in the input's dtype, at the size of image the model names."""
    out = out_shape(abstract(name, num_classes=7), (3, *models.info(name).input_shape), dtype, train)
    assert (out.shape, out.dtype) == ((3, 7), dtype)


@pytest.mark.parametrize("size", [(8, 8, 1), (32, 32, 3), (13, 9, 2)])
@pytest.mark.parametrize("name", ["cnn", "cnn_separable", "mobilenet_v1", "conv_mobilenet_v1", "resnet18"])
def test_images_of_any_size(name, size):
    made = abstract(name, num_classes=10, in_channels=size[-1])
    assert out_shape(made, (2, *size)).shape == (2, 10)


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_flattens(name):
    assert out_shape(abstract(name, in_features=8 * 8 * 3), (2, 8, 8, 3)).shape == (2, 10)


@pytest.mark.parametrize(("rho", "side"), [(1.0, 224), (6 / 7, 192), (0.857, 192), (0.714, 160), (4 / 7, 128)])
def test_resolution_multiplier(rho, side):
    """The paper's Table 7; parameters do not depend on it."""
    info = models.info("mobilenet_v1", resolution_multiplier=rho)
    assert info.input_shape == (side, side, 3)
    assert info.params == PARAMS["mobilenet_v1"]


def test_mobilenet_layers():
    """Table 1: what comes out of the stem and of each block, at 224."""
    config = models.MobileNetV1Config()
    assert config.channels[0] == 32
    assert [o for _, o, _ in config.blocks] == [64, 128, 128, 256, 256] + [512] * 6 + [1024] * 2
    assert [s for _, _, s in config.blocks] == [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    made = {}

    def run(x):
        model = models.MobileNetV1(config, rngs=nnx.Rngs(0))
        x = model.stem(x)
        made["shapes"] = [x.shape[1:]]
        for block in model.blocks:
            x = block(x)
            made["shapes"].append(x.shape[1:])

    jax.eval_shape(run, jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32))
    sides = [112, 112, 56, 56, 28, 28, 14, 14, 14, 14, 14, 14, 7, 7]
    assert made["shapes"] == [(s, s, c) for s, c in zip(sides, config.channels, strict=True)]


def test_twins_have_equal_widths():

    def compare():
        standard, separable = (models.create(name, rngs=nnx.Rngs(0)) for name in ("cnn", "cnn_separable"))
        pairs = list(zip(standard.blocks, separable.blocks, strict=True))
        assert [s.conv.w.shape[-1] for s, _ in pairs] == [d.pointwise.w.shape[-1] for _, d in pairs] == [64, 128, 128]
        assert [s.conv.stride for s, _ in pairs] == [d.depthwise.stride for _, d in pairs] == [(2, 2), (1, 1), (2, 2)]

    jax.eval_shape(compare)  # shapes are all it takes
    for one, other in (("cnn", "cnn_separable"), ("conv_mobilenet_v1", "mobilenet_v1")):
        assert models.info(one).input_shape == models.info(other).input_shape
        assert models.info(one).params > 5 * models.info(other).params


SMALL = {
    "linear": ({"in_features": 12}, (4, 3, 4)),
    "mlp": ({"in_features": 12, "hidden": (8, 6)}, (4, 3, 4)),
    "cnn": ({"widths": (4, 6, 8), "strides": (1, 2, 1)}, (4, 8, 8, 1)),
    "cnn_separable": ({"widths": (4, 6, 8), "strides": (1, 2, 1)}, (4, 8, 8, 1)),
    "resnet basic": ({"block": "basic", "stem": "cifar", "widths": (4, 6), "depths": (1, 1)}, (4, 6, 6, 3)),
    "resnet bottleneck": ({"stem": "cifar", "widths": (3,), "depths": (1,)}, (4, 5, 5, 3)),
    "resnet v2": ({"preactivation": True, "widths": (3,), "depths": (2,)}, (4, 12, 12, 3)),
    "mobilenet_v1": ({"width_multiplier": 0.125}, (4, 64, 64, 3)),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "mobilenet_v1" else ()) for name in SMALL]
)
def test_every_parameter_has_a_gradient(name):
    options, shape = SMALL[name]
    if name.startswith("resnet "):
        model = models.ResNet(models.ResNetConfig(num_classes=3, **options), rngs=nnx.Rngs(0))
    else:
        model = models.create(name, rngs=nnx.Rngs(0), num_classes=3, **options)
    apply, params, state = nn.functionalize(model)
    x, labels = jax.random.normal(jax.random.key(1), shape), jnp.arange(shape[0]) % 3

    # Unoptimised: whether a gradient arrives is no matter of speed, and compiling is what this test takes its time for.
    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def step(params, state):
        def loss(params):
            logits, new = apply(params, state, x, train=True)
            return -jax.nn.log_softmax(logits)[jnp.arange(shape[0]), labels].mean(), (logits, new)

        return jax.value_and_grad(loss, has_aux=True)(params)

    (value, (logits, new)), grads = jax.device_get(step(params, state))
    assert logits.shape == (shape[0], 3) and np.isfinite(value)
    for path, g in jax.tree_util.tree_leaves_with_path(grads):
        where = jax.tree_util.keystr(path)
        assert np.isfinite(g).all(), where
        assert np.abs(g).max() > 1e-7, where
    before = dict(jax.tree_util.tree_leaves_with_path(jax.device_get(state)))
    for path, leaf in jax.tree_util.tree_leaves_with_path(new):
        # A running statistic of every layer moves; a key only where there is something to drop.
        assert (leaf != before[path]).any(), jax.tree_util.keystr(path)


@pytest.mark.slow
def test_implementations_agree():
    """The whole network in stock XLA convolutions is the default one, up to rounding."""
    for name in ("cnn_separable", "mobilenet_v1"):
        options, shape = SMALL[name]
        x = jax.random.normal(jax.random.key(1), shape)
        outs = []
        for implementation in (None, "xla"):
            made = models.create(name, rngs=nnx.Rngs(0), implementation=implementation, **options)
            apply, params, state = nn.functionalize(made)
            outs.append(jax.jit(apply)(params, state, x)[0])
        np.testing.assert_allclose(outs[0], outs[1], rtol=1e-3, atol=1e-3)


def test_implementation_reaches_every_convolution():
    for name in ("cnn", "cnn_separable"):
        model = models.create(name, rngs=nnx.Rngs(0), implementation="xla")
        convs = [m for _, m in nnx.iter_modules(model) if isinstance(m, (nn.Conv, nn.DepthwiseConv))]
        assert len(convs) == {"cnn": 4, "cnn_separable": 7}[name]
        assert {c.implementation for c in convs} == {"xla"}


def test_options():
    """PyTorch's padding, Keras's relu6 and the batch-norm options go where they belong."""
    made = models.create(
        "mobilenet_v1", rngs=nnx.Rngs(0), width_multiplier=0.0625, padding=1, activation="relu6", eps=0.5, momentum=0.7
    )
    block = made.blocks[3]
    assert (block.depthwise.padding, block.activation) == (1, "relu6")
    assert {(n.eps, n.momentum) for n in (made.stem.norm, block.depthwise_norm, block.pointwise_norm)} == {(0.5, 0.7)}
    # SAME pads an even image behind alone, 1 pads both sides: other windows, the same shape.
    block.pointwise_norm.bias[...] += 100
    out = block(jax.random.normal(jax.random.key(0), (1, 8, 8, block.depthwise.w.shape[-1])))
    assert (out == 6).all() and out.shape[1:3] == (4, 4)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mobilnet", {}, r"^models: name must be one of 'linear'.*got 'mobilnet'; did you mean 'mobilenet_v"),
        ("cnn_seperable", {}, r"^models: name must be one of .*did you mean 'cnn_separable'"),
        ("resnet18", {"depths": (1, 1)}, r"^models: resnet18: depths is fixed at \(2, 2, 2, 2\) by the name; another"),
        (
            "mobilenet_v2_035",
            {"width_multiplier": 0.3},
            r"goes into MobileNetV2\(MobileNetV2Config\(\.\.\., width",
        ),
        ("cnn", {"width": 3}, r"^models: cnn: option must be one of .*did you mean 'widths'"),
        ("cnn", {"strides": (1,)}, r"^CNN: the number of strides must be 4, got 1"),
        ("cnn", {"widths": (), "strides": ()}, r"^CNN: the number of widths must be positive"),
        ("cnn", {"num_classes": 0}, r"^Linear: in_features, out_features must be positive integers, got \(128, 0\)"),
        ("cnn", {"activation": "rleu"}, r"^ConvBlock: activation must be one of .*did you mean 'relu'"),
        ("cnn", {"implementation": "shfit"}, r"^ConvBlock: implementation must be one of .*did you mean 'shift'"),
        ("mobilenet_v1", {"width_multiplier": 0}, r"^MobileNetV1: width_multiplier must be positive, got 0"),
        ("mobilenet_v1", {"resolution_multiplier": -1.0}, r"^MobileNetV1: resolution_multiplier must be positive"),
    ],
)
@pytest.mark.parametrize("call", [models.info, partial(models.create, rngs=nnx.Rngs(0))], ids=["info", "create"])
def test_errors(name, options, message, call):
    with pytest.raises(ValueError, match=message):
        call(name, **options)


def test_a_sized_name_keeps_its_size():
    with pytest.raises(ValueError, match=r"^models: mobilenet_v1_050: width_multiplier is fixed at 0\.5 by the name"):
        models.create("mobilenet_v1_050", rngs=nnx.Rngs(0), width_multiplier=1.0)
