"""The multilayer perceptron."""

from dataclasses import dataclass
from itertools import pairwise

from flax import nnx
from jaxtyping import Array, Float

import jaxml.functional as F
from jaxml import nn
from jaxml.functional import init


@dataclass(frozen=True)
class MLPConfig:
    """`in_features` entries of one flattened example, hidden layers of the widths `hidden`, `num_classes` outputs."""

    num_classes: int = 10
    in_features: int = 64
    hidden: tuple[int, ...] = (128, 128)
    dropout: float = 0.0

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example, without the batch axis."""
        return (self.in_features,)


class MLP(nnx.Module):
    """`h ← dropout(relu(h w + b))` for every hidden layer, then a linear layer to the logits.

    Shapes: x (N, ...) with in_features entries an example -> (N, num_classes).
    Cost: the sum of products of neighbouring widths, in MACs an example.
    """

    family = "mlp"
    paper = "Rumelhart, Hinton and Williams 1986, Nature 323"

    def __init__(self, config: MLPConfig, *, rngs: nnx.Rngs):
        self.config = config
        widths = pairwise((config.in_features, *config.hidden))
        # He's normal: the ReLU that follows halves the variance.
        self.layers = nnx.List([nn.Linear(i, o, w_init=init.he_normal(), rngs=rngs) for i, o in widths])
        self.dropouts = nnx.List([nn.Dropout(config.dropout, rngs=rngs) for _ in config.hidden])
        self.head = nn.Linear((config.in_features, *config.hidden)[-1], config.num_classes, rngs=rngs)

    def __call__(self, x: Float[Array, "N ..."], *, train: bool = False) -> Float[Array, "N K"]:
        x = F.flatten(x)
        for layer, dropout in zip(self.layers, self.dropouts, strict=True):
            x = dropout(F.relu(layer(x, train=train)), train=train)
        return self.head(x, train=train)
