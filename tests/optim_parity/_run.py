"""The parameters after the steps of a case: by jaxml, and by the library that its style names."""

import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxml import optim

from ._grid import STEPS, Case, flat, gradients, start

PRESETS: dict[str, dict[str, Any]] = {
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9, "nesterov": True},
    "amsgrad": {"amsgrad": True},
}


def ours(case: Case, dtype: str) -> np.ndarray:
    options = {name: value for name, value in case.options.items() if name != "scheduled"}
    with jax.enable_x64(dtype == "float64"):
        return _transform(getattr(optim, case.name)(_rate(case), style=case.style, **options), case, dtype)


def theirs(case: Case, dtype: str) -> np.ndarray:
    return {"torch": _torch, "keras": _keras, "optax": _optax}[case.style](case, dtype)


def _rate(case: Case) -> float | Callable[[Any], Any]:
    return (lambda t: case.rate / (1 + t.astype(float) / 2)) if case.options.get("scheduled") else case.rate


def _transform(tx: optax.GradientTransformation, case: Case, dtype: str) -> np.ndarray:
    w = {name: jnp.asarray(value, dtype) for name, value in start(case).items()}
    state = tx.init(w)
    for t in range(STEPS):
        g = {name: jnp.asarray(value) for name, value in gradients(t, jax.tree.map(np.asarray, w)).items()}
        updates, state = tx.update(g, state, w)
        w = optax.apply_updates(w, updates)
    return flat(jax.tree.map(np.asarray, w))


def _renamed(case: Case, names: dict[str, str]) -> dict[str, Any]:
    """The options in the library's words."""
    given = {**PRESETS.get(case.name, {}), **case.options}
    given.pop("scheduled", None)
    if "decay_rate" in given and case.style != "optax":
        given["decay_rate"] = -given["decay_rate"]
    return {names.get(name, name): value for name, value in given.items()}


def _torch(case: Case, dtype: str) -> np.ndarray:
    import torch

    names = {"decay": "rho" if case.name == "adadelta" else "alpha", "initial_accumulator": "initial_accumulator_value"}
    options = _renamed(case, {**names, "decay_rate": "beta2_decay", "clipping_threshold": "d"})
    if {"b1", "b2"} & set(options):
        options["betas"] = (options.pop("b1", 0.9), options.pop("b2", 0.999))
    if case.name == "adafactor" and {"eps", "min_scale"} & set(options):
        options["eps"] = (options.pop("eps", None), options.pop("min_scale", 1e-3))
    classes = {"sgd": "SGD", "momentum": "SGD", "nesterov": "SGD", "rmsprop": "RMSprop", "adamw": "AdamW"}
    classes |= {"amsgrad": "Adam", "nadam": "NAdam", "radam": "RAdam"}
    make = getattr(torch.optim, classes.get(case.name, case.name.capitalize()))
    default = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))  # of NAdam's product
    try:
        w = {name: torch.tensor(value.astype(dtype), requires_grad=True) for name, value in start(case).items()}
        peer = make(w.values(), lr=case.rate, **options)
        for t in range(STEPS):
            peer.param_groups[0]["lr"] = case.rate_at(t)
            for name, g in gradients(t, {name: p.detach().numpy() for name, p in w.items()}).items():
                w[name].grad = torch.tensor(g)
            peer.step()
    finally:
        torch.set_default_dtype(default)
    return flat({name: p.detach().numpy() for name, p in w.items()})


def _keras(case: Case, dtype: str) -> np.ndarray:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    names = {"b1": "beta_1", "b2": "beta_2", "eps": "epsilon", "decay": "rho", "decay_rate": "beta_2_decay"}
    names |= {"initial_accumulator": "initial_accumulator_value", "min_scale": "epsilon_2"}
    names |= {"clipping_threshold": "clip_threshold"} | ({"eps": "epsilon_1"} if case.name == "adafactor" else {})
    classes = {"momentum": "sgd", "nesterov": "sgd", "amsgrad": "adam"}
    make = getattr(keras.optimizers, {"sgd": "SGD", "rmsprop": "RMSprop", "adamw": "AdamW"}.get(
        classes.get(case.name, case.name), classes.get(case.name, case.name).capitalize()
    ))  # fmt: skip
    floatx = keras.config.floatx()
    keras.config.set_floatx(dtype)  # of the learning rate
    try:
        with jax.enable_x64(dtype == "float64"):
            rate: Any = case.rate
            if case.options.get("scheduled"):
                rate = keras.optimizers.schedules.InverseTimeDecay(case.rate, decay_steps=1, decay_rate=0.5)
            w = {
                name: keras.Variable(value.astype(dtype), dtype=dtype, name=name) for name, value in start(case).items()
            }
            peer = make(learning_rate=rate, **_renamed(case, names))
            for t in range(STEPS):
                g = gradients(t, {name: np.asarray(p.value) for name, p in w.items()})
                peer.apply([jnp.asarray(g[name]) for name in w], list(w.values()))
            return flat({name: np.asarray(p.value) for name, p in w.items()})
    finally:
        keras.config.set_floatx(floatx)


def _optax(case: Case, dtype: str) -> np.ndarray:
    names = {"initial_accumulator": "initial_accumulator_value", "decay": "rho" if case.name == "adadelta" else "decay"}
    names |= {"weight_decay": "weight_decay_rate"} if case.name == "adafactor" else {}
    options = _renamed(case, names)
    options.pop("amsgrad", None)
    name = {"momentum": "sgd", "nesterov": "sgd"}.get(case.name, case.name)
    if name == "nadam" and "weight_decay" in options:
        name = "nadamw"
    with jax.enable_x64(dtype == "float64"):
        return _transform(getattr(optax, name)(_rate(case), **options), case, dtype)
