"""The linear model: linear regression, or logistic regression with a cross entropy on its logits."""

from dataclasses import dataclass

from flax import nnx
from jaxtyping import Array, Float

import jaxml.functional as F
from jaxml import nn


@dataclass(frozen=True)
class LinearConfig:
    """`in_features` entries of one flattened example, `num_classes` outputs (1 for regression)."""

    num_classes: int = 10
    in_features: int = 64

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example, without the batch axis."""
        return (self.in_features,)


class LinearModel(nnx.Module):
    """`logits = flatten(x) w + b`.

    Shapes: x (N, ...) with in_features entries an example -> (N, num_classes).
    Cost: in_features * num_classes MACs an example.
    """

    family = "linear"
    paper = "Cox 1958, J. R. Stat. Soc. B 20(2)"

    def __init__(self, config: LinearConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.head = nn.Linear(config.in_features, config.num_classes, rngs=rngs)

    def __call__(self, x: Float[Array, "N ..."], *, train: bool = False) -> Float[Array, "N K"]:
        return self.head(F.flatten(x), train=train)
