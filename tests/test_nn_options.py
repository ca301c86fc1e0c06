"""How the layers of `test_nn_layers.py` start, and what they refuse."""

import inspect
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import nn
from jaxml.functional import init


def rngs():
    return nnx.Rngs(0)


@pytest.mark.parametrize(
    ("make", "deviation"),
    [
        (lambda: nn.Embedding(300, 100, rngs=rngs()).w, 0.1),
        (lambda: nn.EmbeddingBag(300, 100, rngs=rngs()).w, 0.1),
        (lambda: nn.Bilinear(20, 30, 50, rngs=rngs()).w, (1 / 600) ** 0.5),
        (lambda: nn.ConvTranspose(64, 256, 3, groups=8, rngs=rngs()).w, (2 / (9 * 8)) ** 0.5),
        (lambda: nn.MultiHeadAttention(200, 2, qkv_features=100, rngs=rngs()).w_q, (2 / 300) ** 0.5),
        (lambda: nn.MultiHeadAttention(200, 2, key_features=50, rngs=rngs()).w_k, (2 / 250) ** 0.5),
        (lambda: nn.MultiHeadAttention(200, 2, value_features=50, rngs=rngs()).w_v, (2 / 250) ** 0.5),
        (lambda: nn.MultiHeadAttention(200, 2, out_features=100, rngs=rngs()).w_o, (2 / 300) ** 0.5),
        (lambda: nn.AdditiveAttention(200, 5, 100, rngs=rngs()).w_q, (2 / 300) ** 0.5),
        (lambda: nn.AdditiveAttention(5, 200, 100, rngs=rngs()).w_k, (2 / 300) ** 0.5),
        (lambda: nn.AdditiveAttention(1, 1, 10_000, rngs=rngs()).v, 0.01),
        (lambda: nn.LuongAttention(200, 100, rngs=rngs()).w, (2 / 300) ** 0.5),
    ],
)
def test_deviation(make, deviation):
    w = make()[...]
    assert abs(w.std() / deviation - 1) < 0.03
    assert abs(w.mean()) < 0.03 * deviation


def test_w_init():
    ones = {"w_init": init.ones(), "rngs": rngs()}
    for layer in (
        nn.Embedding(3, 2, **ones),
        nn.EmbeddingBag(3, 2, **ones),
        nn.Bilinear(3, 2, 1, **ones),
        nn.ConvTranspose(3, 2, 1, **ones),
        nn.MultiHeadAttention(2, 1, **ones),
        nn.AdditiveAttention(3, 2, 1, **ones),
        nn.LuongAttention(3, 2, **ones),
    ):
        for name, param in nn.functionalize(layer)[1].items():
            assert name == "v" or (param == float(name[0] == "w")).all(), name


STARTS = {
    nn.LayerNorm: {"scale": 1, "bias": 0},
    nn.RMSNorm: {"scale": 1},
    nn.InstanceNorm: {"scale": 1, "bias": 0},
    nn.FilterResponseNorm: {"scale": 1, "bias": 0, "threshold": 0},
    nn.GlobalResponseNorm: {"scale": 0, "bias": 0},
    lambda n, **options: nn.GroupNorm(n, groups=1, **options): {"scale": 1, "bias": 0},
    lambda n: nn.PReLU(features=n): {"alpha": 0.25},
    lambda n: nn.Snake(features=n): {"alpha": 1},
}


@pytest.mark.parametrize("make", STARTS)
def test_constants(make):
    _, params, _ = nn.functionalize(make(3))
    assert {name: a.tolist() for name, a in params.items()} == {name: [a] * 3 for name, a in STARTS[make].items()}


@pytest.mark.parametrize("make", [make for make in STARTS if "scale" in STARTS[make]])
def test_without_parameters(make):
    names = STARTS[make].keys() - ({"scale"} if make is nn.GlobalResponseNorm else set())
    layer = make(3, **{f"use_{name}": False for name in names})
    assert set(nn.functionalize(layer)[1]) == STARTS[make].keys() - names
    assert np.isfinite(layer(jnp.ones((2, 4, 3)))).all()


@pytest.mark.parametrize("make", [nn.Embedding, nn.EmbeddingBag])
def test_the_padding_row_starts_as_zeros(make):
    w = make(4, 3, padding_index=-2, rngs=rngs()).w[...]
    assert (np.abs(w).sum(1) == 0).tolist() == [False, False, True, False]


def test_values_default_to_keys():
    q, k = jax.random.normal(jax.random.key(0), (2, 3, 4)), jax.random.normal(jax.random.key(1), (2, 5, 6))
    layer = nn.AdditiveAttention(4, 6, 7, rngs=rngs())
    np.testing.assert_array_equal(layer(q, k), layer(q, k, k))
    layer = nn.MultiHeadAttention(4, 2, key_features=6, value_features=6, rngs=rngs())
    np.testing.assert_array_equal(layer(q, k), layer(q, k, k))


