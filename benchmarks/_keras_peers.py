"""Keras's MobileNet on its JAX backend, as a user of Keras runs it: imported only when `--peers` asks for it."""

import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import Array

from benchmarks._measure import Candidate, numpy_leaves

MISSING = "--peers compares with Keras, which is not installed: pip install 'jaxml-nn[peers]'"


def require() -> None:
    """Fail early, with the line that helps, when Keras is missing or has begun with another backend."""
    if importlib.util.find_spec("keras") is None:
        raise ValueError(MISSING)
    os.environ.setdefault("KERAS_BACKEND", "jax")  # read once, when Keras is imported
    if (backend := _keras().backend.backend()) != "jax":
        raise ValueError(f"--peers compares with Keras on JAX, but KERAS_BACKEND is {backend!r}")


def _keras() -> Any:
    return importlib.import_module("keras")


def mobilenet(x: Array, labels: Array, num_classes: int, *, training: bool) -> dict[str, Callable[[], Candidate]]:
    """`keras-separable`: `keras.applications.MobileNet`, by `predict_on_batch` or `train_on_batch`."""

    def build() -> Candidate:
        keras = _keras()
        keras.utils.set_random_seed(0)
        model = keras.applications.MobileNet(
            input_shape=x.shape[1:], weights=None, classes=num_classes, dropout=0.0, classifier_activation=None
        )
        images, targets = np.asarray(x, np.float32), np.asarray(labels, np.int32)
        if not training:
            return Candidate(lambda: model.predict_on_batch(images), numpy_leaves)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=keras.optimizers.SGD(1e-3), loss=loss, jit_compile=True)

        def step() -> Any:
            value = model.train_on_batch(images, targets)
            jax.block_until_ready([v.value for v in model.trainable_variables])
            return value

        return Candidate(step, numpy_leaves)

    return {"keras-separable": build}
