"""The published weights that packages bring, and what they say of photographs (`../shared/reference/data.md`)."""

from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from jaxml import models
from tests._real_weights import photograph, weights

# ImageNet's classes
ESPRESSO, EGYPTIAN_CAT, UNIFORM, PALACE, MOPED, BELL_COTE = 967, 285, 652, 698, 665, 442
CLASSES = {
    ESPRESSO: "espresso",
    EGYPTIAN_CAT: "Egyptian cat",
    UNIFORM: "military uniform",
    PALACE: "palace",
    MOPED: "moped",
    BELL_COTE: "bell cote",
}
TOLERANCE = 0.01  # of a probability


class Listed(NamedTuple):
    """Whose weights they are, what `models.create` needs beside them, and (photograph, class, probability)."""

    source: str
    options: dict[str, Any]
    photographs: tuple[tuple[str, int, float], ...]
    folder: bool = False  # the weights are the folder that the file is in


LISTED = {
    "mobilenet_v1": Listed(
        "TF-slim's frozen graph",
        {"ignore": "final_training_ops/*"},
        (("coffee.png", ESPRESSO, 0.990), ("chelsea.png", EGYPTIAN_CAT, 0.928), ("grace_hopper.jpg", UNIFORM, 0.775)),
    ),
    "mobilenet_v2": Listed(
        "torchvision's `.pth`",
        {},
        (("coffee.png", ESPRESSO, 0.992), ("chelsea.png", EGYPTIAN_CAT, 0.714), ("china.jpg", PALACE, 0.697)),
    ),
    "resnet50": Listed(
        "Keras's, TensorFlow.js layers",
        {},
        (
            ("coffee.png", ESPRESSO, 0.987),
            ("chelsea.png", EGYPTIAN_CAT, 0.958),
            ("motorcycle_left.png", MOPED, 0.868),
            ("grace_hopper.jpg", UNIFORM, 0.977),
            ("china.jpg", BELL_COTE, 0.609),
        ),
        folder=True,
    ),
}


def create(name: str) -> Any:
    """The model with its real weights; the test is skipped, with the reason, where they cannot be had."""
    listed, path = LISTED[name], weights(name)
    return models.create(name, rngs=nnx.Rngs(0), weights=path.parent if listed.folder else path, **listed.options)


def look(name: str) -> list[tuple[str, int, float]]:
    """(photograph, top-1 class, its probability), all in one batch."""
    model, files = create(name), [photograph for photograph, *_ in LISTED[name].photographs]
    logits = jax.jit(lambda x: model(x))(model.preprocessing([photograph(file) for file in files]))
    rows = np.asarray(jax.nn.softmax(logits))
    return [(file, int(row.argmax()), round(float(row.max()), 3)) for file, row in zip(files, rows, strict=True)]
