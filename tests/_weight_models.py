"""Small models for the tests of weights, and their arrays as other libraries have them."""

import jax
import numpy as np
import pytest
from flax import nnx

from jaxml import models
from jaxml.functional import init
from jaxml.models._weights._layers import entries
from jaxml.models._weights._naming import namings

SMALL = {"width_multiplier": 0.03125, "num_classes": 5}


def tiny(seed=0, name="mobilenet_v1", **options):
    return models.create(name, rngs=nnx.Rngs(seed), **{**SMALL, **options})


@pytest.fixture
def without_compiling(monkeypatch):
    """A start of no compiled program: a model has dozens of shapes, and these tests set every array anyway."""
    draws = np.random.default_rng(0)
    start = lambda **options: lambda key, shape, dtype: jax.numpy.asarray(draws.uniform(-1, 1, shape), dtype)  # noqa: E731
    monkeypatch.setattr(init, "he_normal", start)
    monkeypatch.setattr(init, "lecun_normal", start)


def arrays_of(model):
    return {entry.path: np.asarray(entry.variable[...]) for entry in entries(model)}


def scrambled(model, rng):
    """The same model with every array drawn anew, statistics too."""
    for entry in entries(model):
        drawn = rng.uniform(0.5, 1.5, entry.variable[...].shape)
        entry.variable[...] = jax.numpy.asarray(drawn, np.float32)
    return model


def as_foreign(model, layout, some=()):
    """The arrays of a model as the file of another library has them: with `some` names, if it has two sets."""
    found = [n for n in namings(model) if n.layout == layout]
    naming = next(n for n in found if set(some) <= {n.name(entry) for entry in entries(model)})
    turned = {
        ("torchvision", 4): lambda a, kind: a.transpose(3, 2, 0, 1),
        ("torchvision", 2): lambda a, kind: a.T,
        ("keras", 4): lambda a, kind: a.reshape(*a.shape[:2], -1, 1) if kind == "depthwise" else a,
        ("slim", 4): lambda a, kind: a.reshape(*a.shape[:2], -1, 1) if kind == "depthwise" else a,
        ("keras", 2): lambda a, kind: a[None, None],
        ("slim", 2): lambda a, kind: a[None, None],
    }
    found = {}
    for entry in entries(model):
        array = np.asarray(entry.variable[...])
        same = lambda a, kind: a  # noqa: E731
        found[naming.name(entry)] = turned.get((layout, array.ndim), same)(array, entry.kind)
    return found


RESNET = {"widths": (4, 4, 4, 4), "depths": (2, 1, 1, 1), "num_classes": 5}
BASIC = {"block": "basic", **RESNET}


def made(name, seed, **options):
    """By name, or a ResNet of fewer blocks than those with names have."""
    if name == "resnet":
        return models.ResNet(models.ResNetConfig(**options), rngs=nnx.Rngs(seed))
    return models.create(name, rngs=nnx.Rngs(seed), **options)


# name, options, whose names, some of them, the scale of their preprocessing


def saved(folder, model):
    models.save_weights(model, folder / "saved.safetensors")
    return folder / "saved.safetensors"
