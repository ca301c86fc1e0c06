"""Optimizers as Optax transformations, each written out as the update rule it is."""

from jaxml.optim._adagrad import adagrad as adagrad
from jaxml.optim._adam import adam as adam
from jaxml.optim._momentum import momentum as momentum
from jaxml.optim._rmsprop import rmsprop as rmsprop

__all__ = [
    "adagrad",
    "adam",
    "momentum",
    "rmsprop",
]
