"""One number that makes the probabilities of a classifier truer."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Shaped

from jaxml.diagnostics._checks import ArrayLike, check_classes, check_finite, check_some, known
from jaxml.functional._checks import check_float, check_positive, check_rank
from jaxml.functional._dtypes import wide


def temperature_scaling(
    logits: Float[ArrayLike, "N K"], labels: Shaped[ArrayLike, " N"], *, max_iter: int = 100
) -> Float[Array, ""]:
    """The temperature T of `softmax(logits / T)` that makes the labels likeliest: `argmin_T Σ_n -log p_n[label_n]`.

    Take logits on data that the model was not fitted to; divide by T ever after. The likeliest class of each example,
    and so the accuracy, stays. In `β = 1 / T` the loss is convex, with

        f' = mean(E_p[z] - z_label)        f'' = mean(Var_p[z])

    and Newton's steps are kept between what is known to be too small and too large.

    Shapes: logits (N, K), labels (N,) in [0, K) -> ().
    Cost: `N K` exponentials a step, some ten steps.

    Errors: `TypeError` for dtypes; `ValueError` for no examples, one class, labels out of range, values that are not
    finite, and where there is no best T: all examples are classified right (T = 0), or the logits tell less than
    nothing of the labels (T = infinity). Under `jit` these two are the result instead.

    Reference: Guo et al. 2017, "On calibration of modern neural networks", arXiv:1706.04599.

    >>> import jax.numpy as jnp; from jaxml import diagnostics
    >>> logits, labels = jnp.array([[4.0, 0.0]] * 4), jnp.array([0, 0, 0, 1])  # softmax says 98 %, 75 % are right
    >>> T = diagnostics.temperature_scaling(logits, labels)
    >>> round(float(jax.nn.softmax(logits / T)[0, 0]), 3)
    0.75
    """
    name = "temperature_scaling"
    check_some(name, logits=logits, labels=labels)
    check_float(name, logits=logits)
    check_rank(name, "logits", jnp.asarray(logits), 2, "(N, K)")
    if logits.shape[1] < 2:
        raise ValueError(f"{name}: logits must have at least 2 classes, got {logits.shape[1]}")
    check_classes(name, "labels", labels, logits.shape[1])
    check_positive(name, "max_iter", [max_iter])
    check_finite(name, logits=logits)
    found = _best(wide(jnp.asarray(logits)), jnp.asarray(labels).astype(jnp.int32), max_iter)
    if known(found):
        if found == 0:
            raise ValueError(
                f"{name}: all examples are classified right, so that the best temperature is 0; take data that the "
                f"model was not fitted to"
            )
        if jnp.isinf(found):
            raise ValueError(
                f"{name}: the labels' logits are no larger than the others' on average, so that the best temperature "
                f"is infinite; do logits and labels belong together?"
            )
    return found


@partial(jax.jit, static_argnames="max_iter")
def _best(logits: Array, labels: Array, max_iter: int) -> Array:
    z = logits - logits.max(axis=1, keepdims=True)
    scale = jnp.abs(z).mean()
    z = z / jnp.where(scale > 0, scale, 1)  # so that β is of the order of 1
    own = jnp.take_along_axis(z, labels[:, None], axis=1)[:, 0]

    def slopes(beta: Array) -> tuple[Array, Array]:
        p = jax.nn.softmax(beta * z, axis=1)
        mean = (p * z).sum(axis=1, keepdims=True)
        return (mean[:, 0] - own).mean(), (p * jnp.square(z - mean)).sum(axis=1).mean()

    def unfinished(carry: tuple[Array, Array, Array, Array, Array]) -> Array:
        *_, beta, moved, i = carry
        return (moved > 2 * jnp.finfo(z.dtype).eps * beta) & (i < max_iter)

    def step(carry: tuple[Array, Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array, Array]:
        low, high, beta, _, i = carry
        first, second = slopes(beta)
        low, high = jnp.where(first < 0, beta, low), jnp.where(first < 0, high, beta)
        newton = beta - first / second
        halfway = jnp.where(jnp.isinf(high), 2 * beta, (low + high) / 2)
        new = jnp.where((newton > low) & (newton < high), newton, halfway)
        return low, high, new, jnp.where(first == 0, 0, jnp.abs(new - beta)), i + 1

    zero, one, infinity = (jnp.asarray(v, z.dtype) for v in (0, 1, jnp.inf))
    *_, beta, _, _ = lax.while_loop(unfinished, step, (zero, infinity, one, infinity, jnp.zeros((), jnp.int32)))
    found = scale / beta
    found = jnp.where((own < 0).any(), found, zero)  # right everywhere: the larger β, the likelier the labels
    return jnp.where(slopes(zero)[0] < 0, found, infinity)
