"""The dense layer and cross entropy in one: equal to the two, whatever the chunks; its memory and its operations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F
from jaxml import flops, timing
from jaxml.functional import _linear_cross_entropy as module


def plain(x, w, b, labels, **options):
    return F.softmax_cross_entropy_with_integer_labels(F.linear(x, w, b), labels, **options)


def fused(x, w, b, labels, **options):
    return F.linear_cross_entropy(x, w, labels, b, **options)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1, "ignore_index": 2}], ids=["plain", "options"])
@pytest.mark.slow
def test_chunks_change_nothing(options, rng, monkeypatch):
    """300 classes in chunks of 128, 128 and 44, against the two functions, in float64."""
    monkeypatch.setattr(module, "LOGITS", 128)
    monkeypatch.setattr(module, "NARROWEST", 128)
    args = [rng.standard_normal(s) for s in ((2, 3, 4), (4, 300), (300,))]
    labels = rng.integers(0, 300, (2, 3))
    labels[0, 0] = 2
    weights = np.array([1.0, -0.5])
    with jax.enable_x64(True):
        args, labels = [jnp.asarray(a) for a in args], jnp.asarray(labels)
        got, want = (
            jax.value_and_grad(lambda *a, f=f: (f(*a, labels, **options) * weights).sum(), (0, 1, 2))(*args)
            for f in (fused, plain)
        )
    for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-12)


def test_edges(rng):
    """Excluded classes, logits beyond float32, masked NaN: finite and equal to the two functions."""
    x = jnp.asarray(rng.standard_normal((4, 2)), jnp.float32).at[1].set(3e38).at[2].set(jnp.nan)
    w, b = jnp.asarray(rng.standard_normal((2, 5)), jnp.float32), jnp.zeros(5).at[3].set(-jnp.inf)
    labels, where = jnp.array([0, 1, 2, 3]), jnp.array([True, True, False, True])
    for options in ({"where": where}, {"ignore_index": 2, "label_smoothing": 0.0}):
        value, slopes = jax.value_and_grad(lambda *a, o=options: fused(*a, labels, **o).sum(), (0, 1, 2))(x, w, b)
        loss = fused(x, w, b, labels, **options)
        np.testing.assert_allclose(loss, plain(x, w, b, labels, **options), rtol=1e-5)
        assert loss[2] == 0 and all(jnp.isfinite(s).all() for s in slopes[:1]), value
        assert (slopes[0][2] == 0).all()


@pytest.mark.parametrize("label", [-1, 5])
def test_label_out_of_range_is_nan(label):
    assert jnp.isnan(F.linear_cross_entropy(jnp.ones((1, 2)), jnp.ones((2, 5)), jnp.array([label]))).all()


def test_half_precision_accumulates_in_float32(rng):
    """The loss of a float16 layer without the rounding of its logits."""
    x, w = (jnp.asarray(rng.standard_normal(s), jnp.float16) for s in ((3, 64), (64, 40)))
    labels = jnp.array([0, 39, 7])
    got = F.linear_cross_entropy(x, w, labels)
    want = plain(x.astype(jnp.float32), w.astype(jnp.float32), None, labels)
    assert got.dtype == jnp.float16
    np.testing.assert_array_equal(got, want.astype(jnp.float16))


def test_forward_mode_says_so():
    x, w = jnp.ones((1, 2)), jnp.ones((2, 3))
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(lambda x: F.linear_cross_entropy(x, w, jnp.array([0])), (x,), (x,))


@pytest.mark.parametrize(("logits", "gradient"), [(2**15, 4), (2**16, 3)])
def test_operations(logits, gradient, monkeypatch):
    """Exact, whatever the chunks: one product forward; the logits again, if they are too many, and two backward."""
    monkeypatch.setattr(module, "LOGITS", logits)
    n, i, c = 6, 4, 9001
    args = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((n, i), (i, c), (c,))]
    labels = jnp.zeros(n, jnp.int32)
    assert flops.count(lambda *a: fused(*a, labels), *args).macs == n * i * c
    assert flops.count(jax.grad(lambda *a: fused(*a, labels).sum(), (0, 1, 2)), *args).macs == gradient * n * i * c


def test_memory():
    """Under a fifth of the plain form's at 50,000 classes, for the loss and for all its gradients."""
    args = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((1024, 256), (256, 50_000), (50_000,))]
    labels = jax.ShapeDtypeStruct((1024,), jnp.int32)
    for of in (lambda f: f, lambda f: jax.grad(lambda *a: f(*a).mean(), (0, 1, 2))):
        little, much = (timing.compile(of(f), *args, labels).temp_bytes for f in (fused, plain))
        assert little is not None and much is not None
        assert little < much / 5
