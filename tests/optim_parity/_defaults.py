"""The defaults of every rule in every style, and the table of them in the manual."""

import inspect
from typing import Any

from jaxml import optim

from ._grid import CASES

ALL = ("torch", "keras", "optax")
# Where the signature says `None`, each style has its own; a test runs them all. What is not here is one the style has
# no word for, or Adafactor's eps, which in PyTorch's and Optax's is no constant.
OWN: dict[str, dict[str, dict[str, float]]] = {
    "adadelta": {
        "decay": {"torch": 0.9, "keras": 0.95, "optax": 0.9}, "eps": {"torch": 1e-6, "keras": 1e-7, "optax": 1e-6},
    },
    "adafactor": {"min_scale": {"torch": 1e-3, "keras": 1e-3}, "min_dim_size_to_factor": {"optax": 128}},
    "adagrad": {
        "initial_accumulator": {"torch": 0.0, "keras": 0.1, "optax": 0.1},
        "eps": {"torch": 1e-10, "keras": 1e-7, "optax": 1e-7},
    },
    "adam": {"eps": {"torch": 1e-8, "keras": 1e-7, "optax": 1e-8}},
    "adamw": {
        "eps": {"torch": 1e-8, "keras": 1e-7, "optax": 1e-8},
        "weight_decay": {"torch": 1e-2, "keras": 4e-3, "optax": 1e-4},
    },
    "amsgrad": {"eps": {"torch": 1e-8, "keras": 1e-7, "optax": 1e-8}},
    "lamb": {"eps": {"keras": 1e-7, "optax": 1e-6}},
    "lion": {"weight_decay": {"keras": 0.0, "optax": 1e-3}},
    "nadam": {"eps": {"torch": 1e-8, "keras": 1e-7, "optax": 1e-8}, "momentum_decay": {"torch": 4e-3}},
    "rmsprop": {
        "decay": {"torch": 0.99, "keras": 0.9, "optax": 0.9}, "eps": {"torch": 1e-8, "keras": 1e-7, "optax": 1e-8},
    },
}  # fmt: skip


def styles(name: str) -> list[str]:
    """The styles of a rule, in the order of the table of cases."""
    return list(dict.fromkeys(case.style for case in CASES if case.name == name))


def shared(name: str) -> dict[str, Any]:
    """What the signature says itself, for all styles."""
    parameters = inspect.signature(getattr(optim, name)).parameters
    hidden = {"learning_rate", "decay_mask", "style"}
    return {key: p.default for key, p in parameters.items() if key not in hidden and p.default is not None}


def own(name: str, style: str) -> dict[str, float]:
    return {option: values[style] for option, values in OWN.get(name, {}).items() if style in values}


def table() -> str:
    rows = ["| | all styles | PyTorch | Keras | Optax |", "|---|---|---|---|---|"]
    for name in dict.fromkeys(case.name for case in CASES):
        cells = [_listed(own(name, style)) if style in styles(name) else "—" for style in ALL]
        rows.append(" | ".join([f"| `{name}`", _listed(shared(name)), *cells]) + " |")
    return "\n".join(rows) + "\n"


def _listed(options: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value if isinstance(value, bool) else format(value, 'g')}" for key, value in options.items()
    )
