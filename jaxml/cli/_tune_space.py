"""The options of `jaxml tune` that can be searched: one value, several after commas, or a range LOW:HIGH."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class SpaceError(ValueError):
    """An option that cannot be searched as it says."""


@dataclass(frozen=True)
class Axis:
    """One hyper-parameter: what the user wrote, and its values; of a range the two ends."""

    name: str
    text: str
    values: tuple[Any, ...]
    is_range: bool = False

    @property
    def fixed(self) -> bool:
        return len(self.values) == 1

    def suggest(self, trial: Any) -> Any:
        """The trial's value, which Optuna's sampler chooses where there is a choice."""
        if self.fixed:
            return self.values[0]
        if not self.is_range:
            return trial.suggest_categorical(self.name, self.values)
        suggest = trial.suggest_int if isinstance(self.values[0], int) else trial.suggest_float
        return suggest(self.name, *self.values, log=True)


@dataclass(frozen=True)
class Space:
    """The hyper-parameters of a study by name."""

    axes: Mapping[str, Axis]

    @property
    def searched(self) -> tuple[str, ...]:
        """The names of those that have a choice.

        Errors: `SpaceError` where none has.
        """
        found = tuple(name for name, one in self.axes.items() if not one.fixed)
        if not found:
            options = ", ".join(map(option, self.axes))
            raise SpaceError(
                f"there is nothing to search, as each of {options} has one value: give a range, such as "
                f"--learning-rate 1e-4:1e-1, or several values, such as --optimizer adamw,sgd"
            )
        return found

    def suggest(self, trial: Any) -> dict[str, Any]:
        """A value for each."""
        return {name: one.suggest(trial) for name, one in self.axes.items()}


# How each option's text is read.
NAMES, NUMBERS, WHOLE = "names", "numbers", "whole numbers"
KINDS = {
    "model": NAMES, "optimizer": NAMES, "learning_rate": NUMBERS, "weight_decay": NUMBERS, "batch_size": WHOLE,
    "schedule": NAMES,
}  # fmt: skip
EXAMPLES = {NAMES: "adamw,sgd", NUMBERS: "0.001,0.01 or 1e-4:1e-1", WHOLE: "32,64 or 16:256"}


def option(name: str) -> str:
    """The name as it is typed."""
    return f"--{name.replace('_', '-')}"


def axis(name: str, text: str) -> Axis:
    """The option `--name text`.

    Errors: `SpaceError` for no value, for what is no number where numbers are wanted, a learning rate or batch size
    that is not above 0, and a range that does not grow from above 0.
    """
    kind = KINDS[name]
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise SpaceError(f"{option(name)} {text!r} has an empty value; give values, such as {EXAMPLES[kind]}")
    if kind is NAMES:
        return Axis(name, text, tuple(dict.fromkeys(parts)))
    if ":" not in text:
        return Axis(name, text, tuple(dict.fromkeys(_number(name, part) for part in parts)))
    if text.count(":") != 1 or len(parts) != 1:
        raise SpaceError(f"{option(name)} must be values, or one range LOW:HIGH, as {EXAMPLES[kind]}, got {text!r}")
    low, high = (_number(name, part) for part in text.split(":"))
    if low == 0:
        raise SpaceError(f"{option(name)} {text}: a range is searched by its logarithm and must begin above 0")
    if not low < high:
        raise SpaceError(f"{option(name)} {text}: the range must grow; {high:g}:{low:g} is the other way round")
    return Axis(name, text, (low, high), is_range=True)


def _number(name: str, text: str) -> Any:
    kind = KINDS[name]
    try:
        value = int(text) if kind is WHOLE else float(text)
    except ValueError:
        raise SpaceError(f"{option(name)} must be {kind}, such as {EXAMPLES[kind]}, got {text!r}") from None
    may_be_zero = name == "weight_decay"
    if not math.isfinite(value) or value < 0 or (value == 0 and not may_be_zero):
        raise SpaceError(f"{option(name)} must be finite and {'at least' if may_be_zero else 'above'} 0, got {text}")
    return value
