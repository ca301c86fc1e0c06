"""One claim that a function of jaxml equals one of PyTorch's, and how the two are run on the same draw."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Options = Mapping[str, Any]
Arrays = Sequence[np.ndarray]
# Relative to the entry and to 1, whichever is larger; gradients sum more rounded terms than values.
TOLERANCE = {"float64": 1e-10, "float32": 2e-5}


@dataclass(frozen=True, eq=False)
class Claim:
    """`ours(*arrays, **options)` equals `theirs(torch, *tensors, **options)`, and so do the gradients.

    name: the function's name in `jaxml.functional`; two claims of one function are told apart by `variant`.
    torch: its name in PyTorch, as in the coverage table: `"nn.functional.gelu"`.
    make: `(rng, options)` to the arrays, floating ones in float64. Small and of odd sizes.
    ours, theirs: take the same arrays and options; layouts are turned in `theirs` (`first` and `last` below).
    grid: the values of each option; a draw takes one of each, and `valid` may refuse a combination. Shapes are best
        options too: JAX compiles anew for every shape it sees.
    differentiable: positions of the arrays whose gradients are compared.
    """

    name: str
    torch: str
    make: Callable[[np.random.Generator, Options], Arrays]
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    valid: Callable[[Options], bool] = lambda options: True
    differentiable: tuple[int, ...] = (0,)
    tolerance: Mapping[str, float] = field(default_factory=dict)
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.name}-{self.variant}" if self.variant else self.name

    def draw(self, seed: int) -> tuple[dict[str, Any], Arrays]:
        """Options and arrays, the same for the same seed on every machine."""
        rng = np.random.default_rng(seed)
        while True:
            options = {key: values[rng.integers(len(values))] for key, values in self.grid.items()}
            if self.valid(options):
                return options, self.make(rng, options)


def cast(arrays: Arrays, dtype: str) -> list[np.ndarray]:
    """Floating arrays in `dtype`, others as they are."""
    return [a.astype(dtype) if np.issubdtype(a.dtype, np.floating) else a for a in arrays]


def run_ours(claim: Claim, options: Options, arrays: Arrays) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Outputs, and the gradients of the sum of outputs times `weights`."""
    places = claim.differentiable

    def f(*floats: Any) -> list[Any]:
        full = list(map(jnp.asarray, arrays))
        for place, value in zip(places, floats, strict=True):
            full[place] = value
        return jax.tree.leaves(claim.ours(*full, **options))

    floats = [jnp.asarray(arrays[place]) for place in places]
    if not places:
        return [np.asarray(y) for y in f()], []
    outputs, pull = jax.vjp(f, *floats)
    slopes = pull([jnp.asarray(w, y.dtype) if jnp.issubdtype(y.dtype, jnp.floating) else _no_tangent(y)
                   for w, y in zip(weights(outputs), outputs, strict=True)])  # fmt: skip
    return [np.asarray(y) for y in outputs], [np.asarray(g) for g in slopes]


def run_theirs(claim: Claim, options: Options, arrays: Arrays) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The same of PyTorch."""
    import torch

    tensors = [torch.tensor(a, requires_grad=i in claim.differentiable) for i, a in enumerate(arrays)]
    outputs = jax.tree.leaves(claim.theirs(torch, *tensors, **options), is_leaf=torch.is_tensor)
    shown = [y.detach().numpy() for y in outputs]
    if not claim.differentiable:
        return shown, []
    total = sum((y * torch.tensor(w, dtype=y.dtype)).sum()
                for y, w in zip(outputs, weights(shown), strict=True) if y.requires_grad)  # fmt: skip
    slopes = torch.autograd.grad(total, [tensors[i] for i in claim.differentiable], allow_unused=True)
    zeros = [np.zeros_like(arrays[i]) for i in claim.differentiable]
    return shown, [z if g is None else g.numpy() for g, z in zip(slopes, zeros, strict=True)]


def weights(outputs: Sequence[Any]) -> list[np.ndarray]:
    """For each output entry one of ±0.5 and ±1, which all dtypes hold exactly; of the shapes alone."""
    rng = np.random.default_rng(7)
    return [rng.choice([-1.0, -0.5, 0.5, 1.0], y.shape) for y in outputs]


def error(got: Sequence[np.ndarray], want: Sequence[np.ndarray]) -> float:
    """The largest difference, relative to the entry or to 1; infinite where shapes, infinities or NaNs differ."""
    if [g.shape for g in got] != [w.shape for w in want]:
        return float("inf")
    worst = 0.0
    for g, w in zip(got, want, strict=True):
        g, w = g.astype(np.float64), w.astype(np.float64)
        same = (g == w) | (np.isnan(g) & np.isnan(w))
        with np.errstate(invalid="ignore"):
            off = np.where(same, 0, np.abs(g - w) / np.maximum(1, np.abs(w)))
        off = np.where(np.isfinite(off), off, np.inf)
        worst = max(worst, float(off.max(initial=0.0)))
    return worst


def first(x: Any) -> Any:
    """A torch tensor (N, *spatial, C) as (N, C, *spatial)."""
    return x.movedim(-1, 1)


def last(x: Any) -> Any:
    """A torch tensor (N, C, *spatial) as (N, *spatial, C)."""
    return x.movedim(1, -1)


def kernel(w: Any) -> Any:
    """A torch tensor (*k, I, O) as PyTorch's (O, I, *k)."""
    return w.movedim((-1, -2), (0, 1))


def normal(*shape: int, scale: float = 1.0) -> Callable[[np.random.Generator, Options], Arrays]:
    """`make` for one array."""
    return lambda rng, options: [scale * rng.standard_normal(shape)]


def _no_tangent(y: Any) -> np.ndarray:
    return np.zeros(y.shape, jax.dtypes.float0)
