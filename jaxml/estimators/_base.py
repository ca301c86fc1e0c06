"""What the estimators share: checked input, and the precision of the data they are given."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

# A number that a compiled function does not depend on: in its trace it is an array.
Scalar = float | Float[Array, ""]
DTYPES = (np.float64, np.float32)
Function = TypeVar("Function", bound=Callable[..., Any])


def refuses_nonfinite(function: Function) -> Function:
    """Let a compiled function say which argument holds NaN or infinity, where its result does and values are known.

    The result is looked at, which is small, and the arguments only where it is not finite. Under `jit` and `vmap`
    nothing is checked.
    """

    @wraps(function)
    def wrapped(*args: Any, **options: Any) -> Any:
        found = function(*args, **options)
        leaves = jax.tree.leaves((args, options, found))
        if any(isinstance(leaf, Tracer) for leaf in leaves) or all(map(_finite, jax.tree.leaves(found))):
            return found
        name = getattr(function, "__name__", "")
        for argument, value in inspect.signature(function).bind(*args, **options).arguments.items():
            if not _finite(value):
                values = np.asarray(value)
                at = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
                raise ValueError(
                    f"{name}: {argument} must be finite, got {values[at]} at {at}; drop such rows or fill them in"
                )
        return found

    return wrapped  # pyright: ignore[reportReturnType]


def _finite(value: Any) -> bool:
    """True for what is no array of floating-point numbers."""
    kind = getattr(value, "dtype", None)
    return kind is None or not jax.numpy.issubdtype(kind, jax.numpy.floating) or bool(np.isfinite(value).all())


def in_data_precision(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method compute in float64, whatever JAX's own setting: arrays keep the dtype that they are given in.

    scikit-learn's estimators compute float64 data in float64; JAX would make them float32 without a word.
    """

    @wraps(method)
    def wrapped(*args: Any, **options: Any) -> Any:
        with jax.enable_x64(True):
            return method(*args, **options)

    return wrapped


def features(estimator: Any, x: Any, *, reset: bool = False, minimum: int = 1) -> np.ndarray:
    """`x` as a float32 or float64 matrix; NaN, infinity, another rank or number of columns is scikit-learn's error."""
    from sklearn.utils.validation import check_is_fitted, validate_data

    if not reset:
        check_is_fitted(estimator)
    checked: Any = validate_data(estimator, x, dtype=DTYPES, reset=reset, ensure_min_samples=minimum)
    return checked


def features_and_targets(estimator: Any, x: Any, y: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """`x` as `features` has it at the start of `fit`, and the `y` that belongs to it."""
    from sklearn.utils.validation import validate_data

    checked: Any = validate_data(estimator, x, y, dtype=DTYPES, **options)
    return checked[0], checked[1]


def shared(x: np.ndarray) -> jax.Array:
    """A copy of `x` for JAX, on a CPU in NumPy's own memory.

    NumPy asks for large pages, where JAX's copy of 128 MB waits for 30,000 small ones, and JAX takes over without
    another copy what begins at a multiple of 64 bytes.
    """
    if jax.default_backend() != "cpu":
        return jax.device_put(x)
    memory = np.empty(x.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    copy = memory[start : start + x.nbytes].view(x.dtype).reshape(x.shape)
    copy[...] = x
    return jax.device_put(copy)


def weights(x: np.ndarray, sample_weight: Any) -> np.ndarray | None:
    """Nonnegative weights of the rows in the dtype of `x`, None for equal ones."""
    if sample_weight is None:
        return None
    from sklearn.utils.validation import _check_sample_weight

    return _check_sample_weight(sample_weight, x, dtype=x.dtype, ensure_non_negative=True)
