"""A model for inference alone, its batch norms made part of the layers before them."""

from collections.abc import Iterator
from typing import Any

from flax import nnx

import jaxml.functional as F
from jaxml import nn
from jaxml.models._folded_norm import FoldedNorm
from jaxml.nn._bridge import copied
from jaxml.nn._common import read
from jaxml.nn._scope import members

# Layers whose kernel `w` and bias `b` have the output features on the last axis.
FOLDABLE = (nn.Conv, nn.DepthwiseConv, nn.ConvTranspose, nn.Linear)


def fold_batch_norm(model: nnx.Module) -> nnx.Module:
    """A copy of a model for inference, in which every batch norm behind a convolution is one addition.

        w ← w · scale / √(var + eps)            norm(x) ← x + (b - mean) · scale / √(var + eps) + bias

    with the running statistics, by `F.fold_batch_norm`. The copy computes what `model(x)` does, to rounding, in fewer
    operations; it has no statistics and cannot be trained, and `model` stays as it is. Batch norms that stand before
    their convolution, with an addition or an activation in between, are kept: the first of each block of a ResNet of
    version 2, and its last. Shapes: inputs and outputs are those of `model`.

    It knows the image models of `jaxml.models`, and a convolution or linear layer followed by `nn.BatchNorm` in an
    `nn.Sequential`, at any depth of the model. Load weights and train first, fold last: weight files do not fit the
    copy, whose `folded` is True.

    Errors: `ValueError` for a model that is folded already or has nothing to fold, and when the copy is called with
    `train=True`.
    Reference: Jacob et al. 2017, section 3.2, arXiv:1712.05877.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import models, nn
    >>> model = models.create("cnn_separable", rngs=nnx.Rngs(0))
    >>> folded = models.fold_batch_norm(model)
    >>> x = jnp.ones((1, 8, 8, 1))
    >>> bool(jnp.allclose(folded(x), model(x), atol=1e-5)), len(nn.functionalize(folded)[2])
    (True, 1)
    """
    name = type(model).__name__
    if is_folded(model):
        raise ValueError(f"fold_batch_norm: this {name} is folded already")
    copy = copied("fold_batch_norm", model)
    pairs = _all_pairs(copy)
    if not pairs:
        raise ValueError(f"fold_batch_norm: this {name} has no nn.BatchNorm behind a convolution that it knows of")
    folded = {id(norm): _fold(layer, norm) for layer, norm in pairs}
    for module in _modules(copy):
        _replace(module, folded)
    copy.folded = True  # type: ignore[attr-defined]
    return copy


def has_foldable(model: nnx.Module) -> bool:
    """Whether there is a batch norm that `fold_batch_norm` knows how to fold."""
    return bool(_all_pairs(model))


def is_folded(model: Any) -> bool:
    """Whether `fold_batch_norm` made this model."""
    return getattr(model, "folded", False)


def _modules(model: nnx.Module) -> list[nnx.Module]:
    return [module for _, module in members(model) if isinstance(module, nnx.Module)]


def _all_pairs(model: nnx.Module) -> list[tuple[Any, nn.BatchNorm]]:
    return [pair for module in _modules(model) for pair in _pairs(module)]


def _pairs(module: Any) -> Iterator[tuple[Any, nn.BatchNorm]]:
    """Each layer of this very module that has a batch norm behind it, and that."""
    if isinstance(module, nn.Sequential):
        found = zip(module.layers, list(module.layers)[1:], strict=False)
    elif hasattr(module, "folds"):
        found = module.folds
    elif hasattr(module, "layers"):  # the blocks' own: (convolution, norm, activation)
        found = ((layer[0], layer[1]) for layer in module.layers if isinstance(layer, tuple))
    else:
        return
    yield from ((a, b) for a, b in found if isinstance(a, FOLDABLE) and isinstance(b, nn.BatchNorm))


def _fold(layer: Any, norm: nn.BatchNorm) -> FoldedNorm:
    """The layer with the norm's scale in its kernel and without its bias, which is in what is returned."""
    statistics = norm.mean[...], norm.var[...], read(norm.scale), read(norm.bias)
    w, b = F.fold_batch_norm(layer.w[...], read(layer.b), *statistics, eps=norm.eps)
    layer.w[...] = w
    layer.b = nnx.data(None)
    return FoldedNorm(b)


def _replace(module: nnx.Module, folded: dict[int, FoldedNorm]) -> None:
    """What was made of a norm, wherever the module's own attributes are that norm."""
    for name, value in list(vars(module).items()):
        if id(value) in folded:
            setattr(module, name, folded[id(value)])
        elif isinstance(value, nnx.List):
            for i, item in enumerate(value):
                if id(item) in folded:
                    value[i] = folded[id(item)]
