"""The size of the gradient at every step of a recurrence, and at every layer of a network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxml.diagnostics._taps import Taps
from jaxml.nn import functionalize
from jaxml.nn._recorder import accepts_train
from jaxml.nn._scope import watching


@dataclass(frozen=True)
class GradientProfile:
    """What `gradient_profile` found; norms are Frobenius's, over the whole batch.

    loss: its value.
    steps: of each recurrent layer by path, `‖d loss / d h_t‖`, an array (layers * directions, T) in the order of its
        states: l0, l0_reverse, l1, ... The derivative is the total one, by way of all later steps.
    layers: of each module by path, in the order in which the calls ended, `‖d loss / d output‖`.
    """

    loss: float
    steps: Mapping[str, np.ndarray]
    layers: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain numbers and nested lists, for JSON."""
        steps = {path: norms.tolist() for path, norms in self.steps.items()}
        return {"loss": self.loss, "steps": steps, "layers": dict(self.layers)}

    def __str__(self) -> str:
        """A line a layer; of a recurrent one the norms at the first and the last step too."""
        width = max((len(path) for path in self.layers), default=0)
        lines = [f"loss {self.loss:.6g}"]
        for path, norm in self.layers.items():
            line = f"{path:{width}}  {norm:9.3e}"
            for row in self.steps.get(path, ()):
                line += f"  h_1 {row[0]:9.3e} ... h_{len(row)} {row[-1]:9.3e}" if len(row) else ""
            lines.append(line)
        return "\n".join(lines)


def gradient_profile(
    model: nnx.Module, *args: Any, loss: Callable[[Any], jax.Array], train: bool = False, **kwargs: Any
) -> GradientProfile:
    """How large the gradient is at each step of the recurrent layers of `model`, and at the output of each module.

        steps[path][n, t] = ‖d loss / d h_t‖        layers[path] = ‖d loss / d output‖

    `loss` maps the output of `model(*args, **kwargs)` to a scalar. A zero is added to each h_t, on its way to the
    output and to the next step, and to each output; what is reported are the norms of the derivatives by these zeros.
    The recurrent layers are computed step by step by `F.rnn_cell`, `F.lstm_cell` and `F.gru_cell`; the model stays as
    it is.

    Shapes: the steps of a recurrent layer are an array (layers * directions, T). A module that is called again has the
    further calls under `path (2)` and on; calls within a `jax.lax.scan` count as one, with the sum of their gradients.
    `train` is handed over where the model takes it.

    Cost: a forward and a backward pass, and memory for a copy of every output.

    Errors: `TypeError` for anything but a module; `ValueError` for a loss that is no floating scalar.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import diagnostics, nn
    >>> gru = nn.GRU(3, 4, rngs=nnx.Rngs(0))
    >>> profile = diagnostics.gradient_profile(gru, jnp.ones((2, 5, 3)), loss=lambda output: output[0][:, -1].sum())
    >>> profile.steps["GRU"].shape, bool(profile.steps["GRU"][0, 0] < profile.steps["GRU"][0, -1])
    ((1, 5), True)
    """
    if not isinstance(model, nnx.Module):
        raise TypeError(f"gradient_profile: model must be an nnx.Module, got {type(model).__name__}")
    options = {**kwargs, "train": train} if accepts_train(model) else kwargs
    apply, params, state = functionalize(model)

    def run(watcher: Taps) -> jax.Array:
        with watching(watcher):
            output, _ = apply(params, state, *args, **options)
        value = jnp.asarray(loss(output))
        if value.shape != () or not jnp.issubdtype(value.dtype, jnp.floating):
            raise ValueError(
                f"gradient_profile: loss must return a floating scalar, got {value.dtype} of shape {value.shape}; "
                f"a mean or a sum makes one of several"
            )
        return value

    seen = Taps()
    jax.eval_shape(lambda: run(seen))
    taps = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), (seen.outputs, seen.states))
    value, (outputs, states) = jax.jit(jax.value_and_grad(lambda taps: run(Taps(*taps))))(taps)
    steps = {path: np.asarray(jnp.sqrt(jnp.square(g.astype(jnp.float32)).sum((2, 3)))) for path, g in states.items()}
    # A dictionary that has been through jax.jit is sorted.
    layers = {path: _norm(outputs[path]) for path in seen.outputs if jax.tree.leaves(outputs[path])}
    return GradientProfile(float(value), {path: steps[path] for path in seen.states}, layers)


def _norm(tree: Any) -> float:
    squares = [np.square(np.asarray(leaf, np.float64)).sum() for leaf in jax.tree.leaves(tree)]
    return float(np.sqrt(sum(squares)))
