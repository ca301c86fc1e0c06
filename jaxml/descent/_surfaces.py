"""Functions of the plane that optimizers are shown on."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Surface(NamedTuple):
    """A function of `(2,)`, where a descent begins, where its minimum is, and the window that shows both."""

    name: str
    value: Callable[[Array], Array]
    start: tuple[float, float]
    minimum: tuple[float, float]
    window: tuple[float, float, float, float]  # left, right, bottom, top


def rosenbrock(p: Float[Array, "2"]) -> Float[Array, ""]:
    """`(1 - x)² + 100 (y - x²)²`: a curved valley, steep across and flat along; Rosenbrock 1960."""
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


def saddle(p: Float[Array, "2"]) -> Float[Array, ""]:
    """`x² - y² + y⁴ / 2`: the gradient is 0 at the saddle (0, 0) as at the two minima (0, ±1)."""
    return p[0] ** 2 - p[1] ** 2 + p[1] ** 4 / 2


def two_valleys(p: Float[Array, "2"]) -> Float[Array, ""]:
    """`(x² - 1)² / 4 + x / 10 + y² / 2`: a local minimum at the right, the lower one at the left."""
    return (p[0] ** 2 - 1) ** 2 / 4 + p[0] / 10 + p[1] ** 2 / 2


def ellipse(p: Float[Array, "2"]) -> Float[Array, ""]:
    """`(x² + 10 y²) / 2`: curvatures 1 and 10, so that a rate above 2 / 10 diverges."""
    return (p[0] ** 2 + 10 * p[1] ** 2) / 2


ROSENBROCK = Surface("Rosenbrock's valley", rosenbrock, (-1.2, 1.0), (1.0, 1.0), (-1.6, 1.6, -0.6, 1.8))
SADDLE = Surface("a saddle", saddle, (1.2, 1e-3), (0.0, 1.0), (-1.3, 1.5, -0.5, 1.4))
TWO_VALLEYS = Surface("a local minimum", two_valleys, (1.9, 0.8), (-1.0467, 0.0), (-1.9, 2.1, -1.0, 1.2))
ELLIPSE = Surface("a narrow bowl", ellipse, (2.5, 1.0), (0.0, 0.0), (-3.0, 3.0, -1.8, 1.8))


def value_on_grid(surface: Surface, points: int = 200) -> tuple[Array, Array, Array]:
    """x, y and the value at the points of the surface's window, each `(points, points)`."""
    left, right, bottom, top = surface.window
    x, y = jnp.meshgrid(jnp.linspace(left, right, points), jnp.linspace(bottom, top, points))
    value = jax.vmap(jax.vmap(surface.value))(jnp.stack([x, y], axis=-1))
    return x, y, value
