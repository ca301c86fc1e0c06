"""Low-rank adaptation: factors beside the weights of a trained network, and they alone are trained."""

import math
from difflib import get_close_matches
from typing import Any

import jax.numpy as jnp
from flax import nnx

from jaxml.functional import init
from jaxml.functional._checks import check_above, check_positive
from jaxml.functional._dtypes import wide_dtype
from jaxml.nn._bridge import Model, copied
from jaxml.nn._freeze import Frozen, hold, listed, replaced, searcher
from jaxml.nn._low_rank import LowRank
from jaxml.nn._scope import members


def lora(model: Model, pattern: str, *, rank: int = 8, alpha: float = 16.0, rngs: nnx.Rngs) -> Model:
    """A copy of `model` in which the weights that `pattern` matches have trained factors, and all else is frozen.

        y = x w + b + alpha / rank (x a) b'

    `pattern` is searched for in the parameters' paths, as in `nn.freeze`: `"^layers/"`, `"attention/w_[qv]$"`. Each
    parameter that it matches and that has two axes or more is read as the matrix (in, out), `in` being all its axes but
    the last, and an `nn.LowRank` takes its place: dense layers, attention, recurrent layers, convolutions, embeddings.
    What has one axis, such as biases, is passed over.

    Shapes: w (in, out), a (in, rank), b' (rank, out): rank * (in + out) trained parameters a weight, at the paths
    `layers/0/w/a` and `layers/0/w/b`; w itself is at `layers/0/w/w`. a starts from LeCun's normal, variance 1 / in, and
    b' as zeros, so at first nothing changes. Factors are stored in float32 at least; a call computes as it did.

    What is frozen is so as by `nn.freeze`: no update, no decay, batch norms keep their statistics. To train a new head
    in full as well: `nn.unfreeze(nn.lora(model, "^layers/", rngs=rngs), "^head/")`. `nn.merge_lora` folds the factors
    in. `model` is left as it is; the copy shares its arrays.

    Variant: alpha / rank scales, as in the paper and in PEFT, which draws a from Kaiming's uniform, of variance
    1 / (3 in).
    Cost: rank * (in + out) MACs a row beside the layer's own in `nn.Linear`, and no gradient of w; elsewhere
    in * rank * out a call, to form the sum, and the backward pass forms the gradient of the sum.
    Errors: `TypeError` for anything but a module; `ValueError` for a pattern that is no regular expression or matches
    no weight, a rank below 1 or above min(in, out), an alpha that is not positive, a weight that has factors already.
    Reference: Hu et al. 2021, "LoRA: Low-rank adaptation of large language models", arXiv:2106.09685.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> net = nn.Sequential(nn.Linear(30, 40, rngs=nnx.Rngs(0)), nn.Linear(40, 20, rngs=nnx.Rngs(1)))
    >>> apply, params, state = nn.functionalize(nn.lora(net, "", rank=2, rngs=nnx.Rngs(2)))
    >>> nn.count_params(params), nn.count_params(state)
    (260, 2060)
    """
    matches = searcher("lora", pattern)
    made: Any = copied("lora", model)
    check_positive("lora", "rank", (rank,))
    check_above("lora", "alpha", alpha, 0)
    parts = dict(members(made))
    adapted = [path for path, part in parts.items() if isinstance(part, LowRank)]
    if again := [path for path in adapted if any(matches(f"{path}{end}") for end in ("", "/w", "/a", "/b"))]:
        raise ValueError(f"lora: {listed(again)} adapted already; merge_lora first, or match other weights")
    weights = {p: w for p, w in parts.items() if isinstance(w, nnx.Param | Frozen) and w.ndim > 1}
    chosen = [path for path in weights if matches(path)]
    if not chosen:
        near = get_close_matches(pattern.strip("^$/"), weights, n=3, cutoff=0.4)
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise ValueError(f"lora: {pattern!r} matches no weight of two axes or more{hint}; there are: {listed(weights)}")
    for path in chosen:
        shape = weights[path].shape
        if rank > (most := min(math.prod(shape[:-1]), shape[-1])):
            raise ValueError(f"lora: rank must be at most {most} for {path} of shape {shape}, got {rank}")

    def change(path: str, part: Any) -> Any:
        return _with_factors(part, rank, alpha / rank, rngs) if path in chosen else part

    replaced(made, change)
    factors = {f"{path}/{name}" for path, part in members(made) if isinstance(part, LowRank) for name in "ab"}
    hold(made, lambda path: path not in factors)
    return made


def merge_lora(model: Model) -> Model:
    """A copy of `model` in which every `nn.LowRank` is one parameter again, `w + alpha / rank a b'`.

    It gives what `model` gives, to rounding, and has the paths, shapes and dtypes that the model had before `nn.lora`:
    for `models.save_weights` and `fold_batch_norm`, at no cost in a call. Frozen stays frozen.

    Shapes: those of w. Errors: `TypeError` for anything but a module; `ValueError` for a model without such factors.
    Reference: Hu et al. 2021, arXiv:2106.09685, section 4.1.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import nn
    >>> net = nn.Sequential(nn.Linear(3, 4, rngs=nnx.Rngs(0)))
    >>> type(nn.merge_lora(nn.lora(net, "", rank=2, rngs=nnx.Rngs(1))).layers[0].w).__name__
    'Frozen'
    """
    made: Any = copied("merge_lora", model)
    found = [part for _, part in members(made) if isinstance(part, LowRank)]
    if not found:
        raise ValueError(f"merge_lora: {type(model).__name__} has no factors; nn.lora puts them there")

    def change(_: str, part: Any) -> Any:
        return type(part.w)(part[...], **part.w.get_metadata()) if isinstance(part, LowRank) else part

    return replaced(made, change)


def _with_factors(w: nnx.Variable, rank: int, scale: float, rngs: nnx.Rngs) -> LowRank:
    shape, dtype = w.shape, wide_dtype(w.dtype)
    a = init.lecun_normal()(rngs.params(), (math.prod(shape[:-1]), rank), dtype)
    return LowRank(w, nnx.Param(a), nnx.Param(jnp.zeros((rank, shape[-1]), dtype)), scale=scale)
