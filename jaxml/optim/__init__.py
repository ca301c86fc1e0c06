"""Optimizers as Optax transformations, each written out as the update rule it is."""

from jaxml.optim._adadelta import adadelta as adadelta
from jaxml.optim._adafactor import adafactor as adafactor
from jaxml.optim._adagrad import adagrad as adagrad
from jaxml.optim._adam import adam as adam
from jaxml.optim._adam import amsgrad as amsgrad
from jaxml.optim._adamw import adamw as adamw
from jaxml.optim._groups import freeze as freeze
from jaxml.optim._groups import per_group as per_group
from jaxml.optim._lamb import lamb as lamb
from jaxml.optim._learning_rate import current_learning_rate as current_learning_rate
from jaxml.optim._lion import lion as lion
from jaxml.optim._nadam import nadam as nadam
from jaxml.optim._radam import radam as radam
from jaxml.optim._rmsprop import rmsprop as rmsprop
from jaxml.optim._sgd import momentum as momentum
from jaxml.optim._sgd import nesterov as nesterov
from jaxml.optim._sgd import sgd as sgd
from jaxml.optim._weight_decay import decay_mask as decay_mask

__all__ = [
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamw",
    "amsgrad",
    "current_learning_rate",
    "decay_mask",
    "freeze",
    "lamb",
    "lion",
    "momentum",
    "nadam",
    "nesterov",
    "per_group",
    "radam",
    "rmsprop",
    "sgd",
]
