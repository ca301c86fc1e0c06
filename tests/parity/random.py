"""Claims and coverage: dropout, noise, augmentation, random activations. Draws differ: what is fixed is claimed."""

import jaxml.functional as F

from ._claim import Claim, normal
from ._row import Row


def quiet(name):
    """Without `train`."""
    return Claim(
        name, f"nn.functional.{name}", normal(2, 3, 5),
        lambda x, rate: getattr(F, name)(None, x, rate=rate, train=False),
        lambda torch, x, rate: getattr(torch.nn.functional, name)(x, rate, training=False),
        {"rate": (0.0, 0.3, 1.0)}, variant="evaluation",
    )  # fmt: skip


CLAIMS = [
    *map(quiet, ("dropout", "dropout1d", "alpha_dropout", "feature_alpha_dropout")),
    Claim(
        "rrelu", "nn.functional.rrelu", normal(3, 5),
        lambda x, minval, maxval: F.rrelu(None, x, minval=minval, maxval=maxval, train=False),
        lambda torch, x, minval, maxval: torch.nn.functional.rrelu(x, minval, maxval, training=False),
        {"minval": (0.0, 0.125), "maxval": (0.2, 0.5)}, variant="evaluation",
    ),
]  # fmt: skip
ROWS = [
    Row(("dropout",), ("random.dropout",), "dropout"),
    Row(("dropout1d",), ("layers.SpatialDropout1D",), "dropout1d"),
    Row(("dropout2d",), ("layers.SpatialDropout2D",), "dropout2d"),
    Row(("dropout3d",), ("layers.SpatialDropout3D",), "dropout3d"),
    Row(("alpha_dropout",), ("layers.AlphaDropout",), "alpha_dropout"),
    Row(("feature_alpha_dropout",), (), "feature_alpha_dropout"),
    Row((), ("layers.GaussianDropout",), "gaussian_dropout", reason="rate 1 is an error: its variance is infinite"),
    Row((), ("layers.GaussianNoise",), "gaussian_noise"),
    Row((), (), "drop_path", reason="torchvision's `stochastic_depth`, timm's `drop_path`"),
    Row((), (), "dropblock2d", reason="torchvision's `drop_block2d`"),
    Row((), (), "dropout", reason="DropConnect is `dropout` of the weights"),
    Row(
        (), (), "",
        reason="shakedrop (arXiv 1802.02375): neither PyTorch nor Keras has it; its backward pass scales by a draw of "
        "its own, so that its gradient is that of no function",
    ),
    Row((), ("layers.MixUp",), "mixup", reason="one share for the batch, as in the paper"),
    Row((), ("layers.CutMix",), "cutmix", reason="one box for the batch, as in the paper"),
    Row((), ("layers.RandomErasing",), "cutout", reason="a box of one size"),
    Row(("gumbel_softmax",), (), "gumbel_softmax"),
    Row(("rrelu",), (), "rrelu", reason="`lower`, `upper` are called `minval`, `maxval`"),
]  # fmt: skip
