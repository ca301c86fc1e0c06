"""Bad input to the losses of classes, regions, distributions and sequences: which error, saying what."""

import re

import jax.numpy as jnp
import pytest

import jaxml.functional as F

pytestmark = pytest.mark.usefixtures("unchecked_types")

V, M, BATCH = jnp.ones(4), jnp.ones((2, 3)), jnp.ones((2, 5, 3))
ONES = jnp.ones(2, jnp.int32)
LABELS = jnp.ones((2, 2), jnp.int32)
INTEGER = F.softmax_cross_entropy_with_integer_labels
W = jnp.ones((3, 4))

ERRORS = [
    # pairs of one shape
    *(
        (lambda fn=fn, b=b, o=o: fn(M, b, **o), kind, f"{fn.__name__}: {says}")
        for fn, first, second in (
            (F.binary_cross_entropy_from_probabilities, "probabilities", "labels"),
            (F.sigmoid_focal_loss, "logits", "labels"),
            (F.poly_loss, "logits", "labels"),
            (F.sparsemax_loss, "logits", "labels"),
            (F.dice_loss, "predictions", "targets"),
            (F.tversky_loss, "predictions", "targets"),
            (F.kl_divergence, "log_predictions", "targets"),
            (F.js_divergence, "log_p", "log_q"),
            (F.wasserstein_loss, "predictions", "targets"),
        )
        for b, o, kind, says in (
            (M[0], {}, ValueError, f"the shape of {second} must be (2, 3), got (3,) ({first}: (2, 3), {second}: (3,))"),
            (M.astype(int), {}, TypeError, f"{second} must be floating point, got int32"),
            (M.astype(jnp.float16), {}, TypeError, "all arrays must share one dtype"),
            (M, {"where": M}, TypeError, "where must be boolean, got float32"),
            (M, {"where": V > 0}, ValueError, "the shape of where must be (2"),
        )
    ),
    # class numbers
    *(
        (lambda fn=fn, x=x, y=y, o=o: fn(x, y, **o), kind, f"{fn.__name__}: {says}")
        for fn, first in (
            (F.nll_loss, "log_probabilities"),
            (F.softmax_focal_loss, "logits"),
            (F.generalized_cross_entropy, "logits"),
        )
        for x, y, o, kind, says in (
            (M.astype(int), ONES, {}, TypeError, f"{first} must be floating point, got int32"),
            (M, V[:2], {}, TypeError, "labels must be integers, got float32"),
            (M, [0, 1], {}, TypeError, "labels must be integers, got list"),
            (M, jnp.arange(3), {}, ValueError, f"the shape of labels must be (2,), got (3,) ({first}: (2, 3), labels"),
            (M, ONES, {"axis": 2}, ValueError, f"axis 2 does not exist ({first}: (2, 3))"),
            (M[:, :0], ONES, {}, ValueError, f"axis -1 must not be empty ({first}: (2, 0))"),
            (M, ONES, {"where": ONES}, TypeError, "where must be boolean, got int32"),
            (M, ONES, {"where": M > 0}, ValueError, "the shape of where must be (2,), got (2, 3)"),
        )
    ),
    # class weights, smoothing
    *(
        (lambda fn=fn, y=y, w=w: fn(M, y, class_weights=w), kind, f"{fn.__name__}: {says}")
        for fn, y in ((F.softmax_cross_entropy, M), (INTEGER, ONES), (F.nll_loss, ONES), (F.softmax_focal_loss, ONES))
        for w, kind, says in (
            (V, ValueError, "the shape of class_weights must be (3,), got (4,)"),
            (V[:3].astype(jnp.float16), TypeError, "all arrays must share one dtype"),
            (1.0, TypeError, "class_weights must be an array, got float"),
        )
    ),
    *(
        (lambda fn=fn, y=y, s=s: fn(M, y, label_smoothing=s), ValueError,
         f"{fn.__name__}: label_smoothing must lie between 0 and 1, got {s}")
        for fn, y in ((F.softmax_cross_entropy, M), (INTEGER, ONES), (F.binary_cross_entropy, M))
        for s in (-0.1, 1.5, float("nan"))
    ),
    (lambda: F.smooth_labels(M, label_smoothing=2.0), ValueError, "smooth_labels: label_smoothing must lie between"),
    (lambda: F.smooth_labels(ONES, label_smoothing=0.1), TypeError, "smooth_labels: labels must be floating point"),
    (lambda: F.smooth_labels(M, label_smoothing=0.1, axis=2), ValueError, "smooth_labels: axis 2 does not exist (lab"),
    (
        lambda: F.binary_cross_entropy(M, M, pos_weight=V), ValueError,
        "binary_cross_entropy: the shape of pos_weight must be (3,), got (4,) (logits: (2, 3))",
    ),
    (lambda: F.binary_cross_entropy(M, M, pos_weight=BATCH), ValueError, "the shape of pos_weight must be (2, 3), got"),
    (lambda: F.binary_cross_entropy(M, M, pos_weight=2.0), TypeError, "pos_weight must be an array, got float"),
    # other options
    (lambda: F.sigmoid_focal_loss(M, M, gamma=-1.0), ValueError, "sigmoid_focal_loss: gamma must be at least 0, got"),
    (lambda: F.sigmoid_focal_loss(M, M, alpha=1.5), ValueError, "sigmoid_focal_loss: alpha must lie between 0 and 1"),
    (lambda: F.softmax_focal_loss(M, ONES, gamma=-1.0), ValueError, "softmax_focal_loss: gamma must be at least 0"),
    *(
        (lambda q=q: F.generalized_cross_entropy(M, ONES, exponent=q), ValueError,
         f"generalized_cross_entropy: exponent must be above 0 and at most 1, got {q}")
        for q in (0.0, 1.5)
    ),
    (lambda: F.sparsemax(M, axis=2), ValueError, "sparsemax: axis 2 does not exist (x: (2, 3))"),
    (lambda: F.sparsemax(M[:, :0]), ValueError, "sparsemax: axis -1 must not be empty (x: (2, 0))"),
    (lambda: F.sparsemax(ONES), TypeError, "sparsemax: x must be floating point, got int32"),
    *(
        (lambda fn=fn: fn(M, M, axis=2), ValueError, f"{fn.__name__}: axis 2 does not exist")
        for fn in (
            F.poly_loss, F.sparsemax_loss, F.kl_divergence, F.js_divergence, F.wasserstein_loss, F.dice_loss,
            F.tversky_loss,
        )
    ),
    (lambda: F.dice_loss(M, M, axis=(0, 1)), ValueError, "dice_loss: axis (0, 1) must not hold the first one"),
    (lambda: F.dice_loss(M, M, smooth=-1.0), ValueError, "dice_loss: smooth must be at least 0, got -1.0"),
    (lambda: F.tversky_loss(M, M, alpha=-1.0), ValueError, "tversky_loss: alpha must be at least 0, got -1.0"),
    (lambda: F.tversky_loss(M, M, beta=-1.0), ValueError, "tversky_loss: beta must be at least 0, got -1.0"),
    # ctc
    (lambda: F.ctc_loss(M, LABELS), ValueError, "ctc_loss: logits must have 3 axes (N, T, C), got 2"),
    (lambda: F.ctc_loss(BATCH.astype(int), LABELS), TypeError, "ctc_loss: logits must be floating point, got int32"),
    (lambda: F.ctc_loss(BATCH, M), TypeError, "ctc_loss: labels must be integers, got float32"),
    (lambda: F.ctc_loss(BATCH, ONES), ValueError, "ctc_loss: labels must have 2 axes (N, S), got 1"),
    (lambda: F.ctc_loss(BATCH, LABELS[:1]), ValueError, "ctc_loss: the first axis of labels must be 2, got 1"),
    *(
        (lambda o=o: F.ctc_loss(BATCH, LABELS, **o), kind, f"ctc_loss: {says}")
        for o, kind, says in (
            ({"lengths": V[:2]}, TypeError, "lengths must be integers, got float32"),
            ({"lengths": [5, 5]}, TypeError, "lengths must be integers, got list"),
            ({"label_lengths": V[:2]}, TypeError, "label_lengths must be integers, got float32"),
            ({"lengths": ONES[:1]}, ValueError, "the shape of lengths must be (2,), got (1,)"),
            ({"label_lengths": LABELS}, ValueError, "the shape of label_lengths must be (2,), got (2, 2)"),
            ({"where": ONES}, TypeError, "where must be boolean, got int32"),
            ({"where": V > 0}, ValueError, "the shape of where must be (2,), got (4,)"),
            ({"blank": 3}, ValueError, "blank must be one of the 3 classes, got 3"),
            ({"blank": -1}, ValueError, "blank must be one of the 3 classes, got -1"),
        )
    ),
    # linear_cross_entropy
    *(
        (lambda a=a, o=o: F.linear_cross_entropy(*a, **o), kind, f"linear_cross_entropy: {says}")
        for a, o, kind, says in (
            ((M.astype(int), W, ONES), {}, TypeError, "x must be floating point, got int32"),
            ((M, W.astype(jnp.bfloat16), ONES), {}, TypeError, "all arrays must share one dtype"),
            ((M, V, ONES), {}, ValueError, "w must have 2 axes (I, C), got 1"),
            ((jnp.float32(1), W, ONES), {}, ValueError, "x must have at least 1 axis (..., I), got 0"),
            ((V, W, ONES[0]), {}, ValueError, "the last axis of x must be 3, got 4 (x: (4,), w: (3, 4))"),
            ((M, W[:, :0], ONES), {}, ValueError, "w must have 1 class or more, got 0 (w: (3, 0))"),
            ((M, W, V[:2]), {}, TypeError, "labels must be integers, got float32"),
            ((M, W, LABELS), {}, ValueError, "the shape of labels must be (2,), got (2, 2)"),
            ((M, W, ONES, M[0]), {}, ValueError, "the shape of b must be (4,), got (3,)"),
            ((M, W, ONES), {"class_weights": M[0]}, ValueError, "the shape of class_weights must be (4,), got (3,)"),
            ((M, W, ONES), {"where": ONES}, TypeError, "where must be boolean, got int32"),
            ((M, W, ONES), {"where": V > 0}, ValueError, "the shape of where must be (2,), got (4,)"),
            ((M, W, ONES), {"label_smoothing": 2.0}, ValueError, "label_smoothing must lie between 0 and 1, got 2.0"),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[f"{i}-{e[2][:40]}" for i, e in enumerate(ERRORS)])
def test_error(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
