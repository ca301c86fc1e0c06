"""What flows backwards: the size of the gradient of every parameter, and of the step that an optimizer makes of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxml.diagnostics._figure import chosen, finish, ground, next_colour, whole
from jaxml.diagnostics._model import pure
from jaxml.functional._checks import check_choice
from jaxml.functional._dtypes import wide

FIGURES = ("gradient", "ratio", "weight", "update")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GradientFlow:
    """Of the L arrays of the parameters, in their order, Frobenius's norms, each (L,); and the loss, ().

    gradient: `‖dE/dw‖`. weight: `‖w‖`. update: of what the optimizer adds to w, or the gradient's without one.
    paths: of the arrays, such as "layers/0/w"; static under `jit`.
    """

    loss: Any
    gradient: Any
    weight: Any
    update: Any
    paths: tuple[str, ...] = field(default=(), metadata={"static": True})

    @property
    def ratio(self) -> Array:
        """`‖update‖ / ‖weight‖`: by how much of itself an array changes in a step; NaN of one that is zero."""
        some = self.weight > 0
        return jnp.where(some, self.update / jnp.where(some, self.weight, 1), jnp.nan)

    def __str__(self) -> str:
        """A table, a line an array."""
        width = max((len(path) for path in self.paths), default=0)
        lines = [f"loss {float(self.loss):.6g}", f"{'':{width}}" + "".join(f"  {name:>9}" for name in FIGURES)]
        for path, *row in zip(self.paths, *(np.asarray(getattr(self, name)) for name in FIGURES), strict=True):
            lines.append(f"{path:{width}}" + "".join(f"  {value:9.3e}" for value in row))
        return "\n".join(lines)

    def plot(self, *, figure: str = "gradient", path: str = "*", name: str | None = None, into: Any = None) -> Any:
        """A matplotlib `Figure`: one of the figures, on a logarithmic axis, over the arrays whose path matches `path`.

        figure: "gradient", "ratio", "weight" or "update".
        name: in the legend. into: matplotlib's axes to draw into; several networks may share them.

        Errors: `ValueError` for an unknown figure and a pattern that matches nothing; `ImportError` without matplotlib
        (`jaxml-nn[bench]`).
        """
        function = "GradientFlow.plot"
        check_choice(function, "figure", figure, FIGURES)
        values = np.asarray(getattr(self, figure))[chosen(function, self.paths, path)]
        drawing, axes = ground(function, into)
        # A norm that is zero to the last bit has no logarithm, and leaves a gap.
        shown, at = np.where(values > 0, values, np.nan), np.arange(1, len(values) + 1)
        axes.plot(at, shown, color=next_colour(axes), lw=1.6, marker="o", ms=3, label=name)
        labels = {"gradient": "‖dE/dw‖", "ratio": "‖update‖ / ‖w‖", "weight": "‖w‖", "update": "‖update‖"}
        axes.set(yscale="log", xlabel="parameter", ylabel=labels[figure])
        whole(axes)
        finish(axes)
        return drawing


def gradient_flow(
    model: Any,
    *args: Any,
    loss: Callable[[Any], Array],
    optimizer: Any = None,
    opt_state: Any = None,
    **kwargs: Any,
) -> GradientFlow:
    """The norms of every parameter, of its gradient, and of the step that follows from it.

        gradient_l = ‖dE/dw_l‖        ratio_l = ‖Δw_l‖ / ‖w_l‖

    Gradients that shrink from the last layer to the first vanish; a ratio far from 1e-3 says that a layer's rate is too
    small or too large. `gradient_profile` has the same by outputs and by steps of a recurrence.

    model: an NNX module, or `(apply, params, state)` as of `nn.functionalize`, `apply(params, state, *args, **kwargs)
        -> (output, state)`; of a plain function `f(params, x)` that is `(lambda p, s, x: (f(p, x), s), params, ())`.
    loss: of the output, a floating scalar.
    optimizer: of Optax or `jaxml.optim`, with its `opt_state`, or that of the first step.

    Each call compiles: to watch a training, put it into a `jax.jit` of your own over params.

    Cost: a forward and a backward pass.

    Errors: `TypeError` for a model of neither kind; `ValueError` for a loss that is no floating scalar, a model without
    parameters, and `opt_state` without `optimizer`.

    Reference: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks"; for
    1e-3, Karpathy 2022, "Neural networks: zero to hero", 4.

    >>> import jax.numpy as jnp; from jaxml import diagnostics
    >>> model = (lambda w, state, x: (x @ w, state)), jnp.array([3.0, 4.0]), ()
    >>> flow = diagnostics.gradient_flow(model, jnp.array([[0.6, 0.8]]), loss=lambda y: y.sum())
    >>> [round(norms.item(), 3) for norms in (flow.weight, flow.gradient, flow.ratio)]
    [5.0, 1.0, 0.2]
    """
    name = "gradient_flow"
    if optimizer is None and opt_state is not None:
        raise ValueError(f"{name}: opt_state needs the optimizer whose state it is")
    apply, params, state = pure(name, model)
    paths = tuple(jax.tree_util.keystr(p, simple=True, separator="/") for p, _ in jax.tree.leaves_with_path(params))
    if not paths:
        raise ValueError(f"{name}: model must have parameters, got none")

    def error(params: Any, state: Any, args: Any) -> Array:
        value = jnp.asarray(loss(apply(params, state, *args, **kwargs)[0]))
        if value.shape != () or not jnp.issubdtype(value.dtype, jnp.floating):
            raise ValueError(
                f"{name}: loss must return a floating scalar, got {value.dtype} of shape {value.shape}; a mean or a "
                f"sum makes one of several"
            )
        return value

    def run(params: Any, state: Any, opt_state: Any, args: Any) -> tuple[Array, ...]:
        value, gradients = jax.value_and_grad(error)(params, state, args)
        updates = gradients
        if optimizer is not None:
            updates, _ = optimizer.update(gradients, optimizer.init(params) if opt_state is None else opt_state, params)
        return value, *(_norms(tree) for tree in (gradients, params, updates))

    return GradientFlow(*jax.jit(run)(params, state, opt_state, args), paths=paths)


def _norms(tree: Any) -> Array:
    return jnp.stack([jnp.sqrt(jnp.square(wide(leaf)).sum()).astype(jnp.float32) for leaf in jax.tree.leaves(tree)])
