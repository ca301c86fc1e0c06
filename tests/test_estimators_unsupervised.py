"""Mini-batch k-means beside scikit-learn's, and the autoencoder beside principal components."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import cluster, datasets

from jaxml import estimators
from jaxml.estimators import _kmeans
from jaxml.estimators._base import shared
from jaxml.estimators._minibatch import Means, updated

pytestmark = pytest.mark.loose_promotion  # optax's AdamW


def test_a_batch_moves_centers_as_its_points_do_one_by_one(rng: np.random.Generator):
    """Sculley's algorithm 1, with the nearest centers of the batch found before any moves."""
    x, centers = rng.normal(size=(40, 3)), rng.normal(size=(4, 3))
    counts = np.array([0.0, 3.0, 10.0, 1.0])
    means = Means(jnp.float32(centers), jnp.float32(counts))
    after, distances = updated(jnp.float32(x), means)
    nearest = ((x[:, None] - centers[None]) ** 2).sum(2)
    np.testing.assert_allclose(distances, nearest.min(1), atol=1e-4)
    for point, k in zip(x, nearest.argmin(1), strict=True):
        counts[k] += 1
        centers[k] += (point - centers[k]) / counts[k]
    np.testing.assert_allclose(after.centers, centers, atol=1e-5)
    np.testing.assert_allclose(after.counts, counts)


