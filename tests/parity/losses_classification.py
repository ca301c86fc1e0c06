"""Claims and coverage: losses of classes, distributions and sequences."""

import jax.numpy as jnp
import numpy as np

import jaxml.functional as F

from ._claim import Claim
from ._row import Row

INTEGER = F.softmax_cross_entropy_with_integer_labels


def log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def classes(*shape):
    """Logits, class numbers for all axes but the last, class weights. One number is 0, so that not all are ignored."""

    def make(rng, options):
        labels = rng.integers(0, shape[-1], shape[:-1])
        labels[(0,) * labels.ndim] = 0
        return [2 * rng.standard_normal(shape), labels, 0.5 + rng.random(shape[-1])]

    return make


def torch_options(weights, weighted, ignore_index, label_smoothing=None):
    """The options as PyTorch takes them."""
    options = {"weight": weights if weighted else None, "ignore_index": -100 if ignore_index is None else ignore_index}
    return options if label_smoothing is None else {**options, "label_smoothing": label_smoothing}


def torch_mean(loss, labels, weights, ignore_index):
    """The recipe of the docstring: positions on the first axis, divided by the weights of those that count."""
    counted = jnp.where(labels == (-100 if ignore_index is None else ignore_index), 0, weights[labels])
    return loss.sum() / counted.sum()


def our_mean(function):
    """`function` over all positions, and PyTorch's mean of it."""

    def ours(x, labels, weights, *, weighted, ignore_index, **options):
        flat = labels.reshape(-1)
        if weighted:
            options["class_weights"] = weights
        loss = function(x.reshape(-1, x.shape[-1]), flat, ignore_index=ignore_index, **options)
        return torch_mean(loss, flat, weights if weighted else jnp.ones_like(weights), ignore_index)

    return ours


def their_mean(name):
    def theirs(torch, x, labels, weights, *, weighted, ignore_index, label_smoothing=None):
        options = torch_options(weights, weighted, ignore_index, label_smoothing)
        return getattr(torch.nn.functional, name)(x.movedim(-1, 1).contiguous(), labels, **options)

    return theirs


def binary(draw):
    """Arguments of which the first is drawn by `draw`, labels, weights of the last axis and of the elements."""
    return lambda rng, options: [draw(rng, (3, 5)), rng.random((3, 5)), 0.5 + rng.random(5), 0.5 + rng.random((3, 5))]


def our_bce(x, z, w, v, *, positive, weighted):
    options = {"pos_weight": w} if positive else {}
    return F.binary_cross_entropy(x, z, weights=v if weighted else None, **options).mean()


def their_bce(torch, x, z, w, v, *, positive, weighted):
    return torch.nn.functional.binary_cross_entropy_with_logits(
        x, z, pos_weight=w if positive else None, weight=v if weighted else None
    )


def dense(rng, options):
    y = rng.random((3, 5))
    return [2 * rng.standard_normal((3, 5)), y / y.sum(-1, keepdims=True), 0.5 + rng.random(5)]


def distributions(rng, options):
    q, t = (log_softmax(rng.standard_normal((3, 5))) for _ in range(2))
    return [q, t if options["log_targets"] else np.exp(t)]


def sequences(rng, options):
    """7 steps and 3 labels, none of which is the blank; the shortest of each are 5 and 1."""
    blank = options["blank"]
    labels = (blank + rng.integers(1, 4, (3, 3))) % 4
    padded = options["padded"]
    lengths = [rng.integers(low, high + 1, 3) if padded else np.full(3, high) for low, high in ((6, 7), (1, 3))]
    return [rng.standard_normal((3, 7, 4)), labels, *lengths]


def our_ctc(x, labels, lengths, label_lengths, *, blank, padded, reduced):
    options = {"lengths": lengths, "label_lengths": label_lengths} if padded else {}
    loss = F.ctc_loss(x, labels, blank=blank, **options)
    return (loss / label_lengths.astype(loss.dtype)).mean() if reduced else loss


def their_ctc(torch, x, labels, lengths, label_lengths, *, blank, padded, reduced):
    log_p, reduction = x.log_softmax(-1).movedim(1, 0), "mean" if reduced else "none"
    return torch.nn.functional.ctc_loss(log_p, labels, lengths, label_lengths, blank=blank, reduction=reduction)


