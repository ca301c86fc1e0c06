"""Keras's `fit` on its JAX backend, for the networks of suite `fit`; imported only when `--peers` asks for it."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import _keras_peers
from jaxml import models


def epoch(name: str, x: np.ndarray, y: np.ndarray, size: int) -> Callable[[], None]:
    """One epoch of `model.fit`, silent, of the same network with the same optimizer."""
    _keras_peers.require()
    keras: Any = importlib.import_module("keras")
    keras.utils.set_random_seed(0)
    model = keras.Sequential(_mlp(keras) if name == "mlp" else _cnn(keras, name))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss, metrics=["accuracy"], jit_compile=True)

    def run() -> None:
        model.fit(x, y, batch_size=size, epochs=1, verbose=0)

    return run


def _mlp(keras: Any) -> list[Any]:
    layers, config = keras.layers, models.MLPConfig()
    hidden = [layers.Dense(width, activation="relu") for width in config.hidden]
    return [layers.Input((8, 8, 1)), layers.Flatten(), *hidden, layers.Dense(config.num_classes)]


def _cnn(keras: Any, name: str) -> list[Any]:
    layers, config = keras.layers, models.CNNConfig(separable=name == "cnn_separable")
    made = [layers.Input((8, 8, 1))]

    def norm() -> list[Any]:
        return [layers.BatchNormalization(momentum=config.momentum, epsilon=config.eps), layers.ReLU()]

    for index, (width, stride) in enumerate(zip(config.widths, config.strides, strict=True)):
        if config.separable and index:
            made += [layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False), *norm()]
            made += [layers.Conv2D(width, 1, use_bias=False), *norm()]
        else:
            made += [layers.Conv2D(width, 3, stride, padding="same", use_bias=False), *norm()]
    return [*made, layers.GlobalAveragePooling2D(), layers.Dense(config.num_classes)]
