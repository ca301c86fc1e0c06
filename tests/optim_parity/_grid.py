"""What is compared: which optimizers, with which options, on which problem."""

from typing import Any, NamedTuple

import numpy as np

STEPS = 20
ADAM: list[dict[str, Any]] = [{}, {"b1": 0.5, "b2": 0.75}, {"eps": 1e-3}]
RATES = {"adadelta": 1.0, "adagrad": 0.25, "lion": 2**-6}  # powers of two: the same in every dtype
ALL = ("torch", "keras", "optax")
SCHEDULED = {"scheduled": True}


class Case(NamedTuple):
    """`options` in jaxml's words; `scheduled` among them divides the rate by 1 + t / 2 at the update t = 0, 1, ..."""

    name: str
    style: str
    options: dict[str, Any]

    @property
    def id(self) -> str:
        return "-".join([self.name, self.style, *(f"{k}={v}" for k, v in self.options.items())])

    @property
    def rate(self) -> float:
        return RATES.get(self.name, 2**-5)

    def rate_at(self, t: int) -> float:
        return self.rate / (1 + t / 2) if self.options.get("scheduled") else self.rate


def _cases(name: str, options: list[dict[str, Any]], *styles: str) -> list[Case]:
    return [Case(name, style, o) for style in styles or ALL for o in options]


DECAY = [{"weight_decay": 0.125}]
DECAY_SCHEDULED = [{"weight_decay": 0.125, **SCHEDULED}]
SGD = [{}, {"momentum": 0.5}, {"momentum": 0.5, "nesterov": True}, {"momentum": 0.5, **SCHEDULED}]
RMSPROP = [
    {},
    {"decay": 0.75, "eps": 1e-3},
    {"momentum": 0.5, **SCHEDULED},
    {"centered": True, "eps": 1e-3},
    {"centered": True, "eps": 1e-3, "momentum": 0.5},
]
ADAFACTOR = [{}, {"decay_rate": 0.5, "clipping_threshold": 2.0}, {"eps": 1.0}, *DECAY_SCHEDULED]

CASES = [
    *_cases("sgd", SGD),
    *_cases("sgd", [*DECAY, {"momentum": 0.5, **DECAY_SCHEDULED[0]}], "torch", "keras"),
    *_cases("sgd", [{"momentum": 0.5, "dampening": 0.25, "weight_decay": 0.125}, {"dampening": 0.25}], "torch"),
    *_cases("momentum", [{}]),
    *_cases("nesterov", [{}]),
    *_cases("nesterov", DECAY, "torch", "keras"),
    *_cases("adagrad", [{}, {"initial_accumulator": 0.25, "eps": 1e-3}]),
    *_cases("adagrad", DECAY_SCHEDULED, "torch", "keras"),
    *_cases("rmsprop", RMSPROP),
    *_cases("rmsprop", [{"momentum": 0.5, **DECAY_SCHEDULED[0]}], "torch", "keras"),
    *_cases("rmsprop", [{"momentum": 0.5, "nesterov": True}], "optax"),
    *_cases("adadelta", [{}, {"decay": 0.75, "eps": 1e-3}, *DECAY_SCHEDULED]),
    *_cases("adam", ADAM),
    *_cases("adam", [*DECAY_SCHEDULED, {"amsgrad": True, "weight_decay": 0.125, "b2": 0.5}], "torch", "keras"),
    *_cases("amsgrad", [{}, {"b1": 0.5, "b2": 0.5, "eps": 1e-3}]),
    *_cases("adamw", [*ADAM, *DECAY_SCHEDULED]),
    *_cases("adamw", [{"amsgrad": True, "b2": 0.5}], "torch", "keras"),
    *_cases("nadam", [*ADAM, *DECAY_SCHEDULED]),
    *_cases("nadam", [{"momentum_decay": 0.5}, {"decoupled_weight_decay": True, "weight_decay": 0.125}], "torch"),
    *_cases("radam", ADAM, "torch", "optax"),
    *_cases("radam", [*DECAY_SCHEDULED, {"decoupled_weight_decay": True, "weight_decay": 0.125}], "torch"),
    *_cases("lamb", [*ADAM, *DECAY_SCHEDULED], "keras", "optax"),
    *_cases("lion", [{}, {"b1": 0.5, "b2": 0.75}, *DECAY_SCHEDULED], "keras", "optax"),
    *_cases("adafactor", ADAFACTOR),
    *_cases("adafactor", [{"min_scale": 4.0}], "torch", "keras"),
    *_cases(
        "adafactor", [{"min_dim_size_to_factor": 2, "momentum": 0.5}, {"multiply_by_parameter_scale": False}], "optax"
    ),
]


def tolerance(case: Case, dtype: str) -> float:
    """Of a parameter, relative to it or to 1, after all steps."""
    # Keras and Optax compute 1 - t^-0.8 in float32 at all times.
    coarse = dtype == "float32" or (case.name == "adafactor" and case.style != "torch")
    return 1e-6 if coarse else 1e-12


# In "q" the gradients of a parabola, but for the last row, which like "b" is given some at random.
_rng = np.random.default_rng(0)
_START = {"q": _rng.normal(size=(2, 4, 3)), "b": _rng.normal(size=4)}
_DRAWN = {"q": _rng.normal(size=(STEPS, 2, 3)), "b": _rng.normal(size=(STEPS, 4))}
_DRAWN["q"][:, 0, 1] *= 1e-6  # small enough for the place of eps to matter
_DRAWN["q"][:3, 1, 2] = 0  # a parameter that sleeps at first
_CURVATURE = np.exp(_rng.normal(size=(2, 3, 3)))
# No start is near its minimum: the difference of the two would be rounding, magnified by what divides the gradient.
_MINIMUM = _START["q"][:, :3] + np.where(_rng.random((2, 3, 3)) < 0.5, -1, 1) * (1 + _rng.random((2, 3, 3)))


def start(case: Case) -> dict[str, np.ndarray]:
    """One array, to be quick; a vector besides where arrays are not all alike or not all apart."""
    return {name: _START[name] for name in ("b", "q") if name == "q" or case.name in ("adafactor", "nadam", "lamb")}


def gradients(t: int, params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of step t = 0, 1, ... at `params`, in their dtype."""
    q = params["q"]
    slope = _CURVATURE.astype(q.dtype) * (q[:, :3] - _MINIMUM.astype(q.dtype))
    rows = np.concatenate([slope, _DRAWN["q"][t][:, None].astype(q.dtype)], axis=1)
    return {name: rows if name == "q" else _DRAWN["b"][t].astype(q.dtype) for name in params}


def flat(params: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([np.ravel(params[name]) for name in sorted(params)])


def error(got: np.ndarray, want: np.ndarray) -> float:
    """The largest difference of two parameters, relative to the parameter or to 1."""
    return float(np.max(np.abs(got.astype(float) - want) / np.maximum(1, np.abs(want))))