def layer(rng, options):
    """Features, weights, labels, biases and class weights."""
    _, labels, weights = classes(3, 5)(rng, options)
    return [rng.standard_normal((3, 4)), rng.standard_normal((4, 5)), labels, rng.standard_normal(5), weights]


def our_layer(x, w, labels, b, weights, *, bias, weighted, ignore_index, label_smoothing):
    options = {"class_weights": weights} if weighted else {}
    loss = F.linear_cross_entropy(
        x, w, labels, b if bias else None, ignore_index=ignore_index, label_smoothing=label_smoothing, **options
    )
    return torch_mean(loss, labels, weights if weighted else jnp.ones_like(weights), ignore_index)


def their_layer(torch, x, w, labels, b, weights, *, bias, weighted, ignore_index, label_smoothing):
    options = torch_options(weights, weighted, ignore_index, label_smoothing)
    return torch.nn.functional.linear_cross_entropy(x, w.T, labels, linear_bias=b if bias else None, **options)


OPTIONS = {"weighted": (False, True), "ignore_index": (None, 2)}
SMOOTHED = {**OPTIONS, "label_smoothing": (0.0, 0.1, 1.0)}
CLAIMS = [
    Claim(
        "softmax_cross_entropy_with_integer_labels", "nn.functional.cross_entropy", classes(3, 5),
        our_mean(INTEGER), their_mean("cross_entropy"), SMOOTHED,
    ),
    Claim(
        "softmax_cross_entropy_with_integer_labels", "nn.functional.cross_entropy", classes(2, 3, 4, 5),
        our_mean(INTEGER), their_mean("cross_entropy"), SMOOTHED, variant="images",
    ),
    Claim(
        "softmax_cross_entropy_with_integer_labels", "nn.functional.cross_entropy", classes(2, 3, 5),
        lambda x, labels, w, axis: INTEGER(jnp.moveaxis(x, -1, axis), labels, class_weights=w, axis=axis),
        lambda torch, x, labels, w, axis: torch.nn.functional.cross_entropy(
            x.movedim(-1, 1), labels, weight=w, reduction="none").mean(1),
        {"axis": (1, 2)}, variant="axis",
    ),
    Claim(
        "softmax_cross_entropy", "nn.functional.cross_entropy", dense,
        lambda x, y, w, weighted, label_smoothing: F.softmax_cross_entropy(
            x, y, class_weights=w if weighted else None, label_smoothing=label_smoothing),
        lambda torch, x, y, w, weighted, label_smoothing: torch.nn.functional.cross_entropy(
            x, y, weight=w if weighted else None, label_smoothing=label_smoothing, reduction="none"),
        {"weighted": (False, True), "label_smoothing": (0.0, 0.1, 1.0)}, differentiable=(0, 1),
    ),
    Claim("nll_loss", "nn.functional.nll_loss", classes(3, 5), our_mean(F.nll_loss), their_mean("nll_loss"), OPTIONS),
    Claim(
        "nll_loss", "nn.functional.nll_loss", classes(2, 3, 4, 5),
        our_mean(F.nll_loss), their_mean("nll_loss"), OPTIONS, variant="images",
    ),
    Claim(
        "binary_cross_entropy", "nn.functional.binary_cross_entropy_with_logits",
        binary(lambda rng, shape: 3 * rng.standard_normal(shape)), our_bce, their_bce,
        {"positive": (False, True), "weighted": (False, True)}, differentiable=(0, 1),
    ),
    Claim(
        "binary_cross_entropy_from_probabilities", "nn.functional.binary_cross_entropy",
        binary(lambda rng, shape: rng.random(shape)),
        lambda p, z, w, v, weighted: F.binary_cross_entropy_from_probabilities(
            p, z, weights=v if weighted else None).mean(),
        lambda torch, p, z, w, v, weighted: torch.nn.functional.binary_cross_entropy(
            p, z, weight=v if weighted else None),
        {"weighted": (False, True)}, differentiable=(0, 1),
    ),
    Claim(
        "kl_divergence", "nn.functional.kl_div", distributions,
        lambda q, t, log_targets: F.kl_divergence(q, t, log_targets=log_targets).mean(),
        lambda torch, q, t, log_targets: torch.nn.functional.kl_div(
            q, t, log_target=log_targets, reduction="batchmean"),
        {"log_targets": (False, True)}, differentiable=(0, 1),
    ),
    Claim(
        "ctc_loss", "nn.functional.ctc_loss", sequences, our_ctc, their_ctc,
        {"blank": (0, 1, 3), "padded": (False, True), "reduced": (False, True)},
    ),
    Claim(
        "linear_cross_entropy", "nn.functional.linear_cross_entropy", layer, our_layer, their_layer,
        {"bias": (False, True), **SMOOTHED}, differentiable=(0, 1, 3),
    ),
]  # fmt: skip
OPTAX = "optax has the exact function, and it is no more than a line from logits"
ROWS = [
    Row(("cross_entropy",), ("SparseCategoricalCrossentropy",), "softmax_cross_entropy_with_integer_labels"),
    Row(("cross_entropy",), ("CategoricalCrossentropy", "optax.safe_softmax_cross_entropy"), "softmax_cross_entropy",
        reason="dense labels; finite for infinite logits, which optax's safe form is not in forward mode"),
    Row(("linear_cross_entropy",), (), "linear_cross_entropy", reason="integer labels; chunks of classes, always"),
    Row(("nll_loss",), (), "nll_loss"),
    Row(("binary_cross_entropy_with_logits",), ("BinaryCrossentropy", "optax.sigmoid_binary_cross_entropy"),
        "binary_cross_entropy"),
    Row(("binary_cross_entropy",), ("binary_crossentropy",), "binary_cross_entropy_from_probabilities",
        reason="at p = 0 and p = 1 the derivative is the limit's where that is finite; PyTorch's is 0"),
    Row((), ("BinaryFocalCrossentropy", "optax.sigmoid_focal_loss"), "sigmoid_focal_loss"),
    Row((), ("CategoricalFocalCrossentropy",), "softmax_focal_loss"),
    Row((), ("CategoricalGeneralizedCrossEntropy",), "generalized_cross_entropy"),
    Row((), ("optax.poly_loss_cross_entropy",), "poly_loss"),
    Row((), ("sparsemax",), "sparsemax"),
    Row((), ("optax.multiclass_sparsemax_loss", "optax.sparsemax_loss"), "sparsemax_loss",
        reason="dense labels; optax's `sparsemax_loss` is that of two classes, from their logits' difference"),
    Row((), ("Dice", "optax.dice_loss", "optax.binary_dice_loss"), "dice_loss"),
    Row((), ("Tversky",), "tversky_loss"),
    Row((), ("optax.multiclass_generalized_dice_loss",),
        reason="divides by the square of a class's volume, which may be 0; weigh the classes of `dice_loss` instead"),
    Row(("kl_div",), ("KLDivergence", "optax.kl_divergence", "optax.kl_divergence_with_log_targets"), "kl_divergence",
        reason="`.mean()` is PyTorch's `batchmean`; its default divides by the number of classes too"),
    Row((), ("optax.convex_kl_divergence", "optax.generalized_kl_divergence"),
        reason="equal to `kl_divergence` for probabilities; for what sums to something else, use optax's"),
    Row((), (), "js_divergence", reason="SciPy's `jensenshannon` is its square root"),
    Row((), (), "wasserstein_loss", reason="of ordered classes; energy distance, between samples, is for evaluation"),
    Row(("ctc_loss",), ("CTC", "ctc_loss", "optax.ctc_loss"), "ctc_loss",
        reason="from logits; an impossible alignment is the largest number, with gradient 0, where PyTorch's is inf"),
    Row((), ("ctc_decode", "optax.ctc_loss_with_forward_probs"),
        reason="decoding is no loss; forward probabilities are an intermediate result"),
    Row((), ("optax.smooth_labels",), "smooth_labels"),
    Row((), ("optax.make_fenchel_young_loss", "optax.perceptron_loss", "optax.multiclass_perceptron_loss",
             "optax.ranking_softmax_loss"), reason=OPTAX),
]  # fmt: skip
