"""Low-rank adaptation: it starts as the model, trains the factors alone, and is the merged model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from leaves import everything, flat

import jaxml.functional as F
from jaxml import flops, models, nn, optim
from jaxml.train import fit

LOSS = F.softmax_cross_entropy_with_integer_labels
MLP = {"num_classes": 5, "in_features": 16, "hidden": (12, 8)}


def rngs(seed=0):
    return nnx.Rngs(seed)


def mlp(**options):
    return models.create("mlp", rngs=rngs(), **(MLP | options))


def shaken(model):
    """The model with factors that are not those of the start."""
    _, params, _ = nn.functionalize(model)
    keys = iter(jax.random.split(jax.random.key(5), len(jax.tree.leaves(params))))
    nnx.update(model, jax.tree.map(lambda p: p + jax.random.normal(next(keys), p.shape, p.dtype) / 4, params))
    return model


def called(model, *args, **kwargs):
    apply, params, state = nn.functionalize(model)
    return jax.tree.leaves(jax.jit(lambda p, s, *a: apply(p, s, *a, **kwargs)[0])(params, state, *args))


class _Attends(nnx.Module):
    def __init__(self):
        self.attention = nn.MultiHeadAttention(8, 2, rngs=rngs())
        self.norm = nn.LayerNorm(8)

    def __call__(self, x, *, train=False):
        return self.norm(x + self.attention(x, causal=True, train=train), train=train)


X = np.random.default_rng(0).normal(size=(6, 4, 4, 1)).astype(np.float32)
TOKENS = np.arange(12).reshape(3, 4)
CLASSIFIER = {"num_classes": 2, "num_embeddings": 12, "embedding_features": 4, "hidden_features": 4, "length": 4}
MODELS = {
    "mlp": (mlp, "", 2, X, 3),
    "attention": (_Attends, "attention/w_[qv]$", 2, X[..., 0].repeat(2, -1), 2),
    "convolutions": (
        lambda: models.create("cnn_separable", rngs=rngs(), num_classes=5, widths=(4, 6), strides=(1, 2)),
        "pointwise/|head/", 2, np.ones((2, 8, 8, 1), np.float32), 2,
    ),
    "recurrent": (
        lambda: models.create("sequence_classifier", rngs=rngs(), **CLASSIFIER), "", 1, TOKENS, 6,
    ),
    "shared": (lambda: nn.Sequential(*[nn.Linear(4, 4, rngs=rngs())] * 2), "", 2, X[..., 0], 1),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_starts_as_the_model_trains_factors_alone_and_merges(name):
    make, pattern, rank, x, count = MODELS[name]
    with nnx.set_graph_mode(True):
        model = make()
        before, names = everything(model), sorted(flat(nn.functionalize(model)[1]))
        adapted = nn.lora(model, pattern, rank=rank, rngs=rngs(1))
        params = flat(nn.functionalize(adapted)[1])
        weights = sorted({path[:-2] for path in params})
        assert len(weights) == count and sorted(params) == sorted(f"{w}/{end}" for w in weights for end in "ab")
        sizes = [rank * (before[w].size // before[w].shape[-1] + before[w].shape[-1]) for w in weights]
        assert nn.count_params(nn.functionalize(adapted)[1]) == sum(sizes)
        for got, want in zip(called(adapted, x), called(model, x), strict=True):
            np.testing.assert_array_equal(got, want)
        assert sorted(flat(nn.functionalize(model)[1])) == names, "the model given was changed"
        # Factors that are not zero: the merged weights are the sum, and give the same.
        shaken(adapted)
        merged = nn.merge_lora(adapted)
        now, factors = everything(merged), everything(adapted)
        assert sorted(now) == sorted(before)
        for path, value in before.items():
            want = value.astype(np.float64)
            if path in weights:
                delta = factors[f"{path}/a"].astype(np.float64) @ factors[f"{path}/b"].astype(np.float64)
                want = want + 16 / rank * delta.reshape(value.shape)
                assert np.abs(want - value).max() > 0.1
            np.testing.assert_allclose(now[path], want, rtol=1e-6, atol=1e-6, err_msg=path)
        for got, want in zip(called(adapted, x), called(merged, x), strict=True):
            np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)


@pytest.mark.loose_promotion  # optax.adamw
def test_fit_changes_factors_and_the_head_that_is_given_back_and_nothing_else(tmp_path):
    model = nn.unfreeze(nn.lora(models.transfer(mlp(), 3, rngs=rngs(1)), "^layers/", rank=2, rngs=rngs(2)), "^head/")
    before = everything(model)
    y = np.arange(6) % 3
    tx = optim.adamw(3e-2, weight_decay=0.5)
    found = fit(model, (X, y), loss=LOSS, optimizer=tx, epochs=60, batch_size=6, progress=False)
    assert found.history["loss"][-1] < 0.1 * found.history["loss"][0]
    after = flat(found.params) | flat(found.state)
    trained = {"head/b", "head/w"} | {f"layers/{i}/w/{end}" for i in (0, 1) for end in "ab"}
    assert set(flat(found.params)) == trained
    for path, value in before.items():
        assert np.array_equal(after[path], value) != (path in trained), path
    nnx.update(model, found.params, found.state)
    merged = nn.merge_lora(model)
    models.save_weights(merged, tmp_path / "merged.safetensors")
    plain = mlp(num_classes=3)
    models.load_weights(plain, tmp_path / "merged.safetensors")
    np.testing.assert_array_equal(called(plain, X)[0], called(merged, X)[0])
    np.testing.assert_allclose(called(plain, X)[0], called(model, X)[0], rtol=2e-5, atol=2e-5)


def test_batch_norm_keeps_its_statistics():
    net = nn.Sequential(nn.Linear(4, 4, rngs=rngs()), nn.BatchNorm(4), nn.Linear(4, 2, rngs=rngs()))
    apply, params, state = nn.functionalize(nn.lora(net, "^layers/0/", rank=1, rngs=rngs(1)))
    _, new = apply(params, state, jnp.full((5, 4), 3.0), train=True)
    np.testing.assert_equal(flat(new), flat(state))


def test_full_rank_reaches_what_the_whole_layer_reaches():
    """Least squares: one layer of full rank, from another start, has the same minimum."""
    rng = np.random.default_rng(0)
    x, target = jnp.asarray(rng.normal(size=(40, 4)), jnp.float32), jnp.asarray(rng.normal(size=(4, 3)), jnp.float32)
    y = x @ target + jnp.asarray(rng.normal(size=(40, 3)), jnp.float32) / 10
    layer = nn.Linear(4, 3, use_bias=False, rngs=rngs())
    apply, params, state = nn.functionalize(nn.lora(layer, "^w$", rank=3, alpha=3.0, rngs=rngs(1)))

    def loss(params):
        return ((apply(params, state, x)[0] - y) ** 2).mean()

    @jax.jit
    def descend(params):
        def step(p, _):
            return jax.tree.map(lambda p, g: p - 0.1 * g, p, jax.grad(loss)(p)), None

        return jax.lax.scan(step, params, length=2000)[0]

    best = float(((np.asarray(x) @ np.linalg.lstsq(np.asarray(x), np.asarray(y))[0] - np.asarray(y)) ** 2).mean())
    assert float(loss(params)) > 50 * best
    np.testing.assert_allclose(float(loss(descend(params))), best, rtol=1e-4)


def test_alpha_over_rank_scales_and_the_gradient_is_that_of_the_sum():
    layer = nn.Linear(5, 3, rngs=rngs())
    adapted = shaken(nn.lora(layer, "w$", rank=2, alpha=3.0, rngs=rngs(1)))
    apply, params, state = nn.functionalize(adapted)
    x = jax.random.normal(jax.random.key(1), (7, 5))

    def value(p):
        return jnp.sin(apply(p, state, x)[0]).sum()

    def plain(p):
        return jnp.sin(x @ (layer.w[...] + 1.5 * p["w"]["a"] @ p["w"]["b"]) + layer.b[...][None]).sum()

    np.testing.assert_allclose(value(params), plain(params), rtol=1e-5)
    want, got = jax.grad(plain)(dict(params)), jax.grad(value)(params)
    np.testing.assert_allclose(flat(got)["w/a"], flat(want)["w/a"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(flat(got)["w/b"], flat(want)["w/b"], rtol=1e-4, atol=1e-5)


def test_half_precision_computes_with_factors_in_float32():
    net = nn.Sequential(nn.Linear(4, 4, param_dtype=jnp.bfloat16, rngs=rngs()), nn.Linear(4, 3, rngs=rngs()))
    adapted = nn.lora(net, "", rank=2, rngs=rngs(1))
    assert {p.dtype for p in flat(nn.functionalize(adapted)[1]).values()} == {np.dtype(np.float32)}
    x = jnp.ones((2, 4), jnp.bfloat16)
    np.testing.assert_array_equal(called(adapted, x)[0], called(net, x)[0])
    assert called(shaken(adapted), x)[0].dtype == jnp.bfloat16
    weight = adapted.layers[0].w
    assert (weight.dtype, weight.shape, jnp.asarray(weight).dtype) == (jnp.bfloat16, (4, 4), jnp.bfloat16)
    assert nn.merge_lora(adapted).layers[0].w.dtype == jnp.bfloat16


def test_cost_of_a_linear_layer_is_its_own_and_the_factors():
    def cost(model, x):
        apply, params, state = nn.functionalize(model)
        return flops.count(lambda p, x: apply(p, state, x)[0], params, x).macs

    x, layer = jnp.ones((10, 30)), nn.Linear(30, 20, rngs=rngs())
    assert cost(nn.lora(layer, "w", rank=4, rngs=rngs(1)), x) == cost(layer, x) + 10 * 4 * (30 + 20)
    table = nn.summary(nn.lora(layer, "w", rank=4, rngs=rngs(1)), x)
    assert sum(row.params for row in table.rows) == 4 * (30 + 20)


def test_no_gradient_of_a_dense_weight_is_formed():
    """Of two layers of equal cost, five products, of which two are gradients of weights; and those of the factors."""
    net = nn.Sequential(nn.Linear(64, 64, rngs=rngs()), nn.Linear(64, 64, rngs=rngs(1)))

    def cost(model):
        apply, params, state = nn.functionalize(model)
        return flops.count(
            jax.value_and_grad(lambda p, x: apply(p, state, x)[0].sum()), params, jnp.ones((32, 64))
        ).macs

    product, thin = 32 * 64 * 64, 32 * 64
    assert cost(net) == 5 * product
    # Forward, x a and (x a) b of either layer; backward, a' and b' of either, and both factors' share in d/dx of one.
    assert cost(nn.lora(net, "", rank=1, rngs=rngs(2))) == 3 * product + thin * (4 + 6 + 1)


@pytest.mark.parametrize("graph", [True, False])
def test_both_modes_of_nnx(graph):
    with nnx.set_graph_mode(graph), nnx.set_graph_updates(graph):
        adapted = shaken(nn.lora(mlp(), "^layers/", rank=2, rngs=rngs(1)))
        merged = nn.merge_lora(adapted)
        assert isinstance(merged.layers[0].w, nn.Frozen) and isinstance(adapted.layers[0].w, nn.LowRank)
        np.testing.assert_allclose(called(merged, X)[0], called(adapted, X)[0], rtol=2e-5, atol=2e-5)


def test_batch_norm_folds_into_merged_weights_alone():
    adapted = shaken(nn.lora(MODELS["convolutions"][0](), "pointwise/", rank=2, rngs=rngs(1)))
    with pytest.raises(TypeError, match="LowRank: the sum of w and its factors cannot be assigned to"):
        models.fold_batch_norm(adapted)
    x = MODELS["convolutions"][3]
    folded = models.fold_batch_norm(nn.merge_lora(adapted))
    np.testing.assert_allclose(called(folded, x)[0], called(adapted, x)[0], rtol=1e-5, atol=1e-5)


def test_a_second_call_adapts_other_layers():
    once = nn.lora(mlp(), "^layers/0/", rank=2, rngs=rngs(1))
    twice = nn.lora(once, "^layers/1/", rank=3, rngs=rngs(2))
    assert sorted(flat(nn.functionalize(twice)[1])) == [f"layers/{i}/w/{end}" for i in (0, 1) for end in "ab"]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda m: nn.lora(m, "^layer/0/w", rngs=rngs()), ValueError,
         r"lora: '\^layer/0/w' matches no weight of two axes or more; near it: layers/0/w, .*; there are: .*head/w"),
        (lambda m: nn.lora(m, "/b$", rngs=rngs()), ValueError, "lora: '/b.' matches no weight of two axes or more"),
        (lambda m: nn.lora(m, "", rngs=rngs()), ValueError,
         r"lora: rank must be at most 5 for head/w of shape \(8, 5\), got 8"),
        (lambda m: nn.lora(m, "", rank=0, rngs=rngs()), ValueError, "lora: rank must be positive integers, got "),
        (lambda m: nn.lora(m, "", rank=2, alpha=0.0, rngs=rngs()), ValueError, "lora: alpha must be finite and above"),
        (lambda m: nn.lora(m, "(", rngs=rngs()), ValueError, r"lora: '\(' is no regular expression"),
        (lambda m: nn.lora(m, None, rngs=rngs()), TypeError, "lora: pattern must be a string, got NoneType"),
        (lambda m: nn.lora({}, "w", rngs=rngs()), TypeError, "lora: model must be an nnx.Module, got dict"),
        (lambda m: nn.lora(nn.lora(m, "s/0", rank=2, rngs=rngs()), "", rngs=rngs()), ValueError,
         "lora: layers/0/w adapted already; merge_lora first, or match other weights"),
        (lambda m: nn.merge_lora(m), ValueError, "merge_lora: MLP has no factors; nn.lora puts them there"),
        (lambda m: nn.merge_lora({}), TypeError, "merge_lora: model must be an nnx.Module, got dict"),
    ],
)  # fmt: skip
def test_errors(unchecked_types, call, error, says):
    with pytest.raises(error, match=says):
        call(mlp())
