"""Layers with parameters beyond the plain ones of `test_nn.py`: each is its functional, and a good citizen of NNX."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import flops, nn


@pytest.fixture(autouse=True, params=[True, False], ids=["graph", "tree"])
def nnx_mode(request):
    with nnx.set_graph_mode(request.param), nnx.set_graph_updates(request.param):
        yield


def rngs():
    return nnx.Rngs(0)


def values(*shape, dtype=jnp.float32, seed=7):
    return jax.random.normal(jax.random.key(seed), shape, jnp.float32).astype(dtype)


def arrays(layer):
    """The arrays of a layer by path, `layer/w` for those of a layer inside."""
    found = {}
    for name, value in vars(layer).items():
        if isinstance(value, nnx.Variable):
            found[name] = value[...]
        elif isinstance(value, nnx.Module):
            found |= {f"{name}/{inner}": a for inner, a in arrays(value).items()}
    return found


INDICES, SEEN = jnp.array([[1, 4, 0], [2, 2, 6]]), jnp.array([[True, True, False, True], [True] * 4])
TRANSPOSED = {"stride": (2, 1), "padding": 1, "output_padding": (1, 0)}


def heads(key, x, p, options, **more):
    x = x if len(x) == 3 else (x[0],) * 3
    names = [f"{kind}_{part}" for kind in "wb" for part in "qkvo"]
    return F.multi_head_attention(key, *x, *(p.get(name) for name in names), heads=2, **options, **more)


class Case(NamedTuple):
    make: Callable[..., nn.Linear]  # or any other layer
    x: tuple
    function: Callable  # the same, of the arrays of x and of the layer
    params: int
    options: Mapping = MappingProxyType({})  # of the call


CASES = {
    "layer norm": Case(
        lambda **o: nn.LayerNorm(4, eps=1e-3, **o),
        (values(2, 3, 4),),
        lambda x, p: F.layer_norm(*x, p["scale"], p["bias"], eps=1e-3),
        8,
    ),
    "layer norm of two axes": Case(
        lambda **o: nn.LayerNorm((2, 4), axis=(-3, -1), use_bias=False, **o),
        (values(5, 2, 3, 4),),
        lambda x, p: F.layer_norm(*x, p["scale"], axis=(-3, -1)),
        8,
    ),
    "rms norm": Case(
        lambda **o: nn.RMSNorm([4], axis=[1], eps=1e-3, **o),
        (values(2, 4, 3),),
        lambda x, p: F.rms_norm(*x, p["scale"], axis=1, eps=1e-3),
        4,
    ),
    "group norm": Case(
        lambda **o: nn.GroupNorm(6, groups=3, eps=1e-3, **o),
        (values(2, 5, 6),),
        lambda x, p: F.group_norm(*x, p["scale"], p["bias"], groups=3, eps=1e-3),
        12,
    ),
    "instance norm": Case(
        lambda **o: nn.InstanceNorm(3, eps=1e-3, **o),
        (values(2, 5, 4, 3),),
        lambda x, p: F.instance_norm(*x, p["scale"], p["bias"], eps=1e-3),
        6,
    ),
    "filter response norm": Case(
        lambda **o: nn.FilterResponseNorm(3, eps=1e-3, **o),
        (values(2, 5, 3),),
        lambda x, p: F.filter_response_norm(*x, p["scale"], p["bias"], p["threshold"], eps=1e-3),
        9,
    ),
    "global response norm": Case(
        lambda **o: nn.GlobalResponseNorm(3, eps=1e-3, **o),
        (values(2, 5, 3),),
        lambda x, p: F.global_response_norm(*x, p["scale"], p["bias"], eps=1e-3),
        6,
    ),
    "embedding": Case(
        lambda **o: nn.Embedding(7, 5, padding_index=-7, max_norm=0.5, order=1.0, rngs=rngs(), **o),
        (INDICES,),
        lambda x, p: F.embedding(*x, p["w"], padding_index=0, max_norm=0.5, order=1.0),
        35,
    ),
    "embedding bag": Case(
        lambda **o: nn.EmbeddingBag(7, 5, mode="max", padding_index=2, rngs=rngs(), **o),
        (INDICES.ravel(),),
        lambda x, p, offsets: F.embedding_bag(*x, p["w"], offsets=offsets, mode="max", padding_index=2),
        35,
        {"offsets": jnp.array([0, 2])},
    ),
    "embedding bag with weights": Case(
        lambda **o: nn.EmbeddingBag(7, 5, mode="sum", rngs=rngs(), **o),
        (INDICES, values(2, 3)),
        lambda x, p: F.embedding_bag(x[0], p["w"], x[1], mode="sum"),
        35,
    ),
    "bilinear": Case(
        lambda **o: nn.Bilinear(3, 4, 2, rngs=rngs(), **o),
        (values(5, 3), values(5, 4, seed=8)),
        lambda x, p: F.bilinear(*x, p["w"], p["b"]),
        26,
    ),
    "conv transpose": Case(
        lambda **o: nn.ConvTranspose(4, 6, (3, 2), groups=2, **TRANSPOSED, rngs=rngs(), **o),
        (values(2, 5, 4, 4),),
        lambda x, p: F.conv_transpose2d(*x, p["w"], p["b"], groups=2, **TRANSPOSED),
        3 * 2 * 2 * 6 + 6,
    ),
    "conv transpose 1d": Case(
        lambda **o: nn.ConvTranspose(4, 6, (3,), dilation=2, use_bias=False, rngs=rngs(), **o),
        (values(2, 5, 4),),
        lambda x, p: F.conv_transpose1d(*x, p["w"], dilation=2),
        3 * 4 * 6,
    ),
    "conv transpose 3d": Case(
        lambda **o: nn.ConvTranspose(2, 3, (1, 2, 2), stride=2, padding="VALID", rngs=rngs(), **o),
        (values(2, 2, 3, 2, 2),),
        lambda x, p: F.conv_transpose3d(*x, p["w"], p["b"], stride=2, padding="VALID"),
        4 * 2 * 3 + 3,
    ),
    "prelu": Case(lambda **o: nn.PReLU(**o), (values(4, 3),), lambda x, p: F.prelu(*x, p["alpha"]), 1),
    "prelu of channels": Case(
        lambda **o: nn.PReLU(features=3, alpha=0.1, **o), (values(4, 3),), lambda x, p: F.prelu(*x, p["alpha"]), 3
    ),
    "snake": Case(
        lambda **o: nn.Snake(features=3, alpha=0.5, **o), (values(4, 3),), lambda x, p: F.snake(*x, p["alpha"]), 3
    ),
    "self-attention": Case(
        lambda **o: nn.MultiHeadAttention(6, 2, rngs=rngs(), **o),
        (values(2, 4, 6),),
        lambda x, p, **options: heads(None, x, p, options),
        4 * 42,
        {"causal": True},
    ),
    "attention": Case(
        lambda **o: nn.MultiHeadAttention(
            6, 2, key_features=5, value_features=3, qkv_features=4, out_features=7, use_bias=False, rngs=rngs(), **o
        ),
        (values(2, 3, 6), values(2, 4, 5), values(2, 4, 3)),
        lambda x, p, **options: heads(None, x, p, options),
        4 * (6 + 5 + 3 + 7),
        {"where": SEEN, "bias": values(1, 2, 3, 4)},
    ),
    "additive attention": Case(
        lambda **o: nn.AdditiveAttention(6, 5, 4, rngs=rngs(), **o),
        (values(2, 3, 6), values(2, 4, 5), values(2, 4, 2, seed=8)),
        lambda x, p, where: F.additive_attention(*x, p["w_q"], p["w_k"], p["v"], where=where),
        4 * (6 + 5 + 1),
        {"where": SEEN},
    ),
    "luong attention": Case(
        lambda **o: nn.LuongAttention(6, 5, rngs=rngs(), **o),
        (values(2, 3, 6), values(2, 4, 5)),
        lambda x, p, where: F.luong_attention(*x, x[1], p["w"], where=where),
        30,
        {"where": SEEN},
    ),
    "weight norm": Case(
        lambda **o: nn.WeightNorm(nn.Linear(4, 3, rngs=rngs(), **o)),
        (values(5, 4),),
        lambda x, p: F.linear(
            *x, F.weight_norm(p["layer/w"], p["g"]).astype(x[0].dtype), p["layer/b"].astype(x[0].dtype)
        ),
        18,
    ),
    "weight standardization": Case(
        lambda **o: nn.WeightStandardization(nn.Conv(4, 3, 3, stride=2, use_bias=False, rngs=rngs(), **o), eps=1e-3),
        (values(2, 5, 5, 4),),
        lambda x, p: F.conv2d(*x, F.weight_standardization(p["layer/w"], eps=1e-3).astype(x[0].dtype), stride=2),
        9 * 12,
    ),
    "spectral norm": Case(
        lambda **o: nn.SpectralNorm(nn.ConvTranspose(4, 3, 2, stride=2, rngs=rngs(), **o), rngs=rngs()),
        (values(2, 3, 3, 4),),
        lambda x, p: F.conv_transpose2d(
            *x,
            F.spectral_norm(p["layer/w"], p["u"], steps=0)[0].astype(x[0].dtype),
            p["layer/b"].astype(x[0].dtype),
            stride=2,
        ),
        51,
    ),
}
# One for each way in which a layer comes by its dtype; the others are as the layers of the same file.
QUICK = ("layer norm", "embedding", "bilinear", "conv transpose", "prelu", "attention", "weight norm")
# These compute in the dtype of their parameters, and round what comes out.
OWN_DTYPE = [name for name in CASES if "norm" in name or "standard" in name]


def make(case, **options):
    """The layer, every parameter moved away from a start, such as 0, at which nothing could be told."""
    layer = CASES[case].make(**options)
    for i, (name, param) in enumerate(params_of(layer)):
        if not name.startswith(("w", "v")):
            param[...] += 0.3 * values(*param.shape, seed=i, dtype=param.dtype)
    return layer


def params_of(layer):
    for name, value in vars(layer).items():
        if isinstance(value, nnx.Module):
            yield from params_of(value)
        elif isinstance(value, nnx.Param):
            yield name, value


def by_functions(case, layer, dtype=jnp.float32):
    """What the functions make of the arrays, all of them in `dtype`."""
    held = arrays(layer)
    x, options = in_dtype((CASES[case].x, dict(CASES[case].options)), dtype)
    return CASES[case].function(x, held if case in OWN_DTYPE else in_dtype(held, dtype), **options)


def in_dtype(tree, dtype):
    return jax.tree.map(lambda a: a.astype(dtype) if is_float(a) else a, tree)


def is_float(a):
    return hasattr(a, "dtype") and jnp.issubdtype(a.dtype, jnp.floating)


@pytest.mark.parametrize("case", CASES)
def test_is_its_functional(case):
    layer = make(case)
    got = layer(*CASES[case].x, **CASES[case].options)
    assert got.size and np.ptp(got) > 0 and np.isfinite(got).all()
    np.testing.assert_array_equal(got, by_functions(case, layer))


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in QUICK else pytest.mark.slow) for case in CASES]
)
@pytest.mark.slow
def test_half(case):
    """Parameters stay what they are, and the call computes in the input's dtype, or in the one that is asked for."""
    layer = make(case)
    x, options = in_dtype((CASES[case].x, dict(CASES[case].options)), jnp.bfloat16)
    if case.startswith("embedding"):
        layer.dtype = jnp.bfloat16  # their first input is not floating, and does not say it
    got = layer(*x, **options)
    assert {a.dtype for a in arrays(layer).values()} == {jnp.dtype("float32")}
    assert got.dtype == jnp.bfloat16
    np.testing.assert_array_equal(got, by_functions(case, layer, jnp.bfloat16))
    layer = make(case, dtype=jnp.bfloat16, param_dtype=jnp.float16)
    assert {a.dtype for _, a in params_of(layer)} <= {jnp.dtype("float16")}
    got = layer(*CASES[case].x, **CASES[case].options)
    assert got.dtype == jnp.bfloat16
    np.testing.assert_array_equal(got, by_functions(case, layer, jnp.bfloat16))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_functionalized(case):
    """Compiled, it is the layer; a finite gradient reaches every parameter; there are as many as there should be."""
    layer, x, options = make(case), CASES[case].x, CASES[case].options
    apply, params, state = nn.functionalize(layer)
    assert nn.count_params(params) == CASES[case].params

    # Unoptimised: whether a gradient arrives is no matter of speed.
    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def step(params, state):
        def loss(params):
            y, new = apply(params, state, *x, **options)
            return (y * values(*y.shape, seed=9)).sum(), (y, new)

        return jax.grad(loss, has_aux=True)(params)

    grads, (y, new) = step(params, state)
    np.testing.assert_allclose(y, layer(*x, **options), rtol=2e-5, atol=2e-5)
    assert jax.tree.structure(new) == jax.tree.structure(state)
    for path, g in jax.tree_util.tree_leaves_with_path(grads):
        where = jax.tree_util.keystr(path)
        assert np.isfinite(g).all(), where
        if where == "['b_k']":  # it adds the same to all scores of a query, and softmax takes that away
            assert np.abs(g).max() < 1e-5
        else:
            assert np.abs(g).max() > 1e-3, where
    changed = jax.tree.map(lambda p: p + 1, params)
    nnx.update(layer, changed, new)
    jax.tree.map(np.testing.assert_array_equal, nn.functionalize(layer)[1], changed)


class Bound(nnx.Module):
    """`nn.summary` gives arrays alone."""

    def __init__(self, case, layer):
        self.case, self.layer = case, layer

    def __call__(self, *x):
        return self.layer(*x, **CASES[self.case].options)


@pytest.mark.parametrize("case", CASES)
def test_summary(case):
    """Its rows hold all parameters and all the work that `flops.count` finds."""
    layer, x = Bound(case, make(case)), CASES[case].x
    apply, params, state = nn.functionalize(layer)
    table = nn.summary(layer, *x)
    want = flops.count(lambda *a: apply(*a)[0], params, state, *x)
    assert (table.total.params, table.total.macs, table.total.bytes) == (CASES[case].params, want.macs, want.bytes)
    assert sum(row.cost.macs for row in table.rows) == want.macs
    assert sum(row.params for row in table.rows) == CASES[case].params


@pytest.mark.parametrize("case", [case for case in CASES if "embedding" not in case])
def test_integer_input_is_refused(case, unchecked_types):
    layer = make(case, dtype=jnp.bfloat16)
    with pytest.raises(TypeError, match=r"must be floating point, got int32"):
        layer(*(x.astype(jnp.int32) for x in CASES[case].x), **CASES[case].options)
