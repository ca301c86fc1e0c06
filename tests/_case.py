"""One entry of the table of cases, and what the sweeps over it share."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# Relative to the entry and to 1, whichever is larger. Half precision: four units in the last place.
TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "bfloat16": 4 * 2**-7, "float16": 4 * 2**-10}
DIRECTIONS = 3


@dataclass(frozen=True, eq=False)
class Case:
    """A public function with its options bound, arguments for it, and what it should compute.

    `make_args(rng, dtype)` returns NumPy arrays; small, of odd sizes. `reference` takes them in float64 and is pure
    NumPy. `jax_reference` is a plain differentiable form for the gradient; without it the gradient is compared with
    central differences of `reference`. `batched=False` keeps the case out of the vmap sweep. `tolerance` overrides
    single entries of `TOLERANCE`.
    """

    name: str
    fn: Callable[..., Any]
    make_args: Callable[[np.random.Generator, Any], tuple[np.ndarray, ...]]
    reference: Callable[..., Any] | None
    jax_reference: Callable[..., Any] | None = None
    differentiable_args: tuple[int, ...] = (0,)
    batched: bool = True
    tolerance: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def normal(*shapes: tuple[int, ...], scale: float = 1.0) -> Callable[..., tuple[np.ndarray, ...]]:
    """`make_args` for floating point arguments only: normal draws of these shapes."""
    return lambda rng, dtype: tuple((scale * rng.standard_normal(s)).astype(dtype) for s in shapes)


def doubles(args: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """The same numbers with floating point arguments in float64."""
    return tuple(a.astype(np.float64) if jnp.issubdtype(a.dtype, jnp.floating) else a for a in args)


def assert_close(got: Any, want: Any, tolerance: float) -> None:
    """The same tree of the same shapes, every entry within `tolerance` of itself or of 1."""
    got_leaves, got_tree = jax.tree.flatten(got)
    want_leaves, want_tree = jax.tree.flatten(want)
    assert got_tree == want_tree
    for g, w in zip(got_leaves, want_leaves, strict=True):
        g, w = np.asarray(g).astype(np.float64), np.asarray(w).astype(np.float64)
        assert g.shape == w.shape
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance)


def cotangents(case: Case, args: tuple[np.ndarray, ...], rng: np.random.Generator) -> list[np.ndarray]:
    """A weight for every output entry, one of ±0.5 and ±1, which all dtypes hold exactly."""
    shapes = jax.tree.leaves(jax.eval_shape(case.fn, *args))
    return [rng.choice([-1.0, -0.5, 0.5, 1.0], s.shape) for s in shapes]


def weighted(fn: Callable[..., Any], weights: list[np.ndarray]) -> Callable[..., Any]:
    """`fn` made scalar: the sum of its outputs times `weights`."""

    def total(*args: Any) -> Any:
        outputs = jax.tree.leaves(fn(*args))
        return sum((y * w.astype(y.dtype)).sum() for y, w in zip(outputs, weights, strict=True))

    return total


def value_and_gradient(case: Case, fn: Callable[..., Any], weights: list[Any], *args: Any) -> tuple[Any, Any]:
    """The outputs of `fn`, and the gradient of `weighted(fn)` by the case's differentiable arguments."""
    outputs = fn(*args)
    if not case.differentiable_args:
        return outputs, ()
    return outputs, jax.grad(weighted(fn, weights), case.differentiable_args)(*args)


@functools.cache
def compiled(case: Case) -> Callable[..., tuple[Any, Any]]:
    """`value_and_gradient(case)(weights, *args)`, traced once for each dtype by all the sweeps together."""
    return jax.jit(functools.partial(value_and_gradient, case, case.fn))


def moved(args: tuple[Any, ...], positions: tuple[int, ...], direction: list[np.ndarray], step: float) -> list[Any]:
    """`args` with `step * direction` added to those at `positions`."""
    out = list(args)
    for position, d in zip(positions, direction, strict=True):
        out[position] = out[position] + step * d
    return out
