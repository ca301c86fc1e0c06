"""Augmentations one after the other, from one key."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from jaxml.functional._dropout import checked_key


@dataclass(frozen=True, init=False)
class Augment:
    """Functions of a key and a batch `(N, H, W, C)`, applied in turn, each with a key of its own.

    Called as `augment(key, x)`; pure, so it goes into a training step and is compiled with it.

    Errors: ValueError for no function, TypeError for what is none, or a `key` that is not one key.

    >>> from functools import partial
    >>> from jaxml import data
    >>> augment = data.Augment(data.random_flip, partial(data.random_crop, padding=2))
    >>> augment(jax.random.key(0), jnp.ones((4, 8, 8, 1))).shape
    (4, 8, 8, 1)
    """

    functions: tuple[Callable[[Any, Any], Any], ...]

    def __init__(self, *functions: Callable[[Any, Any], Any]) -> None:
        if not functions:
            raise ValueError("Augment: at least one function must be given")
        for function in functions:
            if not callable(function):
                raise TypeError(f"Augment: a function of (key, x) must be given, got {function!r}")
        object.__setattr__(self, "functions", functions)

    def __call__(self, key: Any, x: Any) -> Any:
        key = checked_key("Augment", key)
        for n, function in enumerate(self.functions):
            x = function(jax.random.fold_in(key, n), x)
        return x
