"""Transforms one after the other."""

from typing import Any

import jax


@jax.tree_util.register_pytree_with_keys_class
class Chain:
    """Several transforms, each fitted on what the one before gives; scikit-learn's `Pipeline`.

    `steps` holds them, and after `fit` the fitted ones. `inverse` goes back through all of them.

    Errors: TypeError for what is no transform; ValueError for no step, or in `inverse` a step that has none.

    >>> from jaxml import data
    >>> c = data.Chain(data.Impute("mean"), data.Standardize()).fit([[1.0], [3.0], [None]])
    >>> c.transform([[None], [2.0]]).tolist()
    [[0.0], [0.0]]
    """

    steps: tuple[Any, ...]

    def __init__(self, *steps: Any) -> None:
        if not steps:
            raise ValueError("Chain: at least one transform must be given")
        for step in steps:
            check_transform("Chain", step)
        self.steps = steps

    def fit(self, x: Any) -> "Chain":
        """One whose steps are fitted."""
        fitted = []
        for n, step in enumerate(self.steps):
            fitted.append(step.fit(x))
            if n < len(self.steps) - 1:
                x = fitted[-1].transform(x)
        return Chain(*fitted)

    def transform(self, x: Any) -> Any:
        """`x` through every step."""
        for step in self.steps:
            x = step.transform(x)
        return x

    def inverse(self, z: Any) -> Any:
        """`z` back through every step."""
        check_inverse("Chain", self.steps)
        for step in reversed(self.steps):
            z = step.inverse(z)
        return z

    def __repr__(self) -> str:
        return f"Chain({', '.join(map(repr, self.steps))})"

    def tree_flatten_with_keys(self) -> tuple[Any, None]:
        return [(jax.tree_util.SequenceKey(n), step) for n, step in enumerate(self.steps)], None

    @classmethod
    def tree_unflatten(cls, _: None, steps: Any) -> "Chain":
        made = object.__new__(cls)  # without the checks: JAX puts placeholders into trees
        made.steps = tuple(steps)
        return made


def check_transform(function: str, step: Any) -> None:
    """`step` can be fitted and used; a class is a forgotten pair of brackets."""
    if isinstance(step, type):
        raise TypeError(f"{function}: a transform must be made before it is given: {step.__name__}()")
    if not (hasattr(step, "fit") and hasattr(step, "transform")):
        raise TypeError(f"{function}: a transform must have fit and transform, got {step!r}")


def check_inverse(function: str, steps: Any) -> None:
    """Every step has an inverse, before the first of them is taken."""
    for step in steps:
        if not hasattr(step, "inverse"):
            raise ValueError(f"{function}: {type(step).__name__} has no inverse")
