"""What the losses of classes, regions and sequences promise beside their formulas: masks, labels, limits, kinks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F

NAN, INF = jnp.nan, jnp.inf
INTEGER = F.softmax_cross_entropy_with_integer_labels
BY_LABEL = [INTEGER, F.nll_loss, F.softmax_focal_loss, F.generalized_cross_entropy]
MASKED = {
    "softmax_cross_entropy": (2, 3, 4), "poly_loss": (2, 3, 4), "sparsemax_loss": (2, 3, 4), "kl_divergence": (2, 3, 4),
    "js_divergence": (2, 3, 4), "wasserstein_loss": (2, 3, 4), "binary_cross_entropy": (2, 3), "dice_loss": (2, 3),
    "binary_cross_entropy_from_probabilities": (2, 3), "sigmoid_focal_loss": (2, 3), "tversky_loss": (2, 3),
}  # fmt: skip


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.slow
def test_what_is_masked_does_not_count(name, rng):
    """Not even NaN; an example of which nothing is left costs 0 with gradient 0."""
    loss, shape = getattr(F, name), MASKED[name]
    a, b = (jnp.asarray(rng.uniform(0.1, 0.9, shape), jnp.float32) for _ in range(2))
    where = jnp.array([[True, False, True], [False] * 3])
    apart = where.reshape(*where.shape, *[1] * (len(shape) - 2))
    a, b = (jnp.where(apart, x, NAN) for x in (a, b))
    value, (da, db) = jax.value_and_grad(lambda a, b: loss(a, b, where=where).sum(), (0, 1))(a, b)
    np.testing.assert_allclose(value, loss(a[:1, ::2], b[:1, ::2])[0], rtol=1e-6)
    for slope in (da, db):
        np.testing.assert_array_equal(jnp.where(apart, 0, slope), jnp.zeros(shape))
        assert jnp.isfinite(slope).all()


@pytest.mark.parametrize("loss", BY_LABEL)
def test_ignored_labels_are_masked_labels(loss, rng):
    """In value and gradient, with `where` beside it, and whatever the logits hold there."""
    x = jnp.asarray(rng.standard_normal((2, 4, 3)), jnp.float32).at[0, 1].set(NAN)
    labels = jnp.array([[1, -100, 2, 0], [-100] * 4])
    where = jnp.array([[True, True, False, True], [True] * 4])
    got, slope = jax.value_and_grad(lambda x: loss(x, labels, ignore_index=-100, where=where).sum())(x)
    want, want_slope = jax.value_and_grad(lambda x: loss(x, labels, where=where & (labels >= 0)).sum())(x)
    np.testing.assert_allclose(got, want, rtol=1e-6)
    np.testing.assert_array_equal(slope, want_slope)
    assert jnp.isfinite(slope).all() and got != 0


@pytest.mark.parametrize("loss", BY_LABEL)
@pytest.mark.parametrize("label", [-1, 3, -100])
def test_label_out_of_range_is_nan(loss, label):
    assert jnp.isnan(loss(jnp.zeros((1, 3)), jnp.array([label]), ignore_index=7)).all()


def test_ignored_labels_with_a_mask_of_classes(rng):
    """A mask of the logits' shape leaves out classes, `ignore_index` positions, and smoothing is over what is left."""
    x = jnp.asarray(rng.standard_normal((1, 2, 3)), jnp.float32)
    where = jnp.array([[[True, True, False]] * 2])
    got = INTEGER(x, jnp.array([[1, 2]]), ignore_index=2, label_smoothing=0.2, where=where)
    np.testing.assert_allclose(got, INTEGER(x[:, 0, :2], jnp.array([1]), label_smoothing=0.2), rtol=1e-6)


def test_sparsemax_is_a_projection(rng):
    """Probabilities; itself on probabilities; +inf and ties share; a logit that leads by 1 takes all, with slope 0."""
    x = jnp.asarray(3 * rng.standard_normal((20, 7)), jnp.float32)
    p = F.sparsemax(x)
    np.testing.assert_allclose(p.sum(1), np.ones(20), rtol=1e-6)
    assert (p >= 0).all() and (p == 0).any()
    np.testing.assert_allclose(F.sparsemax(p), p, atol=1e-6)
    rows = jnp.array([[INF, 0, INF], [-INF] * 3, [1e30, 1e30, 0], [2.0, 1.0, 0.0], [0.0, 0.0, -1.0]])
    want = [[0.5, 0, 0.5], [1 / 3] * 3, [0.5, 0.5, 0], [1, 0, 0], [0.5, 0.5, 0]]
    np.testing.assert_allclose(F.sparsemax(rows), want, rtol=1e-6)
    np.testing.assert_array_equal(jax.jacobian(F.sparsemax)(rows[3]), np.zeros((3, 3)))


def test_sparsemax_loss_has_the_gradient_it_is_made_for(rng):
    x, y = jnp.asarray(rng.standard_normal((4, 5)), jnp.float32), jax.nn.softmax(jnp.asarray(rng.random((4, 5))))
    y = y.astype(jnp.float32)
    slope = jax.grad(lambda x: F.sparsemax_loss(x, y).sum())(x)
    np.testing.assert_allclose(slope, F.sparsemax(x) - y, atol=1e-6)


def test_wasserstein_counts_classes():
    """Mass times distance; 0 and without slope where both are equal."""
    hot = jnp.eye(4)
    np.testing.assert_array_equal(F.wasserstein_loss(hot, jnp.tile(hot[:1], (4, 1))), [0, 1, 2, 3])
    np.testing.assert_array_equal(jax.grad(lambda p: F.wasserstein_loss(p, hot).sum())(hot), np.zeros((4, 4)))


