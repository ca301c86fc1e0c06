"""Loss scaling, which keeps float16 gradients from vanishing."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxml.functional._checks import check_above, check_positive

SMALLEST, LARGEST = 1.0, 2.0**24


class LossScaleState(NamedTuple):
    """scale: the loss is multiplied by it; good_steps: steps since it was last changed; growth_interval: steps after
    which it is doubled; inner: the optimizer's own state."""

    scale: Array
    good_steps: Array
    growth_interval: Array
    inner: Any

    def after(self, good: Array) -> "LossScaleState":
        """Halved by a step that overflowed, doubled after `growth_interval` good ones in a row."""
        grown = self.good_steps + 1 >= self.growth_interval
        up = jnp.where(grown, jnp.minimum(self.scale * 2, LARGEST), self.scale)
        scale = jnp.where(good, up, jnp.maximum(self.scale / 2, SMALLEST))
        return self._replace(scale=scale, good_steps=jnp.where(good & ~grown, self.good_steps + 1, 0))


def loss_scaled(
    optimizer: optax.GradientTransformation, *, scale: float = 2.0**15, growth_interval: int = 2000
) -> optax.GradientTransformation:
    """`optimizer`, with a loss scale in its state that `make_train_step` finds there and keeps up to date.

        g = d(s * loss)/dw / s;  a step whose g is not finite changes nothing but s <- s / 2;
        after `growth_interval` steps without one, s <- 2 s

    Gradients below 6e-8 vanish in float16; multiplied by s they do not. For bfloat16 and float32 nothing is needed.
    The update itself takes gradients that have been divided by s. Source: Micikevicius et al., arXiv:1710.03740.

    Errors: `ValueError` for a scale that is not positive, or an interval below 1.

    >>> import optax
    >>> state = loss_scaled(optax.sgd(0.1)).init(jnp.ones(2))
    >>> float(state.scale), float(state.after(jnp.array(False)).scale)
    (32768.0, 16384.0)
    """
    check_above("loss_scaled", "scale", scale, 0)
    check_positive("loss_scaled", "growth_interval", [growth_interval])

    def init(params: Any) -> LossScaleState:
        start = jnp.asarray(scale, jnp.float32), jnp.zeros([], jnp.int32), jnp.asarray(growth_interval, jnp.int32)
        return LossScaleState(*start, optimizer.init(params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        updates, inner = optimizer.update(updates, state.inner, params)
        return updates, state._replace(inner=inner)

    return optax.GradientTransformation(init, update)


def rescaled(gradients: Any, scale: Array | None) -> Any:
    """`gradients` of a scaled loss, of the loss itself."""
    return gradients if scale is None else jax.tree.map(lambda g: g / scale.astype(g.dtype), gradients)
