"""What `jaxml train` does with a set where nothing else is asked for. Each was run: docs/recipes.md has the results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """A network, how long and how fast it learns, and how its images are changed at random in training.

    `options` are the network's, where `model` is not another one that the user asked for. `shift` is in pixels, the
    most that an image is moved by; None is an eighth of its side. `flip` mirrors every other image.
    """

    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    shift: int | None = None
    flip: bool = False

    def augment(self, example: tuple[int, ...]) -> Any:
        """The function of a key and a batch of such images that a training step applies."""
        from jaxml import data

        padding = max(1, min(example[:2]) // 8) if self.shift is None else self.shift
        shift = partial(data.random_crop, padding=padding)
        return data.Augment(data.random_flip, shift) if self.flip else shift


RECIPES = {
    "fashion_mnist": Recipe(
        model="cnn_separable",
        options={"widths": (32, 64, 64, 128, 128, 192), "strides": (1, 2, 1, 2, 1, 1)},
        epochs=12,
        batch_size=256,
        learning_rate=5e-3,
        weight_decay=0.05,
        shift=2,
        flip=True,
    ),
    "seattle_weather": Recipe(
        model="forecaster",
        options={"residual": False, "dropout": 0.5},
        epochs=40,
        batch_size=32,
        learning_rate=1e-3,
        weight_decay=1e-2,
    ),
    "translate": Recipe(
        model="seq2seq",
        options={"embedding_features": 256, "hidden_features": 256, "tied": True, "dropout": 0.3},
        epochs=30,
        batch_size=32,
        learning_rate=2e-3,
        weight_decay=0.01,
    ),
}


def recipe_for(source: str) -> Recipe:
    """The set's own, or the one for any."""
    return RECIPES.get(source, Recipe())