def test_dtype_of_the_inputs_is_left_alone(unchecked_types):
    """Mixed inputs are the caller's mistake, for the functional to name, unless `dtype` says what to compute in."""
    q, k = jnp.ones((1, 2, 4), jnp.bfloat16), jnp.ones((1, 2, 4))
    with pytest.raises(TypeError, match=r"^multi_head_attention: all arrays must share one dtype"):
        nn.MultiHeadAttention(4, 2, rngs=rngs())(q, k)
    assert nn.MultiHeadAttention(4, 2, dtype=jnp.float32, rngs=rngs())(q, k).dtype == jnp.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.LayerNorm(0), r"^LayerNorm: features must be positive integers, got \(0,\)"),
        (lambda: nn.LayerNorm((2, 3)), r"^LayerNorm: the number of features, for axis=-1, must be 1, got 2"),
        (lambda: nn.LayerNorm(3, eps=0.0), r"^LayerNorm: eps must be finite and above 0, got 0.0"),
        (lambda: nn.RMSNorm(3, axis=(-2, -1)), r"^RMSNorm: the number of features, .*\(-2, -1\), must be 2, got 1"),
        (lambda: nn.RMSNorm(3, eps=-1.0), r"^RMSNorm: eps must be finite and above 0"),
        (lambda: nn.GroupNorm(6, groups=4), r"^GroupNorm: groups must divide features, got groups=4, features=6"),
        (lambda: nn.GroupNorm(6, groups=0), r"^GroupNorm: features, groups must be positive integers, got \(6, 0\)"),
        (lambda: nn.GroupNorm(6, groups=3, eps=0.0), r"^GroupNorm: eps must be finite and above 0"),
        (lambda: nn.InstanceNorm(-1), r"^InstanceNorm: features must be positive"),
        (lambda: nn.InstanceNorm(1, eps=0.0), r"^InstanceNorm: eps must be finite and above 0"),
        (lambda: nn.FilterResponseNorm(0), r"^FilterResponseNorm: features must be positive"),
        (lambda: nn.FilterResponseNorm(1, eps=0.0), r"^FilterResponseNorm: eps must be finite and above 0"),
        (lambda: nn.GlobalResponseNorm(0), r"^GlobalResponseNorm: features must be positive"),
        (lambda: nn.GlobalResponseNorm(1, eps=0.0), r"^GlobalResponseNorm: eps must be finite and above 0"),
        (lambda: nn.Embedding(0, 3, rngs=rngs()), r"^Embedding: num_embeddings, features must be .*got \(0, 3\)"),
        (lambda: nn.Embedding(4, 3, padding_index=4, rngs=rngs()), r"^Embedding: padding_index must be one of the 4 r"),
        (lambda: nn.Embedding(4, 3, max_norm=-1.0, rngs=rngs()), r"^Embedding: max_norm must be at least 0, got -1.0"),
        (lambda: nn.Embedding(4, 3, order=0.5, rngs=rngs()), r"^Embedding: order must be at least 1, got 0.5"),
        (lambda: nn.EmbeddingBag(4, 0, rngs=rngs()), r"^EmbeddingBag: num_embeddings, features must be positive"),
        (lambda: nn.EmbeddingBag(4, 3, mode="avg", rngs=rngs()), r"^EmbeddingBag: mode must be one of 'sum', 'mean'"),
        (lambda: nn.EmbeddingBag(4, 3, padding_index=-5, rngs=rngs()), r"^EmbeddingBag: padding_index must be one of"),
        (lambda: nn.Bilinear(3, 0, 2, rngs=rngs()), r"^Bilinear: in1_features, in2_features, out_features must be"),
        (lambda: nn.ConvTranspose(0, 4, 3, rngs=rngs()), r"^ConvTranspose: in_features, out_features must be positive"),
        (lambda: nn.ConvTranspose(6, 4, 3, groups=3, rngs=rngs()), r"^ConvTranspose: groups must divide.*groups=3"),
        (lambda: nn.ConvTranspose(6, 4, 0, rngs=rngs()), r"^ConvTranspose: kernel_size must be positive integers"),
        (lambda: nn.ConvTranspose(6, 4, 3, stride=(1,), rngs=rngs()), r"^ConvTranspose: the number of entries of stri"),
        (lambda: nn.ConvTranspose(6, 4, 3, dilation=0, rngs=rngs()), r"^ConvTranspose: dilation must be positive"),
        (lambda: nn.ConvTranspose(6, 4, 3, padding="same", rngs=rngs()), r"^ConvTranspose: padding must be one of"),
        (
            lambda: nn.ConvTranspose(1, 1, 3, padding=1, output_padding=[1, 0], rngs=rngs())(jnp.ones((1, 2, 2, 1))),
            r"^conv_transpose2d: output_padding must lie from 0 to below the stride or dilation \(1, 1\), got \(1, 0\)",
        ),
        (lambda: nn.PReLU(features=0), r"^PReLU: features must be positive integers, got \(0,\)"),
        (lambda: nn.Snake(features=0), r"^Snake: features must be positive integers, got \(0,\)"),
        (lambda: nn.MultiHeadAttention(6, 4, rngs=rngs()), r"^MultiHeadAttention: heads must divide qkv_features, .*6"),
        (lambda: nn.MultiHeadAttention(6, 0, rngs=rngs()), r"^MultiHeadAttention: in_features, heads must be positive"),
        (
            lambda: nn.MultiHeadAttention(6, 2, key_features=0, rngs=rngs()),
            r"^MultiHeadAttention: key_features, value_features, qkv_features, out_features must be.*\(0, 6, 6, 6\)",
        ),
        (lambda: nn.MultiHeadAttention(6, 2, rate=2.0, rngs=rngs()), r"^MultiHeadAttention: rate must lie between 0 "),
        (lambda: nn.AdditiveAttention(3, 4, 0, rngs=rngs()), r"^AdditiveAttention: query_features, key_features, feat"),
        (lambda: nn.LuongAttention(3, 0, rngs=rngs()), r"^LuongAttention: query_features, key_features must be positi"),
        (lambda: nn.SpatialDropout(-0.1, rngs=rngs()), r"^SpatialDropout: rate must be in \[0, 1\], got -0.1"),
        (
            lambda: nn.SpatialDropout(0.1, rngs=rngs())(jnp.ones((2, 3))),
            r"^SpatialDropout: x must have 3, 4 or 5 axes \(N, \*spatial, C\), got 2 \(x: \(2, 3\)\)",
        ),
        (lambda: nn.DropBlock(1.1, window=2, rngs=rngs()), r"^DropBlock: rate must be in \[0, 1\], got 1.1"),
        (lambda: nn.DropBlock(0.1, window=0, rngs=rngs()), r"^DropBlock: window must be positive integers, got \(0,\)"),
        (lambda: nn.DropPath(1.1, rngs=rngs()), r"^DropPath: rate must be in \[0, 1\], got 1.1"),
        (lambda: nn.AlphaDropout(1.1, rngs=rngs()), r"^AlphaDropout: rate must be in \[0, 1\], got 1.1"),
        (lambda: nn.FeatureAlphaDropout(1.1, rngs=rngs()), r"^FeatureAlphaDropout: rate must be in \[0, 1\], got 1.1"),
        (lambda: nn.GaussianDropout(1.0, rngs=rngs()), r"^GaussianDropout: rate must be in \[0, 1\), got 1.0"),
        (lambda: nn.GaussianNoise(-1.0, rngs=rngs()), r"^GaussianNoise: stddev must be at least 0, got -1.0"),
        (lambda: nn.RReLU(minval=0.5, maxval=0.1, rngs=rngs()), r"^RReLU: maxval must be at least 0.5, got 0.1"),
        (lambda: nn.SpectralNorm(linear(), steps=0, rngs=rngs()), r"^SpectralNorm: steps must be positive integers"),
        (lambda: nn.SpectralNorm(linear(), eps=0.0, rngs=rngs()), r"^SpectralNorm: eps must be finite and above 0"),
        (lambda: nn.WeightStandardization(linear(), eps=0.0), r"^WeightStandardization: eps must be finite and above "),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_bad_configuration(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def linear():
    return nn.Linear(2, 2, rngs=rngs())


@pytest.mark.parametrize("layer", [lambda: F.relu, lambda: nn.BatchNorm(2), lambda: nn.WeightNorm(linear())])
@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        ("SpectralNorm", lambda layer: nn.SpectralNorm(layer, rngs=rngs())),
        ("WeightNorm", nn.WeightNorm),
        ("WeightStandardization", nn.WeightStandardization),
    ],
)
def test_bad_layer(name, wrap, layer, unchecked_types):
    layer = layer()
    wanted = rf"^{name}: layer must be a Linear, Conv, DepthwiseConv or ConvTranspose, got {type(layer).__name__}"
    with pytest.raises(TypeError, match=wanted):
        wrap(layer)


# Functions that take parameters and are no layer's, with the reason.
NO_LAYER = {
    "pointwise_conv2d": "`Conv` of a 1x1 kernel",
    "linear_cross_entropy": "a loss, given the parameters of a `Linear`",
    "fold_batch_norm": "rewrites the parameters of two layers",
    **{f"conv{n}d_input_grad": "a gradient" for n in (1, 2, 3)},
}


def test_every_function_with_parameters_has_a_layer():
    taking = set()
    for name in F.__all__:
        if callable(f := getattr(F, name)):
            arrays = {p for p, v in inspect.signature(f).parameters.items() if v.kind is v.POSITIONAL_OR_KEYWORD}
            if arrays & {"w", "w_q", "w_ih", "w_depthwise", "v", "g", "scale", "bias", "alpha", "b", "threshold"}:
                taking.add(name)
    source = "\n".join(path.read_text() for path in Path(nn.__path__[0]).glob("_*.py"))
    called = set(re.findall(r"\bF\.(\w+)[(,\n}]", re.sub(r'""".*?"""', "", source, flags=re.S)))
    assert taking - called == NO_LAYER.keys()
    assert {"linear", "layer_norm", "weight_norm", "prelu", "multi_head_attention"} <= taking & called
