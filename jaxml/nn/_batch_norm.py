"""Batch normalisation."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float

import jaxml.functional as F
from jaxml.functional._checks import check_positive
from jaxml.nn._common import in_dtype
from jaxml.nn._scope import returned, scope_name, scoped


class BatchNorm(nnx.Module):
    """`y = scale (x - mean) / √(var + eps) + bias` over every axis but the last, by `F.batch_norm`.

    With `train=True` the batch's own statistics are used, and the running ones move:
    `mean ← momentum · mean + (1 - momentum) · batch mean`, `var` alike; with `train=False` the running ones are used.

    Shapes: x (..., features) -> the same; `scale`, `bias`, `mean`, `var` (features,).
    Variant: `momentum` is the share of the OLD statistic kept, as in Flax and Keras (PyTorch's is 1 - momentum), and
    the running variance is the biased one (PyTorch's is unbiased). Statistics keep their dtype, float32 by default,
    whatever x is; they are BatchStat variables, so `functionalize` returns them in the state.
    `axis_name` averages the statistics over a mapped axis (`jax.vmap`, `jax.shard_map`). Where `freeze` has set the
    attribute `frozen`, every call is one with `train=False`.
    Errors: `ValueError` for `features` below 1, `momentum` outside [0, 1] or `eps` not positive.
    Reference: Ioffe and Szegedy 2015, arXiv:1502.03167.

    >>> import jax.numpy as jnp; from jaxml import nn
    >>> norm = nn.BatchNorm(2, momentum=0.5)
    >>> norm(jnp.array([[1.0, 4.0], [3.0, 8.0]]), train=True).round(2).tolist(), norm.mean[...].round(2).tolist()
    ([[-1.0, -1.0], [1.0, 1.0]], [1.0, 3.0])
    """

    def __init__(
        self,
        features: int,
        *,
        momentum: float = 0.9,
        eps: float = 1e-5,
        use_scale: bool = True,
        use_bias: bool = True,
        axis_name: str | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs | None = None,
    ):
        # rngs is taken, and not needed, so that every layer with parameters is made in the same way.
        check_positive("BatchNorm", "features", (features,))
        if not 0 <= momentum <= 1:
            raise ValueError(f"BatchNorm: momentum must be in [0, 1], got {momentum}")
        if not eps > 0:
            raise ValueError(f"BatchNorm: eps must be positive, got {eps}")
        self.momentum, self.eps, self.axis_name, self.dtype = momentum, eps, axis_name, dtype
        self.frozen = False
        self.scale = nnx.Param(jnp.ones((features,), param_dtype)) if use_scale else None
        self.bias = nnx.Param(jnp.zeros((features,), param_dtype)) if use_bias else None
        self.mean = nnx.BatchStat(jnp.zeros((features,), param_dtype))
        self.var = nnx.BatchStat(jnp.ones((features,), param_dtype))

    @scoped
    def __call__(self, x: Float[Array, "*batch C"], *, train: bool = False) -> Float[Array, "*batch C"]:
        train = train and not self.frozen
        # No cast of statistics or parameters: F.batch_norm computes in theirs and returns x's dtype.
        y, mean, var = F.batch_norm(self._input(x), *self._operands(), train=train, **self._options())
        return self._moved(y, mean, var, train)

    def then(
        self,
        x: Float[Array, "*batch C"],
        w: Float[Array, "*kernel"],
        *,
        conv: Callable[[Array, Array], Array],
        activation: Callable[[Array], Array],
        train: bool = False,
    ) -> Float[Array, "*out O"]:
        """`conv(activation(self(x)), w)` by `F.batch_norm_conv`, which keeps x alone for the backward pass.

        All of it but `conv` is in this layer's scope.
        """
        train = train and not self.frozen
        options = {**self._options(), "conv": conv, "activation": activation, "scope": scope_name(self)}
        returned(self, x)  # what is normalised has the shape of x
        y, mean, var = F.batch_norm_conv(self._input(x), *self._operands(), w, train=train, **options)
        return self._moved(y, mean, var, train)

    def _input(self, x: Array) -> Array:
        return in_dtype(x, dtype=self.dtype)

    def _operands(self) -> tuple[Array, Array, Array | None, Array | None]:
        scale, bias = (None if a is None else a[...] for a in (self.scale, self.bias))
        return self.mean[...], self.var[...], scale, bias

    def _options(self) -> dict[str, Any]:
        return {"momentum": self.momentum, "eps": self.eps, "axis_name": self.axis_name}

    def _moved(self, y: Array, mean: Array, var: Array, train: bool) -> Array:
        """y, with the running statistics moved on in training."""
        if train:
            # Not by [...]: NNX then asks a tracer for its sharding, and JAX walks the whole trace to say it has none.
            self.mean.set_value(mean)
            self.var.set_value(var)
        return y
