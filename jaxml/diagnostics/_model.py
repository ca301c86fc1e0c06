"""A model as `fit` takes it: an NNX module, or the pure function of one with its arrays."""

from typing import Any

from flax import nnx

from jaxml.nn import functionalize


def pure(function: str, model: Any) -> tuple[Any, Any, Any]:
    """`(apply, params, state)` of a module, or as it is given."""
    if isinstance(model, tuple) and len(model) == 3 and callable(model[0]):
        return model
    if isinstance(model, nnx.Module):
        return functionalize(model)
    got = f"{len(model)} parts" if isinstance(model, tuple) else type(model).__name__
    raise TypeError(f"{function}: model must be an nnx.Module or (apply, params, state), got {got}")
