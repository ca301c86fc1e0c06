"""Backpropagation written out: each layer's gradient as the three factors of the chain rule."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxml import gradcheck
from jaxml.functional._checks import check_choice, check_equal, check_float, check_rank

Params = Sequence[tuple[Array, Array]]
# name -> y(z), and dy/dz as a function of z and y
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]] = {
    "sigmoid": (jax.nn.sigmoid, lambda z, y: y * (1 - y)),
    "tanh": (jnp.tanh, lambda z, y: 1 - y * y),
    "relu": (jax.nn.relu, lambda z, y: (z > 0).astype(z.dtype)),
    "identity": (lambda z: z, lambda z, y: jnp.ones_like(z)),
}


class Factors(NamedTuple):
    """One layer, `z = x w + b`, `y = f(z)`: the factors of `dE/dw = (dz/dw)ᵀ (dE/dy · dy/dz)`, and what they give."""

    de_dy: Array  # (N, out): from the layer above
    dy_dz: Array  # (N, out): the activation's slope
    dz_dw: Array  # (N, in): the layer's own input
    de_dw: Array  # (in, out)
    de_db: Array  # (out,)


class Backprop(NamedTuple):
    """The error E and the factors of every layer, the first layer first; `str` of it prints them."""

    error: Array
    layers: tuple[Factors, ...]

    @property
    def gradients(self) -> list[tuple[Array, Array]]:
        """`(dE/dw, dE/db)` of each layer, in the form of the parameters."""
        return [(layer.de_dw, layer.de_db) for layer in self.layers]

    def __str__(self) -> str:
        lines = [f"E = {float(self.error):.6g}"]
        for number, layer in reversed(list(enumerate(self.layers, 1))):
            lines.append(f"layer {number}: dE/dw = (dz/dw)ᵀ (dE/dy · dy/dz), summed over the examples")
            for name, value in zip(("dE/dy", "dy/dz", "dz/dw", "dE/dw", "dE/db"), layer, strict=True):
                text = np.array2string(np.asarray(value), precision=4, suppress_small=True, threshold=24, edgeitems=2)
                lines.append(f"  {name} {value.shape} = " + text.replace("\n", "\n" + " " * 6))
        return "\n".join(lines)


def backprop(
    params: Params, x: Float[Array, "N I"], target: Float[Array, "N O"], *, activation: str = "sigmoid"
) -> Backprop:
    """The gradient of `E = Σ (y - target)² / (2 N)` of a small network, by the chain rule alone.

    Each layer is `z = x w + b`, `y = f(z)`, the last as well. From the top, `dE/dy = (y - target) / N`; at each layer
    `dE/dz = dE/dy · dy/dz`, `dE/dw = (dz/dw)ᵀ dE/dz` with `dz/dw = x`, `dE/db` is the sum of `dE/dz` over the examples,
    and the layer below is given `dE/dx = dE/dz wᵀ` as its `dE/dy`. No derivative is taken by JAX.

    activation: `"sigmoid"`, `"tanh"`, `"relu"` or `"identity"`, of every layer.
    Cost: 3 `N I O` MACs a layer, of which one is the forward pass.

    Raises:
        TypeError: arrays that are not floating point, or of mixed dtypes.
        ValueError: layers that do not fit each other or the data, no layer, an unknown activation.

    Reference: Rumelhart, Hinton and Williams 1986, "Learning representations by back-propagating errors".

    >>> found = backprop([(jnp.eye(2), jnp.zeros(2))], jnp.zeros((1, 2)), jnp.zeros((1, 2)))
    >>> found.gradients[0][1].tolist()  # (0.5 - 0) · 0.5 (1 - 0.5)
    [0.125, 0.125]
    """
    _check(params, x, target, activation)
    f, slope = ACTIVATIONS[activation]
    passed, y = [], x
    for w, b in params:
        z = y @ w + b[None]
        passed.append((y, z, f(z)))
        y = passed[-1][2]
    error = y - target
    de_dy = error / len(x)
    layers = []
    for (w, _), (below, z, y) in zip(reversed(params), reversed(passed), strict=True):
        dy_dz = slope(z, y)
        de_dz = de_dy * dy_dz
        layers.append(Factors(de_dy, dy_dz, below, below.T @ de_dz, de_dz.sum(axis=0)))
        de_dy = de_dz @ w.T
    return Backprop((error * error).sum() / (2 * len(x)), tuple(reversed(layers)))


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def chain_rule_error(params: Params, x: Array, target: Array, activation: str) -> Array:
    """`backprop`'s E, the chain rule its derivative; at a kink that is the activation's slope, relu's 0 at 0."""
    return backprop(params, x, target, activation=activation).error


def _fwd(params: Params, x: Array, target: Array, activation: str) -> tuple[Array, tuple[Params, Array, Array]]:
    return chain_rule_error(params, x, target, activation), (params, x, target)


def _bwd(activation: str, residuals: tuple[Params, Array, Array], g: Any) -> tuple[Params, Array, Array]:
    params, x, target = residuals
    found = backprop(params, x, target, activation=activation)
    first, last = found.layers[0], found.layers[-1]
    of_params = jax.tree.unflatten(jax.tree.structure(params), [g * a for a in jax.tree.leaves(found.gradients)])
    return of_params, g * (first.de_dy * first.dy_dz) @ params[0][0].T, -g * last.de_dy


chain_rule_error.defvjp(_fwd, _bwd)


def check_backprop(
    params: Params, x: Float[Array, "N I"], target: Float[Array, "N O"], *, activation: str = "sigmoid"
) -> gradcheck.GradReport:
    """`gradcheck` of the chain rule's derivatives of E, by parameters, x and target, beside autodiff of E.

    Raises:
        TypeError, ValueError: as `backprop`.

    >>> check_backprop([(jnp.eye(2), jnp.zeros(2))], jnp.zeros((1, 2)), jnp.zeros((1, 2))).ok
    True
    """
    _check(params, x, target, activation)
    return gradcheck.check(
        lambda params, x, target: chain_rule_error(params, x, target, activation),
        list(params),
        x,
        target,
        reference=lambda params, x, target: backprop(params, x, target, activation=activation).error,
    )


def _check(params: Params, x: Array, target: Array, activation: str) -> None:
    name = "backprop"
    check_choice(name, "activation", activation, tuple(ACTIVATIONS))
    check_rank(name, "x", x, 2, "(N, I)")
    if not params:
        raise ValueError(f"{name}: params must hold a (w, b) for at least one layer")
    width = x.shape[1]
    for number, (w, b) in enumerate(params, 1):
        check_float(name, x=x, target=target, w=w, b=b)
        check_rank(name, f"w of layer {number}", w, 2, "(in, out)")
        check_equal(name, f"the first axis of w of layer {number}", w.shape[0], width)
        check_equal(name, f"the shape of b of layer {number}", tuple(b.shape), (w.shape[1],))
        width = w.shape[1]
    check_equal(name, "the shape of target", tuple(target.shape), (x.shape[0], width), x=x)
