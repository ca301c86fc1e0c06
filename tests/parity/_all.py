"""All claims and all rows, by family."""

from . import (
    activations,
    attention,
    convolution,
    geometry,
    initialisers,
    losses_classification,
    losses_margin,
    losses_metric,
    losses_regression,
    normalisation,
    pooling,
    random,
    recurrent,
)
from ._claim import Claim
from ._row import Row

FAMILIES = {
    "Activations": activations,
    "Regression losses": losses_regression,
    "Classification losses": losses_classification,
    "Margin losses": losses_margin,
    "Distances and embeddings": losses_metric,
    "Convolution": convolution,
    "Pooling": pooling,
    "Normalisation": normalisation,
    "Padding, resizing and sampling": geometry,
    "Linear maps, embeddings and attention": attention,
    "Recurrence": recurrent,
    "Dropout, noise and augmentation": random,
    "Initialisers": initialisers,
}
CLAIMS: list[Claim] = [claim for family in FAMILIES.values() for claim in family.CLAIMS]
ROWS: dict[str, list[Row]] = {title: family.ROWS for title, family in FAMILIES.items()}
