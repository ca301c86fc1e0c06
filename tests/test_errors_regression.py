"""Bad input to losses of regression, margins and embeddings, and to distances: which error, saying what."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F

pytestmark = pytest.mark.usefixtures("unchecked_types")

V, M, LABELS = jnp.ones(3), jnp.ones((3, 5)), jnp.zeros(3, jnp.int32)
NAN, INF = float("nan"), float("inf")
PAIRS = {
    "predictions targets": (
        F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.log_cosh_loss, F.charbonnier_loss,
        F.general_robust_loss, F.quantile_loss, F.expectile_loss, F.poisson_nll_loss, F.msle_loss, F.mape_loss,
        F.hinge_loss, F.squared_hinge_loss, F.soft_margin_loss,
    ),
    "distances targets": (F.hinge_embedding_loss,),
    "logits labels": (F.categorical_hinge_loss, F.multilabel_soft_margin_loss),
    "x1 x2": (F.cosine_similarity, F.pairwise_distance, F.nt_xent_loss),
    "queries keys": (F.info_nce_loss,),
}  # fmt: skip


def third(name):
    """The losses that take three arrays, as functions of two: the second of them wrong."""
    return {
        "gaussian_nll_loss": lambda a, b: F.gaussian_nll_loss(a, b, a),
        "margin_ranking_loss": lambda a, b: F.margin_ranking_loss(a, b, a),
        "triplet_margin_loss": lambda a, b: F.triplet_margin_loss(a, b, a),
        "triplet_margin_with_distance_loss": lambda a, b: F.triplet_margin_with_distance_loss(
            a, b, a, distance=F.cosine_similarity
        ),
        "cosine_embedding_loss": lambda a, b: F.cosine_embedding_loss(a, b, V),
        "contrastive_loss": lambda a, b: F.contrastive_loss(a, b, V),
    }[name]


THREE = {
    "gaussian_nll_loss": "targets", "margin_ranking_loss": "x2", "triplet_margin_loss": "positives",
    "triplet_margin_with_distance_loss": "positives", "cosine_embedding_loss": "x2", "contrastive_loss": "x2",
}  # fmt: skip
SAME = [(f.__name__, f, names.split()[1]) for names, fs in PAIRS.items() for f in fs]
SAME += [(name, third(name), second) for name, second in THREE.items()]


@pytest.mark.parametrize(("name", "f", "second"), SAME, ids=[s[0] for s in SAME])
def test_two_arrays(name, f, second):
    """Shapes agree exactly, dtypes are one and floating."""
    for other, error, says in (
        (V, ValueError, f"{name}: the shape of {second} must be (3, 5), got (3,)"),
        (M[:, :1], ValueError, f"{name}: the shape of {second} must be (3, 5), got (3, 1)"),
        (M.astype(jnp.int32), TypeError, f"{name}: {second} must be floating point, got int32"),
        (M.astype(jnp.float16), TypeError, f"{name}: all arrays must share one dtype"),
        ([1.0], TypeError, f"{name}: {second} must be an array, got list"),
    ):
        with pytest.raises(error, match=re.escape(says)):
            f(M, other)


NUMBERS = [  # function of a number, name, bad values, what is said
    (lambda v: F.smooth_l1_loss(M, M, beta=v), "smooth_l1_loss: beta", (-1.0, NAN), "be at least 0"),
    (lambda v: F.huber_loss(M, M, delta=v), "huber_loss: delta", (0.0, -1.0, INF, NAN, "x"), "be finite and above 0"),
    (lambda v: F.charbonnier_loss(M, M, eps=v), "charbonnier_loss: eps", (0.0,), "be finite and above 0"),
    (lambda v: F.general_robust_loss(M, M, scale=v), "general_robust_loss: scale", (0.0,), "be finite and above 0"),
    (lambda v: F.general_robust_loss(M, M, alpha=v), "general_robust_loss: alpha", (INF, NAN), "be a number below inf"),
    (lambda v: F.quantile_loss(M, M, level=v), "quantile_loss: level", (0.0, 1.0, 2), "lie strictly between 0 and 1"),
    (lambda v: F.expectile_loss(M, M, level=v), "expectile_loss: level", (0.0, NAN), "lie strictly between 0 and 1"),
    (lambda v: F.gaussian_nll_loss(M, M, M, eps=v), "gaussian_nll_loss: eps", (0.0,), "be finite and above 0"),
    (lambda v: F.poisson_nll_loss(M, M, eps=v), "poisson_nll_loss: eps", (0.0,), "be finite and above 0"),
    (lambda v: F.mape_loss(M, M, eps=v), "mape_loss: eps", (0.0,), "be finite and above 0"),
    (lambda v: F.margin_ranking_loss(M, M, M, margin=v), "margin_ranking_loss: margin", (-1.0,), "be at least 0"),
    (lambda v: F.hinge_embedding_loss(M, M, margin=v), "hinge_embedding_loss: margin", (-1.0,), "be at least 0"),
    (lambda v: F.multi_margin_loss(M, LABELS, margin=v), "multi_margin_loss: margin", (0.0,), "be finite and above 0"),
    (lambda v: F.multi_margin_loss(M, LABELS, exponent=v), "multi_margin_loss: exponent", (3, 0), "be one of 1, 2"),
    (lambda v: F.multi_margin_loss(M, LABELS, exponent=v), "multi_margin_loss: exponent", (V, True), "be one of 1, 2"),
    (lambda v: F.cosine_embedding_loss(M, M, V, margin=v), "cosine_embedding_loss: margin", (2,), "lie between -1"),
    (lambda v: F.contrastive_loss(M, M, V, margin=v), "contrastive_loss: margin", (0.0,), "be finite and above 0"),
    (lambda v: F.triplet_margin_loss(M, M, M, margin=v), "triplet_margin_loss: margin", (0.0,), "be finite and a"),
    (lambda v: F.triplet_margin_loss(M, M, M, order=v), "triplet_margin_loss: order", (-1, NAN), "be at least 0"),
    (lambda v: F.triplet_margin_loss(M, M, M, eps=v), "triplet_margin_loss: eps", (-1.0,), "be at least 0"),
    (lambda v: F.info_nce_loss(M, M, temperature=v), "info_nce_loss: temperature", (0.0, "x"), "be finite and above 0"),
    (lambda v: F.nt_xent_loss(M, M, temperature=v), "nt_xent_loss: temperature", (-1.0,), "be finite and above 0"),
    (lambda v: F.circle_loss(M, LABELS, margin=v), "circle_loss: margin", (0.0, 1.0), "lie strictly between 0 and 1"),
    (lambda v: F.circle_loss(M, LABELS, scale=v), "circle_loss: scale", (0.0,), "be finite and above 0"),
    (lambda v: F.arcface_logits(M, LABELS, margin=v), "arcface_logits: margin", (-1.0, 4.0), "lie between 0 and 3.14"),
    (lambda v: F.arcface_logits(M, LABELS, scale=v), "arcface_logits: scale", (0.0,), "be finite and above 0"),
    (lambda v: F.arcface_logits(M, LABELS, eps=v), "arcface_logits: eps", (0.0,), "be finite and above 0"),
    (lambda v: F.normalize(M, order=v), "normalize: order", (0, -1.0, NAN), "be above 0"),
    (lambda v: F.normalize(M, eps=v), "normalize: eps", (0.0,), "be finite and above 0"),
    (lambda v: F.cosine_similarity(M, M, eps=v), "cosine_similarity: eps", (0.0,), "be finite and above 0"),
    (lambda v: F.pairwise_distance(M, M, order=v), "pairwise_distance: order", (-1.0,), "be at least 0"),
    (lambda v: F.pairwise_distance(M, M, eps=v), "pairwise_distance: eps", (-1.0,), "be at least 0"),
    (lambda v: F.cdist(M, M, order=v), "cdist: order", (-1.0,), "be at least 0"),
    (lambda v: F.pdist(M, order=v), "pdist: order", (-1.0,), "be at least 0"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "option", "values", "wanted"), NUMBERS, ids=[n[1] for n in NUMBERS])
def test_number(call, option, values, wanted):
    for value in values:
        with pytest.raises(ValueError, match=re.escape(f"{option} must {wanted}")):
            call(value)


OTHERS = [
    (lambda: F.mse_loss(M, M, weights=V), "mse_loss: the shape of weights must be (3, 5), got (3,)"),
    (lambda: F.huber_loss(M, M, where=V > 0), "huber_loss: the shape of where must be (3, 5), got (3,)"),
    (lambda: F.gaussian_nll_loss(M, M, V), "gaussian_nll_loss: the shape of variances must be (3, 5), got (3,)"),
    (lambda: F.triplet_margin_loss(M, M, V), "triplet_margin_loss: the shape of negatives must be (3, 5), got (3,)"),
    (lambda: F.margin_ranking_loss(V, V, M), "margin_ranking_loss: the shape of targets must be (3,), got (3, 5)"),
    (lambda: F.cosine_embedding_loss(M, M, M), "cosine_embedding_loss: the shape of targets must be (3,), got (3, 5)"),
    (lambda: F.contrastive_loss(M, M, V, where=M > 0), "contrastive_loss: the shape of where must be (3,), got (3, 5)"),
    (lambda: F.triplet_margin_loss(V[0], V[0], V[0]), "triplet_margin_loss: axis -1 does not exist (anchors: ())"),
    (
        lambda: F.triplet_margin_with_distance_loss(M, M, M, distance=lambda x, y: x - y),
        "triplet_margin_with_distance_loss: the shape of a distance must be (3,), got (3, 5)",
    ),
    (lambda: F.categorical_hinge_loss(M[:, :0], M[:, :0]), "categorical_hinge_loss: logits must have a last axis of"),
    (lambda: F.multi_margin_loss(M, LABELS[:2]), "multi_margin_loss: the shape of labels must be (3,), got (2,)"),
    (lambda: F.multi_margin_loss(M, LABELS, class_weights=V), "multi_margin_loss: the shape of class_weights must be"),
    (lambda: F.multi_margin_loss(M, LABELS, where=M > 0), "multi_margin_loss: the shape of where must be (3,), got (3"),
    (lambda: F.multilabel_margin_loss(M, LABELS), "multilabel_margin_loss: the shape of labels must be (3, 5), got (3"),
    (lambda: F.info_nce_loss(V, V), "info_nce_loss: queries must have 2 axes (N, D), got 1 (queries: (3,))"),
    (lambda: F.nt_xent_loss(M, M, where=M > 0), "nt_xent_loss: the shape of where must be (3,), got (3, 5)"),
    (lambda: F.info_nce_loss(M, M, temperature=V), "info_nce_loss: temperature must have 0 axes (), got 1 (tempera"),
    (lambda: F.nt_xent_loss(M, M, temperature=V), "nt_xent_loss: temperature must have 0 axes (), got 1 (temperatur"),
    (lambda: F.circle_loss(M, LABELS[:2]), "circle_loss: the shape of labels must be (3,), got (2,)"),
    (lambda: F.arcface_logits(V[0], LABELS), "arcface_logits: cosines must have at least 1 axis (..., C), got 0"),
    (lambda: F.arcface_logits(M, LABELS[:2]), "arcface_logits: the shape of labels must be (3,), got (2,)"),
    (lambda: F.normalize(M, axis=2), "normalize: axis 2 does not exist (x: (3, 5))"),
    (lambda: F.normalize(M[:, :0]), "normalize: axis -1 must not be empty (x: (3, 0))"),
    (lambda: F.cosine_similarity(M, M, axis=-3), "cosine_similarity: axis -3 does not exist (x1: (3, 5))"),
    (lambda: F.cdist(V, M), "cdist: x1 must have at least 2 axes (..., N, D), got 1 (x1: (3,))"),
    (lambda: F.cdist(M, M[:, :2]), "cdist: leading axes and the last of x2 must be ((), 5), got ((), 2)"),
    (lambda: F.pdist(M[:, :0]), "pdist: axis -1 must not be empty (x: (3, 0))"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), OTHERS, ids=[o[1][:50] for o in OTHERS])
def test_other_value(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


TYPES = [
    (lambda: F.mse_loss(M, M, where=M), "mse_loss: where must be boolean, got float32"),
    (lambda: F.l1_loss(M, M, weights=M > 0), "l1_loss: weights must be floating point, got bool"),
    (lambda: F.contrastive_loss(M, M, LABELS), "contrastive_loss: targets must be floating point, got int32"),
    (lambda: F.multi_margin_loss(M, V), "multi_margin_loss: labels must be integers, got float32"),
    (lambda: F.multilabel_margin_loss(M, M), "multilabel_margin_loss: labels must be integers, got float32"),
    (lambda: F.circle_loss(M, V), "circle_loss: labels must be integers, got float32"),
    (lambda: F.arcface_logits(M, [0]), "arcface_logits: labels must be integers, got list"),
    (lambda: F.info_nce_loss(M, M, where=V), "info_nce_loss: where must be boolean, got float32"),
    (lambda: F.nt_xent_loss(M, M, temperature=LABELS[0]), "nt_xent_loss: temperature must be floating point, got in"),
    (lambda: F.normalize(LABELS), "normalize: x must be floating point, got int32"),
    (lambda: F.pdist(M > 0), "pdist: x must be floating point, got bool"),
    (lambda: F.cdist(M, M.astype(jnp.float16)), "cdist: all arrays must share one dtype"),
    (
        lambda: F.triplet_margin_with_distance_loss(M, M, M, distance=2),
        "triplet_margin_with_distance_loss: distance must be a function of two arrays, got int",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), TYPES, ids=[t[1][:50] for t in TYPES])
def test_type(call, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        call()


def test_errors_are_raised_while_tracing():
    spec = jax.ShapeDtypeStruct((3,), np.float32)
    with pytest.raises(ValueError, match=re.escape("huber_loss: the shape of targets must be (3,), got (3, 1)")):
        jax.eval_shape(F.huber_loss, spec, jax.ShapeDtypeStruct((3, 1), np.float32))
