"""MobileNetV2 and V3: the published integers, what the variants differ in, taps, and that they train."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxml import flops, models, nn

# Trainable parameters, statistics, MACs at 224: as torchvision and keras.applications count them.
PUBLISHED = {
    "mobilenet_v2": (3_504_872, 3_538_984 - 3_504_872, 300_774_272),
    "mobilenet_v2_035": (1_677_128, 1_691_208 - 1_677_128, 59_285_808),
    "mobilenet_v2_050": (1_968_680, 1_987_224 - 1_968_680, 97_131_840),
    "mobilenet_v2_075": (2_636_424, 2_663_064 - 2_636_424, 209_069_792),
    "mobilenet_v2_130": (5_386_792, 44_256, 509_374_560),
    "mobilenet_v2_140": (6_108_776, 6_156_712 - 6_108_776, 582_195_824),
    "mobilenet_v3_small": (2_542_856, 12_112, 56_510_400),
    "mobilenet_v3_large": (5_483_032, 24_400, 216_589_760),
}
SMALL = {
    "mobilenet_v2": ("mobilenet_v2", {"width_multiplier": 0.1, "num_classes": 3}),
    "mobilenet_v3": ("mobilenet_v3_small", {"width_multiplier": 0.1, "num_classes": 3}),
}


@cache
def abstract(name, **options):
    return nn.abstract(lambda: models.create(name, rngs=nnx.Rngs(0), **options))


def is_float(leaf):
    return jnp.issubdtype(leaf.dtype, jnp.floating)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name[-3:] in ("050", "075") else ()) for name in PUBLISHED]
)
def test_published_integers(name):
    apply, params, state = abstract(name)
    x = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    cost = flops.count(partial(apply), params, state, x)
    statistics = nn.count_params([leaf for leaf in jax.tree.leaves(state) if is_float(leaf)])
    assert (nn.count_params(params), statistics, cost.macs) == PUBLISHED[name]
    assert cost.uncounted == {}


@pytest.mark.parametrize(("name", "without_norms"), [("mobilenet_v2", 3_470_760), ("mobilenet_v2_140", 6_060_840)])
def test_papers_count_of_parameters(name, without_norms):
    """Table 4 of arXiv:1801.04381 says 3.4 M and 6.9 M; the second cannot be had (its authors' code has 6.06 M)."""
    _, params, _ = abstract(name)
    leaves = jax.tree_util.tree_leaves_with_path(params)
    norms = [leaf for path, leaf in leaves if "norm" in jax.tree_util.keystr(path)]
    assert nn.count_params(params) - nn.count_params(norms) == without_norms


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"])
def test_variants_have_the_same_parameters(name):
    """The paper's is built as Keras's is."""
    assert nn.count_params(abstract(name, variant="keras")[1]) == PUBLISHED[name][0]


def test_blocks_of_the_papers_tables():
    v2 = models.MobileNetV2Config().blocks
    assert [b.out_features for b in v2] == [16] + [24] * 2 + [32] * 3 + [64] * 4 + [96] * 3 + [160] * 3 + [320]
    assert [b.stride for b in v2] == [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
    assert [b.hidden for b in v2][:4] == [32, 96, 144, 144]
    large, small = models.MobileNetV3Config.large().blocks, models.MobileNetV3Config.small().blocks
    assert [b.squeezed for b in large] == [0, 0, 0, 24, 32, 32, 0, 0, 0, 0, 120, 168, 168, 240, 240]
    assert [b.squeezed for b in small] == [8, 0, 0, 24, 64, 64, 32, 40, 72, 144, 144]
    assert [b.hidden for b in small] == [16, 72, 88, 96, 240, 240, 120, 144, 288, 576, 576]
    assert [b.kernel_size for b in large] == [3, 3, 3, 5, 5, 5, 3, 3, 3, 3, 3, 3, 5, 5, 5]
    assert [b.activation for b in large] == ["relu"] * 6 + ["hard_swish"] * 9


def test_keras_leaves_the_ends_alone_at_small_widths():
    """torchvision scales the stem and the layer before the classifier too."""
    configs = {v: models.MobileNetV3Config(width_multiplier=0.75, variant=v) for v in ("torchvision", "keras")}
    assert (configs["torchvision"].stem_features, configs["keras"].stem_features) == (16, 16)
    assert (configs["torchvision"].hidden_features, configs["keras"].hidden_features) == (960, 1280)
    half = models.MobileNetV3Config(width_multiplier=0.5)
    assert (half.stem_features, half.hidden_features) == (8, 640)
    assert models.MobileNetV2Config(width_multiplier=0.35).last_features == 1280


def test_options_of_the_variants():
    """Padding, eps, momentum and dropout; each of them can be given on its own."""

    def options(name, **given):
        seen = {}

        def build():
            model = models.create(name, rngs=nnx.Rngs(0), **given)
            norm, depthwise = model.blocks[1].depthwise_norm, model.blocks[3].depthwise
            seen["it"] = (depthwise.padding, norm.eps, norm.momentum, model.dropout.rate)
            return model

        nn.abstract(build)
        return seen["it"]

    rules = {v: models.MobileNetV2Config(variant=v).rules for v in ("torchvision", "keras", "paper")}
    assert {v: tuple(r) for v, r in rules.items()} == {
        "torchvision": (True, 1e-5, 0.9, 0.2), "keras": (False, 1e-3, 0.999, 0.0), "paper": (False, 1e-3, 0.997, 0.2),
    }  # fmt: skip
    assert options("mobilenet_v2", variant="paper", dropout=0.5) == ("SAME", 1e-3, 0.997, 0.5)
    assert options("mobilenet_v3_large", eps=0.1) == (2, 0.1, 0.99, 0.2)
    v3 = models.MobileNetV3Config
    assert tuple(v3(variant="keras", momentum=0.5).rules) == (False, 1e-3, 0.5, 0.2)


@pytest.mark.parametrize(("name", "last"), [("mobilenet_v2", 1280), ("mobilenet_v3_large", 960)])
def test_features_pools_and_taps(name, last):
    x = jax.ShapeDtypeStruct((2, 96, 64, 3), jnp.float32)

    def shapes(taps=(), **options):
        apply, params, state = abstract(name, **options)
        output, _ = jax.eval_shape(partial(apply, taps=taps), params, state, x)
        return jax.tree.map(lambda a: a.shape, output)

    assert shapes(num_classes=0, pool="max") == (2, 1280)
    logits, taps = shapes(taps=("features", "stem", "pool"), pool="none", num_classes=7)
    assert logits == (2, 3, 2, 7)
    assert taps == {"features": (2, 3, 2, last), "stem": (2, 48, 32, taps["stem"][-1]), "pool": (2, 3, 2, last)}
    assert shapes(taps=("pool",))[1] == {"pool": (2, last)}


def test_stage_taps():
    """The last activation at strides 2, 4, 8, 16 and 32."""
    names = {
        "mobilenet_v2": ("blocks/0", "blocks/2", "blocks/5", "blocks/12", "blocks/16"),
        "mobilenet_v3_large": ("blocks/0", "blocks/2", "blocks/5", "blocks/11", "blocks/14"),
    }
    x = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    for name, expected in names.items():
        apply, params, state = abstract(name)
        (_, taps), _ = jax.eval_shape(partial(apply, taps=expected), params, state, x)
        assert [taps[tap].shape[1] for tap in expected] == [32, 16, 8, 4, 2]
        nn.abstract(lambda name=name, expected=expected: _checked(models.create(name, rngs=nnx.Rngs(0)), expected))


def _checked(model, stage_taps):
    assert model.stage_taps == stage_taps
    return model


@pytest.mark.parametrize("size", [(1, 1), (33, 18)])
@pytest.mark.parametrize(("name", "variant"), [("mobilenet_v2", "keras"), ("mobilenet_v3_small", "torchvision")])
def test_images_of_any_size(name, variant, size):
    apply, params, state = abstract(name, variant=variant, in_channels=2, num_classes=4)
    x = jax.ShapeDtypeStruct((3, *size, 2), jnp.float32)
    assert jax.eval_shape(apply, params, state, x)[0].shape == (3, 4)


def train_step(name, x, labels, **options):
    """Loss, logits, gradients and state of one step, unoptimised: compiling is what the tests here take time for."""
    name, defaults = SMALL[name]
    apply, params, state = nn.functionalize(models.create(name, rngs=nnx.Rngs(0), **defaults, **options))

    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def step(params, state):
        def loss(params):
            logits, new = apply(params, state, x, train=True)
            losses = -jax.nn.log_softmax(logits.astype(jnp.float32))[jnp.arange(len(labels)), labels]
            return losses.mean(), (logits, new)

        return jax.value_and_grad(loss, has_aux=True)(params)

    (value, (logits, new)), grads = jax.device_get(step(params, state))
    return value, logits, grads, state, new


@pytest.fixture(scope="module")
def batch():
    return jax.random.normal(jax.random.key(1), (4, 32, 32, 3)), np.arange(4) % 3


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "mobilenet_v2" else ()) for name in SMALL]
)
def test_it_trains(name, batch):
    """A gradient for every parameter, every statistic moves, nothing moves in evaluation."""
    value, logits, grads, before, after = train_step(name, *batch, stochastic_depth=0.2)
    assert logits.shape == (4, 3) and np.isfinite(value)
    for path, g in jax.tree_util.tree_leaves_with_path(grads):
        where = jax.tree_util.keystr(path)
        assert np.isfinite(g).all(), where
        assert np.abs(g).max() > 0, where
    for (path, old), new in zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True):
        assert (new != jax.device_get(old)).any(), jax.tree_util.keystr(path)
    drawn = [path for path, leaf in jax.tree_util.tree_leaves_with_path(before) if not is_float(leaf)]
    residual = sum(b.stride == 1 and b.in_features == b.out_features for b in _config(name).blocks)
    assert len(drawn) == residual + 1  # stochastic depth only where an input is added; the other is dropout's


