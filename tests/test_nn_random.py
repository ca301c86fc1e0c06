"""Layers that change when they are called with `train=True`: keys that move, and the vector of `SpectralNorm`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import nn


@pytest.fixture(autouse=True, params=[True, False], ids=["graph", "tree"])
def nnx_mode(request):
    with nnx.set_graph_mode(request.param), nnx.set_graph_updates(request.param):
        yield


def rngs():
    return nnx.Rngs(0)


X = jax.random.normal(jax.random.key(7), (6, 4, 4, 3))
# name: (how to make the layer, its function of key, x and train)
CASES = {
    "dropout": (lambda: nn.Dropout(0.4, rngs=rngs()), lambda *a, **o: F.dropout(*a, rate=0.4, **o)),
    "spatial": (lambda: nn.SpatialDropout(0.4, rngs=rngs()), lambda *a, **o: F.dropout2d(*a, rate=0.4, **o)),
    "block": (
        lambda: nn.DropBlock(0.4, window=2, rngs=rngs()),
        lambda *a, **o: F.dropblock2d(*a, rate=0.4, window=2, **o),
    ),
    "path": (lambda: nn.DropPath(0.4, rngs=rngs()), lambda *a, **o: F.drop_path(*a, rate=0.4, **o)),
    "alpha": (lambda: nn.AlphaDropout(0.4, rngs=rngs()), lambda *a, **o: F.alpha_dropout(*a, rate=0.4, **o)),
    "feature alpha": (
        lambda: nn.FeatureAlphaDropout(0.4, rngs=rngs()),
        lambda *a, **o: F.feature_alpha_dropout(*a, rate=0.4, **o),
    ),
    "gaussian dropout": (
        lambda: nn.GaussianDropout(0.4, rngs=rngs()),
        lambda *a, **o: F.gaussian_dropout(*a, rate=0.4, **o),
    ),
    "gaussian noise": (
        lambda: nn.GaussianNoise(0.4, rngs=rngs()),
        lambda *a, **o: F.gaussian_noise(*a, stddev=0.4, **o),
    ),
    "rrelu": (
        lambda: nn.RReLU(minval=0.1, maxval=0.7, rngs=rngs()),
        lambda *a, **o: F.rrelu(*a, minval=0.1, maxval=0.7, **o),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_is_its_functional(case):
    make, function = CASES[case]
    layer = make()
    before = layer.key[...]
    keep, use = jax.random.split(before)
    np.testing.assert_array_equal(layer(X), function(None, X, train=False))
    assert layer.key[...] == before
    got = layer(X, train=True)
    np.testing.assert_array_equal(got, function(use, X))
    assert layer.key[...] == keep
    assert (got != layer(X, train=True)).any()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_functionalized(case):
    """The key is state: the same state gives the same draw, the one that comes back another."""
    apply, params, state = nn.functionalize(CASES[case][0]())
    apply = jax.jit(apply, static_argnames="train")
    assert nn.count_params(params) == 0
    first, new = apply(params, state, X, train=True)
    np.testing.assert_array_equal(first, apply(params, state, X, train=True)[0])
    assert (first != apply(params, new, X, train=True)[0]).any()
    assert apply(params, state, X)[1]["key"] == state["key"]


@pytest.mark.parametrize(("shape", "function"), [((2, 5, 3), F.dropout1d), ((2, 3, 2, 2, 3), F.dropout3d)])
def test_spatial_dropout_of_other_ranks(shape, function):
    layer, x = nn.SpatialDropout(0.5, rngs=rngs()), jnp.ones(shape)
    _, use = jax.random.split(layer.key[...])
    np.testing.assert_array_equal(layer(x, train=True), function(use, x, rate=0.5))


def test_attention_drops_weights_in_training_alone():
    layer, x = nn.MultiHeadAttention(4, 2, rate=0.5, rngs=rngs()), X[:, 0, :, :1] * jnp.ones((1, 1, 4))
    weights = [getattr(layer, f"{kind}_{part}")[...] for kind in "wb" for part in "qkvo"]
    keep, use = jax.random.split(layer.key[...])
    np.testing.assert_array_equal(layer(x), F.multi_head_attention(None, x, x, x, *weights, heads=2))
    want = F.multi_head_attention(use, x, x, x, *weights, heads=2, rate=0.5)
    np.testing.assert_array_equal(layer(x, train=True), want)
    assert layer.key[...] == keep
    assert nn.MultiHeadAttention(4, 2, rngs=rngs()).key is None


class TestSpectralNorm:
    @pytest.mark.parametrize("steps", [1, 3])
    def test_train_moves_u(self, steps):
        layer = nn.SpectralNorm(nn.Linear(3, 5, rngs=rngs()), steps=steps, rngs=nnx.Rngs(1))
        x, u = X[0, 0], layer.u[...]
        w, moved = F.spectral_norm(layer.layer.w[...], u, steps=steps)
        np.testing.assert_array_equal(layer(x, train=True), F.linear(x, w, layer.layer.b[...]))
        np.testing.assert_array_equal(layer.u[...], moved)
        assert (layer.u[...] != u).any()
        layer(x)
        np.testing.assert_array_equal(layer.u[...], moved)

    def test_the_largest_singular_value_is_one_from_the_start(self):
        layer = nn.SpectralNorm(nn.Linear(4, 4, use_bias=False, rngs=rngs()), rngs=nnx.Rngs(1))
        layer.layer.w[...] = jnp.diag(jnp.array([0.5, 3.0, 1.0, -0.1])).at[0, 3].set(0.7)
        made = nn.SpectralNorm(layer.layer, rngs=nnx.Rngs(1))
        assert abs(np.linalg.norm(made(jnp.eye(4)), 2) - 1) < 1e-4

    def test_u_is_state_and_w_a_parameter(self):
        apply, params, state = nn.functionalize(nn.SpectralNorm(nn.Linear(3, 5, rngs=rngs()), rngs=rngs()))
        assert jax.tree.map(jnp.shape, dict(state)) == {"u": (5,)}
        assert nn.count_params(params) == 3 * 5 + 5
        _, new = jax.jit(apply, static_argnames="train")(params, state, X, train=True)
        assert (new["u"] != state["u"]).any()
        assert (jax.jit(apply)(params, state, X)[1]["u"] == state["u"]).all()

    def test_u_of_half_parameters_is_float32(self):
        layer = nn.SpectralNorm(nn.Linear(3, 5, param_dtype=jnp.bfloat16, rngs=rngs()), rngs=rngs())
        assert layer(X[0, 0].astype(jnp.bfloat16), train=True).dtype == jnp.bfloat16
        assert layer.u[...].dtype == jnp.float32


def test_weight_norm_changes_nothing_at_first():
    inner = nn.Conv(3, 5, 3, rngs=rngs())
    want = inner(X)
    layer = nn.WeightNorm(inner)
    np.testing.assert_allclose(layer(X), want, rtol=1e-5, atol=1e-5)
    layer.g[...] *= 2
    np.testing.assert_allclose(layer(X), 2 * want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("wrap", [nn.WeightNorm, nn.WeightStandardization, lambda x: nn.SpectralNorm(x, rngs=rngs())])
def test_a_wrapped_layer_is_left_alone_inside_a_trace(wrap):
    """A compiled function may close over the module: nothing of it is changed, nor leaks."""
    layer = wrap(nn.DepthwiseConv(3, 3, rngs=rngs()))
    before = layer.layer.w[...]
    np.testing.assert_allclose(jax.jit(lambda x: layer(x))(X), layer(X), rtol=1e-5, atol=1e-5)
    assert layer.layer.w[...] is before


@pytest.mark.parametrize(
    ("wrap", "own"),
    [(nn.WeightNorm, {"g"}), (nn.WeightStandardization, set()), (lambda x: nn.SpectralNorm(x, rngs=rngs()), set())],
)
def test_frozen_and_adapted_layers_are_wrapped(wrap, own):
    """As the layer they were made from; what is frozen stays out of what is trained."""
    layer = nn.Linear(3, 5, rngs=rngs())
    want = wrap(layer)(X)
    kept = nn.freeze(layer, "w$")
    apply, params, state = nn.functionalize(wrap(kept))
    np.testing.assert_allclose(apply(params, state, X)[0], want, rtol=1e-6, atol=1e-6)
    assert set(params) == {"layer"} | own and set(params["layer"]) == {"b"}
    adapted = nn.lora(layer, "w$", rank=2, rngs=rngs())
    apply, params, state = nn.functionalize(wrap(adapted))
    np.testing.assert_allclose(apply(params, state, X)[0], want, rtol=1e-6, atol=1e-6)
    assert set(params) == {"layer"} | own and set(params["layer"]["w"]) == {"a", "b"}
    params["layer"]["w"]["b"] += 1.0  # the factors take part
    assert np.abs(apply(params, state, X)[0] - want).max() > 0.01


def test_summary_names_the_wrapped_layer():
    """What the rewriting costs is the wrapper's, the product the layer's."""
    model = nn.Sequential(nn.SpectralNorm(nn.Linear(3, 5, rngs=rngs()), rngs=rngs()), nn.Linear(5, 2, rngs=rngs()))
    rows = {row.path: row for row in nn.summary(model, X[0, 0]).rows}
    assert {path: (row.type, row.params) for path, row in rows.items()} == {
        "layers/0": ("SpectralNorm", 0),
        "layers/0/layer": ("Linear", 20),
        "layers/1": ("Linear", 12),
    }
    assert rows["layers/0/layer"].cost.macs == 4 * 3 * 5
    assert rows["layers/0/layer"].output == ((4, 5),)
