"""Random functions: shares and moments of fixed keys, identity without `train`, the rates 0 and 1; masks, edges."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F

KEY = jax.random.key(5)
# Function, shape, options, and the axes along which one draw is shared.
DROPPED = {
    "dropout1d": (F.dropout1d, (50, 3, 60), {}, (1,)),
    "dropout2d": (F.dropout2d, (50, 3, 2, 60), {}, (1, 2)),
    "dropout3d": (F.dropout3d, (50, 1, 3, 2, 60), {}, (1, 2, 3)),
    "drop_path": (F.drop_path, (3000, 2), {}, (1,)),
}
SHAPED = {
    **{name: partial(f, **options) for name, (f, _, options, _) in DROPPED.items()},
    "alpha_dropout": F.alpha_dropout,
    "feature_alpha_dropout": F.feature_alpha_dropout,
    "dropblock2d": partial(F.dropblock2d, window=2),
}
RANK = {"dropout1d": 3, "dropout2d": 4, "dropout3d": 5, "dropblock2d": 4}


@pytest.mark.parametrize("name", DROPPED)
def test_share(name):
    """One draw for each example or channel; its share of zeros is the rate within five standard deviations."""
    f, shape, options, shared = DROPPED[name]
    y = f(KEY, jnp.ones(shape), rate=0.3, **options)
    first = np.asarray(y).max(shared, keepdims=True)
    np.testing.assert_array_equal(y, np.broadcast_to(first, shape))
    assert np.allclose(first[first != 0], 1 / 0.7)
    assert abs((first == 0).mean() - 0.3) < 5 * np.sqrt(0.21 / first.size)


@pytest.mark.parametrize("name", SHAPED)
def test_rates_at_the_ends(name):
    x = jnp.arange(1.0, 33.0).reshape((2, *(2,) * (RANK.get(name, 3) - 2), -1))
    f = SHAPED[name]
    for options in ({"rate": 0.0}, {"rate": 0.6, "train": False}):
        np.testing.assert_array_equal(f(None, x, **options), x)
    np.testing.assert_array_equal(f(KEY, x, rate=1.0), jnp.zeros_like(x))


@pytest.mark.parametrize(
    ("f", "variance"),
    [
        (partial(F.alpha_dropout, rate=0.2), 1.0),
        (partial(F.gaussian_dropout, rate=0.2), 1.25),
        (partial(F.gaussian_noise, stddev=0.5), 1.25),
    ],
    ids=["alpha_dropout", "gaussian_dropout", "gaussian_noise"],
)
def test_moments(f, variance):
    """Of standard normal input: mean 0, and the variance that the definition gives."""
    y = np.asarray(f(KEY, jax.random.normal(jax.random.key(1), (100_000,))))
    assert abs(y.mean()) < 5 * np.sqrt(variance / y.size)
    assert abs(y.var() - variance) < 0.03


@pytest.mark.parametrize("f", [partial(F.gaussian_dropout, rate=0.5), partial(F.gaussian_noise, stddev=1.0)])
def test_noise_is_for_training(f):
    x = jnp.array([1.0, jnp.inf])
    np.testing.assert_array_equal(f(None, x, train=False), x)


def test_feature_alpha_dropout_drops_channels():
    y = F.feature_alpha_dropout(KEY, jnp.zeros((50, 3, 60)), rate=0.3)
    np.testing.assert_array_equal(y, jnp.broadcast_to(y[:, :1], y.shape))
    assert abs((y[:, 0] < 0).mean() - 0.3) < 5 * np.sqrt(0.21 / 3000)


def test_dropblock_drops_squares():
    """Every hole is made of squares of 3; the sum is kept."""
    y = np.asarray(F.dropblock2d(KEY, jnp.ones((4, 12, 12, 8)), rate=0.1, window=3))
    assert np.isclose(y.sum(), y.size, rtol=1e-5) and 0.05 < (y == 0).mean() < 0.15
    for hole in (y == 0).transpose(0, 3, 1, 2).reshape(-1, 12, 12):
        covered = np.zeros_like(hole)
        for i, j in np.ndindex(10, 10):
            if hole[i : i + 3, j : j + 3].all():
                covered[i : i + 3, j : j + 3] = True
        np.testing.assert_array_equal(covered, hole)


def test_gumbel_softmax_draws_the_classes():
    logits = jnp.log(jnp.array([0.2, 0.5, 0.3]))
    y = F.gumbel_softmax(KEY, jnp.broadcast_to(logits, (20_000, 3)), hard=True)
    assert set(np.unique(y)) == {0.0, 1.0}
    np.testing.assert_allclose(y.mean(0), [0.2, 0.5, 0.3], atol=0.02)


def test_gumbel_softmax_hard_has_the_soft_gradient():
    x, w = jnp.array([0.3, -1.0, 2.0]), jnp.array([1.0, 2.0, -1.0])
    hard, soft = (
        jax.grad(lambda x, h=h: (w * F.gumbel_softmax(KEY, x, hard=h, temperature=0.5)).sum())(x) for h in (True, False)
    )
    np.testing.assert_allclose(hard, soft, rtol=1e-6)


def test_rrelu_slopes():
    y = -np.asarray(F.rrelu(KEY, -jnp.ones(20_000), minval=0.2, maxval=0.6))
    assert y.min() >= 0.2 and y.max() <= 0.6 and abs(y.mean() - 0.4) < 5 * 0.4 / np.sqrt(12 * y.size)


def test_cutout_cuts_a_box():
    y = np.asarray(F.cutout(KEY, jnp.ones((60, 9, 7, 2)), window=(3, 2)))
    sizes = {
        (int((~rows).sum()), int((~columns).sum()))
        for rows, columns in zip(y.min((2, 3)) > 0, y.min((1, 3)) > 0, strict=True)
    }
    assert max(sizes) == (3, 2)
    assert len(sizes) > 1
    assert (y[..., 0] == y[..., 1]).all()


def test_cutmix_shares_by_area():
    """The share of an image's own label is the share of its own pixels."""
    mark = jnp.broadcast_to(jnp.arange(6.0)[:, None, None, None], (6, 8, 9, 1))
    x, targets = F.cutmix(KEY, mark, jnp.eye(6))
    own = (x == mark).mean((1, 2, 3))
    np.testing.assert_allclose(jnp.diagonal(targets), own, rtol=1e-6)
    assert float(own.min()) < 1