def _config(name):
    full, options = SMALL[name]
    return (models.MobileNetV2Config if full == "mobilenet_v2" else models.MobileNetV3Config.small)(**options)


@pytest.mark.slow
def test_what_is_kept_changes_no_gradient(batch):
    """Blocks of which nothing is kept, layers of which one array is, and all of it kept. V3 has V2's blocks too."""
    plain, remat, recompute = (
        train_step("mobilenet_v3", *batch, dropout=0.0, **options)
        for options in ({"recompute": False}, {"recompute": False, "remat": True}, {"recompute": True})
    )
    # Some gradients are zero but for rounding: of a shift that the next batch norm takes away.
    largest = max(np.abs(g).max() for g in jax.tree.leaves(plain[2]))
    for other in (remat, recompute):
        for a, b in zip(jax.tree.leaves(plain[2]), jax.tree.leaves(other[2]), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5 * largest)
        for a, b in zip(jax.tree.leaves(plain[4]), jax.tree.leaves(other[4]), strict=True):
            if is_float(a):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_bfloat16(batch):
    """Blocks in bfloat16, logits in the input's float32; parameters and statistics stay float32."""
    value, logits, grads, _, after = train_step("mobilenet_v3", *batch, dtype=jnp.bfloat16, dropout=0.0)
    exact = train_step("mobilenet_v3", *batch, dropout=0.0)
    assert logits.dtype == np.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(grads)} == {np.dtype("float32")}
    assert {leaf.dtype for leaf in jax.tree.leaves(after) if is_float(leaf)} == {np.dtype("float32")}
    assert 0 < abs(value - exact[0]) < 0.3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mobilenet_v2", {"variant": "torch"}, r"^MobileNetV2: variant must be one of 'torchvision'.*got 'torch'"),
        ("mobilenet_v2", {"width_multiplier": 0}, r"^MobileNetV2: width_multiplier must be positive, got 0"),
        ("mobilenet_v2", {"pool": "mean"}, r"^MobileNetV2: pool must be one of 'avg', 'max', 'none'"),
        ("mobilenet_v2", {"dropout": 2.0}, r"^Dropout: rate must be in \[0, 1\], got 2.0"),
        ("mobilenet_v2", {"implementation": "shfit"}, r"implementation must be one of .*did you mean 'shift'"),
        ("mobilenet_v3_small", {"size": "medium"}, r"^models: mobilenet_v3_small: size is fixed at 'small'"),
        ("mobilenet_v3_large", {"width_multiplier": -1.0}, r"^MobileNetV3: width_multiplier must be positive"),
        ("mobilenet_v4", {}, r"^models: name must be one of .*did you mean 'mobilenet_v"),
    ],
)
def test_errors(name, options, message):
    with pytest.raises(ValueError, match=message):
        models.info(name, **options)


def test_unknown_taps():
    apply, params, state = abstract("mobilenet_v2")
    x = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    with pytest.raises(ValueError, match=r"^MobileNetV2: tap must be one of 'stem'.*did you mean 'blocks/16'"):
        jax.eval_shape(partial(apply, taps=("block/16",)), params, state, x)
    with pytest.raises(ValueError, match=r"^MobileNetV2: taps must be a sequence of names, got 'stem'"):
        jax.eval_shape(partial(apply, taps="stem"), params, state, x)