def test_kl_slope_at_a_target_of_0():
    """-inf in the limit, and taken to be that of the other term."""
    q, t = jnp.array([[-1.0, -2.0]]), jnp.array([[1.0, 0.0]])
    np.testing.assert_allclose(jax.grad(lambda t: F.kl_divergence(q, t)[0])(t), [[2.0, 2.0]])


def test_dice_over_some_axes_is_the_mean_of_the_others(rng):
    p, z = (jnp.asarray(rng.random((2, 3, 4, 5)), jnp.float32) for _ in range(2))
    by_class = jnp.stack([F.dice_loss(p[..., c], z[..., c]) for c in range(5)], 1)
    np.testing.assert_allclose(F.dice_loss(p, z, axis=(1, 2)), by_class.mean(1), rtol=1e-6)
    np.testing.assert_allclose(F.tversky_loss(p, z, alpha=0.5, beta=0.5), F.dice_loss(p, z, smooth=2.0), rtol=1e-6)


def ctc(x, labels, **options):
    return F.ctc_loss(x, jnp.asarray(labels, jnp.int32), **options)


def test_ctc_impossible_alignments(rng):
    """Too few steps, or a repeat without a step to part it: the largest number, gradient 0, and 0 where masked."""
    x, labels = jnp.asarray(rng.standard_normal((3, 3, 4)), jnp.float32), jnp.array([[1, 1, 2], [1, 2, 3], [3, 1, 3]])
    options = {"lengths": jnp.array([3, 2, 3])}
    loss = ctc(x, labels, **options)
    np.testing.assert_array_equal(loss == jnp.finfo(jnp.float32).max, [True, True, False])
    slope = jax.grad(lambda x: jnp.clip(ctc(x, labels, **options), max=1e6).sum())(x)
    assert jnp.isfinite(slope).all() and (slope[:2] == 0).all() and (slope[2] != 0).all()
    where = loss < 1e6
    np.testing.assert_array_equal(ctc(x, labels, where=where, **options), jnp.where(where, loss, 0))


def test_ctc_padding_is_not_read(rng):
    """Logits that are NaN-free but huge, labels that are no class; a sequence of no labels is blank throughout."""
    x = jnp.asarray(rng.standard_normal((2, 4, 3)), jnp.float32)
    lengths, label_lengths = jnp.array([3, 4]), jnp.array([1, 0])
    options = {"lengths": lengths, "label_lengths": label_lengths}
    loss = ctc(x.at[0, 3].set(1e30), [[2, -7], [0, 99]], **options)
    np.testing.assert_allclose(loss[0], ctc(x[:1, :3], [[2]])[0], rtol=1e-6)
    np.testing.assert_allclose(loss[1], -jax.nn.log_softmax(x[1])[:, 0].sum(), rtol=1e-6)
    np.testing.assert_allclose(loss[1], ctc(x[1:], jnp.zeros((1, 0)))[0], rtol=1e-6)


@pytest.mark.parametrize("label", [0, 3, -1])
def test_ctc_label_that_is_none(label):
    assert jnp.isnan(ctc(jnp.zeros((1, 2, 3)), [[label]])).all()


def test_ctc_infinite_logits():
    """A certain right answer costs 0; one that is excluded is impossible; slopes and their slopes are finite."""
    sure = jnp.full((1, 2, 3), -INF).at[0, 0, 1].set(INF).at[0, 1, 0].set(0)
    for label, want in ((1, 0), (2, jnp.finfo(jnp.float32).max)):
        np.testing.assert_array_equal(ctc(sure, [[label]]), [want])
        slope = jax.grad(lambda x, label=label: ctc(x, [[label]])[0])
        assert jnp.isfinite(slope(sure)).all()
        assert jnp.isfinite(jax.jvp(slope, (sure,), (jnp.ones_like(sure),))[1]).all()


def test_ctc_of_many_steps():
    """Probabilities of 1e-300 are sums of logarithms: two classes alike, one alignment less than all."""
    steps = 1000
    loss = ctc(jnp.zeros((1, steps, 2)), [[1]])
    np.testing.assert_allclose(loss, [steps * np.log(2) - np.log(steps * (steps + 1) / 2)], rtol=1e-5)


def test_poly_loss_has_an_exact_gradient(rng):
    """Of a large coefficient, where the derivative of `total - exponential` would cancel."""
    x, y = jnp.asarray(rng.standard_normal((200, 50)), jnp.float32), jnp.asarray(rng.dirichlet(np.ones(50), 200))
    y = y.astype(jnp.float32)
    slope = jax.jit(jax.grad(lambda x: F.poly_loss(x, y, coefficient=1e3).sum()))(x)
    p = np.exp(np.float64(x))
    p, y = p / p.sum(-1, keepdims=True), np.float64(y)
    want = p * y.sum(-1, keepdims=True) - y - 1e3 * p * (y - (y * p).sum(-1, keepdims=True))
    np.testing.assert_allclose(slope, want, rtol=0, atol=1e-6 * np.abs(want).max())


def test_focal_loss_of_a_sure_answer():
    """The exponentials of the other classes, relative to the label's, are too small to be summed."""
    x = jnp.concatenate([jnp.array([0.0, -85.0]), jnp.full(1000, -88.5)])[None]
    loss = jax.jit(lambda x: F.softmax_focal_loss(x, jnp.array([0]), gamma=0.0))(x)
    np.testing.assert_allclose(np.float64(loss), np.exp(np.float64(x[:, 1:])).sum(-1), rtol=1e-4)