def test_points_far_from_zero_are_assigned_as_near_ones(rng: np.random.Generator):
    """The mean is taken off each block, so that float32 loses no digits to it; more points than a block has."""
    x = (rng.normal(size=(_kmeans.BLOCK + 3, 2)) + [[0.0, 8.0]] * rng.integers(0, 2, (_kmeans.BLOCK + 3, 1))).round(3)
    start, far = x[:2], np.array([[3000.0, -2000.0]])
    near = estimators.KMeans(2, init=start).fit(x)
    moved = estimators.KMeans(2, init=start + far).fit((x + far).astype(np.float32))
    assert (moved.labels_ == near.labels_).mean() > 0.999
    np.testing.assert_allclose(moved.inertia_, near.inertia_, rtol=1e-3)
    np.testing.assert_allclose(moved.score((x + far).astype(np.float32)), -near.inertia_, rtol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_jax_is_given_is_a_copy(dtype: Any):
    x = np.arange(12, dtype=dtype).reshape(3, 4)
    with jax.enable_x64(True):
        for rows in (x, np.asfortranarray(x), x[::2, 1:], x[:0]):
            given = shared(rows)
            assert given.dtype == dtype
            np.testing.assert_array_equal(given, rows)
        given, before = shared(x), x.copy()
    x[...] = 0
    np.testing.assert_array_equal(given, before)


def test_minibatch_kmeans_on_digits_is_within_three_percent_of_scikit_learns():
    x, y = datasets.load_digits(return_X_y=True)
    ours = estimators.MiniBatchKMeans(10, n_init=3, random_state=0).fit(x)
    peer = cluster.MiniBatchKMeans(10, n_init=3, random_state=0).fit(x)
    assert ours.inertia_ < 1.03 * peer.inertia_
    assert ours.cluster_centers_.dtype == np.float64 and ours.n_steps_ > ours.n_iter_ >= 1
    most = [np.bincount(y[ours.labels_ == k]).max() for k in np.unique(ours.labels_)]
    assert sum(most) / len(y) > 0.7


def test_parts_come_to_what_the_whole_does():
    x, _ = datasets.load_digits(return_X_y=True)
    model = estimators.MiniBatchKMeans(10, random_state=0)
    for part in np.array_split(np.random.default_rng(0).permutation(x), 6):
        model.partial_fit(part)
    assert model.n_steps_ == 6 and model.predict(x).max() < 10
    whole = -estimators.KMeans(10, random_state=0).fit(x).score(x)
    before = -model.score(x)
    assert before < 1.2 * whole
    model.fit(x).partial_fit(x)  # goes on from what was found
    assert -model.score(x) < before * 1.05
    assert model._counts.sum() == 2 * len(x)


def test_weights_and_idle_centers():
    x = np.array([[0.0], [1.0], [10.0], [11.0]])
    start = np.array([[0.5], [500.0]])
    model = estimators.MiniBatchKMeans(2, init=start, batch_size=4, random_state=0).fit(x)
    assert model.cluster_centers_.max() < 12  # the far one was brought back
    stays = estimators.MiniBatchKMeans(2, init=start, reassignment_ratio=0.0, random_state=0).fit(x)
    assert stays.cluster_centers_.max() == 500
    weight = np.array([1.0, 0.0, 1.0, 0.0])
    weighted = estimators.MiniBatchKMeans(2, init=x[[0, 2]], random_state=0).fit(x, sample_weight=weight)
    np.testing.assert_allclose(weighted.cluster_centers_, [[0.0], [10.0]], atol=1e-9)
    still = estimators.minibatch_kmeans(
        jax.random.key(0), jnp.asarray(x, jnp.float32), num_clusters=2, batch_size=4, tol=1e9
    )
    assert int(still.iterations) == 2


def linear(x: np.ndarray, size: int) -> estimators.Autoencoder:
    return estimators.Autoencoder(size, learning_rate=0.1, max_iter=800, batch_size=len(x), random_state=0).fit(x)


def test_a_linear_autoencoder_finds_the_plane_of_the_principal_components():
    x, _ = datasets.load_iris(return_X_y=True)
    model, pca = linear(x, 2), estimators.PCA(2).fit(x)
    ours = np.linalg.qr(np.stack([w for w, _ in model._decode])[0].T)[0]
    cosines = np.linalg.svd(pca.components_ @ ours)[1]  # of the angles between the planes
    np.testing.assert_allclose(cosines, 1, atol=1e-6)
    best = np.square(pca.inverse_transform(pca.transform(x)) - x).mean()
    np.testing.assert_allclose(model.reconstruction_error_, best, rtol=1e-6)
    assert model.transform(x).shape == (150, 2) and model.loss_curve_[-1] < model.loss_curve_[0]


@pytest.mark.slow
def test_a_bent_autoencoder_restores_held_out_digits_better_than_principal_components():
    x, _ = datasets.load_digits(return_X_y=True)
    x = np.random.default_rng(0).permutation(x.astype(np.float32))
    train, held_out = x[:1437], x[1437:]
    pca = estimators.PCA(8).fit(train)
    options: dict[str, Any] = {"hidden": (128,), "activation": "gelu", "max_iter": 60}
    model = estimators.Autoencoder(8, random_state=0, **options).fit(train)
    errors = [np.square(m.inverse_transform(m.transform(held_out)) - held_out).mean() for m in (model, pca)]
    assert errors[0] < 0.7 * errors[1]
    assert model.transform(held_out).dtype == np.float32


def test_a_linear_variational_autoencoder_is_probabilistic_pca():
    """Tipping and Bishop's closed form: the decoder's singular values are sqrt(λ - noise²), a code's variances
    noise² / λ, and the loss is less the log likelihood; a third number, whose λ is below noise², is not used."""
    x = datasets.load_iris().data
    options: dict[str, Any] = {"learning_rate": 0.03, "max_iter": 1500, "batch_size": 150, "random_state": 0}
    model = estimators.VariationalAutoencoder(3, noise=0.4, **options).fit(x)
    z = (x - x.mean(axis=0)) / model.scale_
    values, directions = np.linalg.eigh(np.cov(z.T, bias=True))
    want = np.sqrt(np.maximum(values[::-1][:3] - 0.16, 0))
    assert want[1] > 0 == want[2]
    left, singular, _ = np.linalg.svd(model._decode[0][0].T)
    np.testing.assert_allclose(singular, want, atol=0.06)
    assert np.linalg.svd(left[:, :2].T @ directions[:, ::-1][:, :2])[1].min() > 0.999
    covariance = np.diag(want**2 + 0.16)
    rest = np.full(4, 0.16)
    rest[:3] = np.diag(covariance)
    likelihood = -0.5 * (np.log(2 * np.pi * rest).sum() + (values[::-1] / rest).sum())
    assert -np.mean(model.loss_curve_[-100:]) == pytest.approx(likelihood, abs=0.05)


@pytest.mark.slow
def test_draws_of_a_variational_autoencoder_are_near_to_digits():
    """Nearer than draws of PCA, and than those of an autoencoder from a Gaussian of its own codes."""
    x = datasets.load_digits().data.astype(np.float32)
    rng = np.random.default_rng(0)
    options: dict[str, Any] = {"hidden": (128,), "activation": "gelu", "max_iter": 60, "random_state": 0}

    def nearest(rows: np.ndarray) -> float:
        return float(np.sqrt(np.square(rows[:, None] - x[None]).sum(axis=2)).min(axis=1).mean())

    def drawn(model: Any) -> np.ndarray:
        codes = model.transform(x)
        new = rng.multivariate_normal(codes.mean(axis=0), np.cov(codes.T), 500)
        return model.inverse_transform(new.astype(np.float32))

    model = estimators.VariationalAutoencoder(8, **options).fit(x)
    rows = model.sample(500)
    assert rows.shape == (500, 64) and rows.dtype == np.float32
    found = nearest(rows)
    assert found < 0.95 * nearest(drawn(estimators.PCA(8).fit(x)))
    assert found < 0.85 * nearest(drawn(estimators.Autoencoder(8, **options).fit(x)))
    np.testing.assert_array_equal(rows, model.sample(500))


X = np.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: estimators.MiniBatchKMeans(7).fit(X), "^MiniBatchKMeans: n_clusters=7 is more than the 6 points"),
        (lambda: estimators.MiniBatchKMeans(2, batch_size=0).fit(X), "batch_size must be at least 1, got 0"),
        (lambda: estimators.MiniBatchKMeans(2, reassignment_ratio=2.0).fit(X), "must lie between 0 and 1, got 2"),
        (lambda: estimators.MiniBatchKMeans(2, max_no_improvement=0).fit(X), "max_no_improvement must be at least 1"),
        (lambda: estimators.MiniBatchKMeans(2, init=X[:3]).fit(X), "the shape of centers must be"),
        (
            lambda: estimators.MiniBatchKMeans(7).partial_fit(X),
            "^MiniBatchKMeans: n_clusters=7 is more than the 6 points",
        ),
        (
            lambda: estimators.minibatch_kmeans(jax.random.key(0), jnp.asarray(X), num_clusters=7),
            "^minibatch_kmeans: num_clusters=7 is more than the 6 points",
        ),
        (lambda: estimators.Autoencoder(0).fit(X), "n_components must be positive"),
        (lambda: estimators.Autoencoder(1, hidden=(4, 0)).fit(X), "hidden must be positive"),
        (lambda: estimators.Autoencoder(1, activation="step").fit(X), "activation must be"),
        (lambda: estimators.Autoencoder(1, learning_rate=0.0).fit(X), "learning_rate must be"),
        (lambda: estimators.Autoencoder(1, weight_decay=-1.0).fit(X), "weight_decay must be at least 0"),
        (lambda: estimators.Autoencoder(1, max_iter=0).fit(X), "max_iter must be positive"),
        (lambda: estimators.Autoencoder(1).fit(X * np.nan), "contains NaN"),
        (lambda: estimators.VariationalAutoencoder(0).fit(X), "^VariationalAutoencoder: n_components must be positive"),
        (lambda: estimators.VariationalAutoencoder(1, noise=0.0).fit(X), "noise must be finite and above 0"),
        (lambda: estimators.VariationalAutoencoder(1, max_iter=1).fit(X).sample(0), "n_samples must be at least 1"),
    ],
)
def test_bad_input(make: Any, message: str):
    with pytest.raises(ValueError, match=message):
        make()
