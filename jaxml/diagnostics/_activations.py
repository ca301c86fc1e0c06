"""What flows forwards: the size of the activations of every layer, and how many are dead or saturated."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.extend.core import get_opaque_trace_state
from jaxtyping import Array

from jaxml.diagnostics._figure import chosen, finish, ground, next_colour, whole
from jaxml.diagnostics._model import pure
from jaxml.diagnostics._taps import Calls, numbered
from jaxml.functional._checks import check_choice
from jaxml.functional._dtypes import wide
from jaxml.nn._scope import watching

NEAR = 0.01  # of the distance of the bounds: so near to one of them, an activation is saturated
FIGURES = ("mean", "std", "zeros", "dead", "saturated")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ActivationStatistics:
    """Of the activations of L layers, each (L,), in the order in which their calls ended.

    mean, std: over all entries.
    zeros: the share of entries that are exactly 0.
    dead: the share of features, entries of the last axis, that are 0 for every example and place.
    saturated: the share of entries within 1 % of a bound; NaN where no bounds were given.
    paths: of the layers; static under `jit`.
    skipped: paths of which nothing can be seen, since they are called within a `jax.lax.scan`, `jax.checkpoint` or
        another transformation of the model's own.
    """

    mean: Any
    std: Any
    zeros: Any
    dead: Any
    saturated: Any
    paths: tuple[str, ...] = field(default=(), metadata={"static": True})
    skipped: tuple[str, ...] = field(default=(), metadata={"static": True})

    def __str__(self) -> str:
        """A table, a line a layer."""
        width = max((len(path) for path in self.paths), default=0)
        lines = [f"{'':{width}}" + "".join(f"  {name:>9}" for name in FIGURES)]
        for path, *row in zip(self.paths, *(np.asarray(getattr(self, name)) for name in FIGURES), strict=True):
            lines.append(f"{path:{width}}" + "".join(f"  {value:9.3g}" for value in row))
        return "\n".join([*lines, *(f"{path:{width}}  not seen" for path in self.skipped)])

    def plot(self, *, figure: str = "std", path: str = "*", name: str | None = None, into: Any = None) -> Any:
        """A matplotlib `Figure`: one of the figures over the layers whose path matches the pattern `path`.

        figure: "mean", "std", "zeros", "dead" or "saturated"; the axis of "std" is logarithmic.
        name: in the legend. into: matplotlib's axes to draw into; several networks may share them.

        Errors: `ValueError` for an unknown figure and a pattern that matches nothing; `ImportError` without matplotlib
        (`jaxml-nn[bench]`).
        """
        function = "ActivationStatistics.plot"
        check_choice(function, "figure", figure, FIGURES)
        values = np.asarray(getattr(self, figure))[chosen(function, self.paths, path)]
        drawing, axes = ground(function, into)
        colour = next_colour(axes)
        axes.plot(np.arange(1, len(values) + 1), values, color=colour, lw=1.6, marker="o", ms=3, label=name)
        axes.set(xlabel="layer", ylabel=f"{figure} of the activations")
        if figure == "std":
            axes.set_yscale("log")
        whole(axes)
        finish(axes)
        return drawing


def activation_statistics(
    model: Any,
    *args: Any,
    of: str = "outputs",
    bounds: tuple[float, float] | None = None,
    **kwargs: Any,
) -> ActivationStatistics:
    """Mean, standard deviation, and the shares of zeros, dead features and saturated entries, of every layer.

        dead = mean over features c of [a_..c = 0 everywhere]        saturated = mean of [a near low or high]

    A standard deviation that falls from layer to layer says that the starting values are too small, one that grows,
    that they are too large; features that are dead under ReLU learn nothing any more, nor do saturated ones of a
    sigmoid, whose slope there is below a twentieth of the largest.

    model: an NNX module, or the `(apply, params, state)` that `nn.functionalize` makes of one, called as `model(*args,
        **kwargs)`; its layers are the modules that it calls. Or a function, of whose result each array is a layer.
    of: "outputs" of the modules, or "inputs": of a layer behind an activation that is no module itself, as in most
        models, these are what the activation made.
    bounds: between which the activation function lies, such as (0, 1) for a sigmoid and (-1, 1) for tanh.

    Each call compiles: to watch a training, put it into a `jax.jit` of your own over params; paths are then static.
    Further calls of a module are `path (2)` and on, several arrays of one call `path[0]`, `path[1]`.

    Cost: a forward pass.

    Errors: `TypeError` for a model of neither kind; `ValueError` for an unknown `of`, bounds that do not rise, and
    where no floating arrays are found.

    Reference: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".

    >>> import jax; from jaxml import diagnostics
    >>> x = jax.numpy.array([[-2.0, 1.0, 0.0], [-1.0, -3.0, 0.0]])
    >>> found = diagnostics.activation_statistics(lambda x: {"relu": jax.nn.relu(x)}, x)
    >>> found.paths, round(float(found.zeros[0]), 3), round(float(found.dead[0]), 3)  # the first and the last feature
    (('relu',), 0.833, 0.667)
    """
    name = "activation_statistics"
    check_choice(name, "of", of, ("outputs", "inputs"))
    if bounds is not None and not bounds[0] < bounds[1]:
        raise ValueError(f"{name}: bounds must be (low, high) with low below high, got {bounds}")
    found: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    plain = callable(model) and not isinstance(model, nnx.Module)
    apply, params, state = (model, (), ()) if plain else pure(name, model)

    def run(params: Any, state: Any, args: Any) -> list[Array]:
        watcher = Watch(of, bounds)
        if plain:
            watcher.add("", apply(*args, **kwargs))
        else:
            with watching(watcher):
                apply(params, state, *args, **kwargs)
        if not watcher.rows:
            raise ValueError(f"{name}: there must be floating arrays among the {of} of the layers, got none")
        found.append((tuple(watcher.rows), tuple(watcher.skipped)))
        return [jnp.stack(column) for column in zip(*watcher.rows.values(), strict=True)]

    columns = jax.jit(run)(params, state, args)
    paths, skipped = found[-1]
    return ActivationStatistics(*columns, paths=paths, skipped=skipped)


class Watch(Calls):
    """A watcher of the calls of a model, which notes the figures of what passes, by path."""

    def __init__(self, of: str, bounds: tuple[float, float] | None):
        self.of, self.bounds = of, bounds
        self.rows: dict[str, Sequence[Array]] = {}
        self.skipped: list[str] = []
        self.calls: dict[str, int] = {}
        self.trace = get_opaque_trace_state()

    def call(self, path: str, module: nnx.Module, method: Any) -> Any:
        path = numbered(self.calls, path, module)
        output = method()
        if get_opaque_trace_state() != self.trace:
            self.skipped.append(path)  # what belongs to an inner trace cannot leave it
        elif self.of == "outputs":
            self.add(path, output)
        else:
            given = (*method.args[1:], *method.keywords.values())
            self.add(path, given[0] if len(given) == 1 else given)
        return output

    def add(self, path: str, tree: Any) -> None:
        """A row for each floating array of `tree`."""
        leaves = [
            (where, leaf)
            for where, leaf in jax.tree.leaves_with_path(tree)
            if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.size
        ]
        for where, leaf in leaves:
            inner = jax.tree_util.keystr(where) if len(leaves) > 1 else ""
            plain = jax.tree_util.keystr(where, simple=True, separator="/") or "output"
            self.rows[path + inner if path else plain] = _figures(leaf, self.bounds)


def _figures(a: Array, bounds: tuple[float, float] | None) -> Sequence[Array]:
    """In the order of `FIGURES`."""
    a = wide(jnp.asarray(a))
    zero = a == 0
    dead = zero.reshape(-1, zero.shape[-1] if zero.ndim else 1).all(axis=0)
    if bounds is None:
        saturated = jnp.asarray(jnp.nan, jnp.float32)
    else:
        low, high = bounds
        near = NEAR * (high - low)
        saturated = _share((a <= low + near) | (a >= high - near))
    return a.mean().astype(jnp.float32), a.std().astype(jnp.float32), _share(zero), _share(dead), saturated


def _share(where: Array) -> Array:
    return where.mean(dtype=jnp.float32)
