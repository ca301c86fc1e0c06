"""The exponential moving average of the parameters, kept in the optimizer's state."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxml.functional._checks import check_above


class AverageState(NamedTuple):
    """average: a tree like the parameters; inner: the optimizer's own state."""

    average: Any
    inner: Any


def averaged(optimizer: optax.GradientTransformation, *, decay: float = 0.999) -> optax.GradientTransformation:
    """`optimizer`, with the moving average of the parameters that its updates make:

        a_0 = w_0,   a_t = decay * a_{t-1} + (1 - decay) * w_t

    `average_params(opt_state)` reads it. Source: Polyak and Juditsky 1992, in the form of `torch.optim.swa_utils`.

    Errors: `ValueError` for a decay outside (0, 1).

    >>> import jax.numpy as jnp, optax
    >>> tx, w = averaged(optax.sgd(1.0), decay=0.75), jnp.array(4.0)
    >>> updates, state = tx.update(jnp.array(4.0), tx.init(w), w)  # w becomes 0
    >>> float(average_params(state))
    3.0
    """
    check_above("averaged", "decay", decay, 0, 1)

    def init(params: Any) -> AverageState:
        # A copy: a step that is given both to keep takes the memory of each.
        return AverageState(jax.tree.map(jnp.copy, params), optimizer.init(params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        if params is None:
            raise ValueError("averaged: update must be given params")
        updates, inner = optimizer.update(updates, state.inner, params)
        new = optax.apply_updates(params, updates)
        average = jax.tree.map(lambda a, w: (a + (1 - decay) * (w - a)).astype(a.dtype), state.average, new)
        return updates, AverageState(average, inner)

    return optax.GradientTransformation(init, update)


def average_params(opt_state: Any) -> Any:
    """The averaged parameters in the state of `averaged`, alone or within another transformation's.

    Errors: `ValueError` where there is none.
    """

    def found(state: Any) -> bool:
        return isinstance(state, AverageState)

    states = [s for s in jax.tree.leaves(opt_state, is_leaf=found) if found(s)]
    if len(states) != 1:
        raise ValueError(f"average_params: opt_state must hold one average, got {len(states)}")
    return states[0].average