def test_nothing_seen_gives_zero_and_no_gradient():
    """In float32, through `jax.nn`, whose own answer is the mean of the values."""
    q, k, v = (jax.random.normal(key, (1, 3, 2, 4)) for key in jax.random.split(KEY, 3))
    where = jnp.zeros((1, 3), bool)
    y, pull = jax.vjp(partial(F.dot_product_attention, where=where, causal=True), q, k, v)
    for leaf in (y, *pull(jnp.ones_like(y))):
        np.testing.assert_array_equal(leaf, jnp.zeros_like(leaf))


def test_attention_dropout():
    """A share of the weights is 0, the rest is divided by what is left; without `train` no key is needed."""
    x, w = jnp.zeros((1, 40, 40)), jnp.eye(40)
    f = partial(F.multi_head_attention, heads=1, rate=0.25)
    values = jnp.eye(40)[None]
    weights = f(KEY, x, x, values, w, w, w, w)[0] * 40
    assert np.allclose(weights[weights != 0], 1 / 0.75, rtol=1e-5)
    assert abs((weights == 0).mean() - 0.25) < 5 * np.sqrt(0.1875 / 1600)
    np.testing.assert_allclose(f(None, x, x, values, w, w, w, w, train=False) * 40, jnp.ones((1, 40, 40)), rtol=1e-5)


def test_embedding_edges():
    w = jnp.ones((3, 2))
    np.testing.assert_array_equal(jnp.isnan(F.embedding(jnp.array([-1, 0, 3]), w)).all(1), [True, False, True])
    slope = jax.grad(lambda w: F.embedding(jnp.array([0, 2, 2]), w, padding_index=-1).sum())(w)
    np.testing.assert_array_equal(slope, [[1, 1], [0, 0], [0, 0]])
    zero = jax.grad(lambda w: F.embedding(jnp.array([0]), w, max_norm=1.0).sum())(jnp.zeros((1, 2)))
    np.testing.assert_array_equal(zero, [[1, 1]])


def test_empty_bags_are_zero():
    w, none = jnp.ones((3, 2)), jnp.zeros(0, jnp.int32)
    for mode in ("sum", "mean", "max"):
        np.testing.assert_array_equal(F.embedding_bag(none, w, offsets=jnp.array([0, 0]), mode=mode), jnp.zeros((2, 2)))
        padded = F.embedding_bag(jnp.array([[1, 1]]), w, mode=mode, padding_index=1)
        np.testing.assert_array_equal(padded, jnp.zeros((1, 2)))


def test_rotary_embedding_knows_distances_only():
    q, k = (jax.random.normal(key, (1, 1, 1, 8)) for key in jax.random.split(KEY))
    a, b = (
        (F.rotary_embedding(q, jnp.array([i])) * F.rotary_embedding(k, jnp.array([j]))).sum()
        for i, j in ((3, 1), (7, 5))
    )
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_alibi_of_heads_that_are_no_power():
    """The authors' list for 6 heads: those of 4, then the first and third of 8."""
    slopes = -F.alibi(jnp.array([1]), jnp.array([0]), heads=6).ravel()
    np.testing.assert_allclose(slopes, 2.0 ** -np.array([2, 4, 6, 8, 1, 3]), rtol=1e-6)
