"""What the recurrent layers over time share: parameters of all layers and directions, and what is drawn for a call."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike

import jaxml.functional as F
from jaxml.functional import init
from jaxml.functional._checks import check_positive
from jaxml.nn._common import cast, in_dtype
from jaxml.nn._dropout import checked_rate, next_key

NAMES = ("w_ih", "w_hh", "b_ih", "b_hh", "w_hr", "peephole")


class Recurrent(nnx.Module):
    """Parameters of all layers and directions, and the masks of a call: arrays if there is one, lists if several."""

    gates = 1

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        num_layers: int,
        bidirectional: bool,
        dropout_rate: float,
        variational: bool,
        recurrent_dropout_rate: float,
        zoneout_rate: tuple[float, ...],
        projection_features: int | None = None,
        peepholes: bool = False,
        use_bias: bool,
        checkpoint_every: int | None,
        implementation: Any,
        w_init: init.Initializer | None,
        dtype: DTypeLike | None,
        param_dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        name = type(self).__name__
        check_positive(name, "in_features, hidden_features, num_layers", (in_features, hidden_features, num_layers))
        self.bidirectional, self.dtype, self.num_layers = bidirectional, dtype, num_layers
        self.dropout_rate, self.variational = checked_rate(name, dropout_rate), variational
        self.recurrent_dropout_rate = below_one(name, "recurrent_dropout_rate", recurrent_dropout_rate)
        self.zoneout_rate = tuple(below_one(name, "zoneout_rate", rate) for rate in zoneout_rate)
        if checkpoint_every is not None:
            check_positive(name, "checkpoint_every", (checkpoint_every,))
        self.checkpoint_every, self.implementation = checkpoint_every, implementation
        given = {
            "peepholes": peepholes,
            "recurrent_dropout_rate": recurrent_dropout_rate > 0,
            "zoneout_rate": any(zoneout_rate),
        }
        if implementation == "cudnn" and any(given.values()):
            refused = " and ".join(label for label, there in given.items() if there)
            raise ValueError(f"{name}: implementation='cudnn' does not go with {refused}; 'scan' and 'reference' do")
        out = hidden_features if projection_features is None else projection_features
        directions = 2 if bidirectional else 1
        columns = self.gates * hidden_features
        draw = uniform(hidden_features) if w_init is None else w_init
        found: dict[str, list[Any]] = {label: [] for label in NAMES}
        for layer in range(num_layers):
            features = in_features if layer == 0 else out * directions
            for _ in range(directions):
                shapes: dict[str, tuple[int, ...]] = {"w_ih": (features, columns), "w_hh": (out, columns)}
                shapes |= {"b_ih": (columns,), "b_hh": (columns,)} if use_bias else {}
                shapes |= {"w_hr": (hidden_features, out)} if projection_features is not None else {}
                shapes |= {"peephole": (3, hidden_features)} if peepholes else {}
                for label, shape in shapes.items():
                    made = draw if label.startswith("w") else init.zeros()
                    found[label].append(nnx.Param(made(rngs.params(), shape, param_dtype)))
        self.w_ih, self.w_hh, self.b_ih, self.b_hh, self.w_hr, self.peephole = (_held(p) for p in found.values())
        between = dropout_rate > 0 and num_layers > 1
        self.key = nnx.Variable(rngs.dropout()) if between or recurrent_dropout_rate or any(zoneout_rate) else None

    def _arrays(self, x: Array, more: dict[str, Array | None], train: bool) -> tuple[Array, dict[str, Any]]:
        """x and the arguments of the functional, in the dtype of the call."""
        names = [n for n in NAMES if getattr(self, n, None) is not None]
        params = [getattr(self, n) for n in names]
        flat = [p for given in params for p in (given if isinstance(given, nnx.List) else [given])]
        x, *arrays = cast(x, *(p[...] for p in flat), dtype=self.dtype)
        rest = iter(arrays)
        given = {
            n: [next(rest) for _ in p] if isinstance(p, nnx.List) else next(rest)
            for n, p in zip(names, params, strict=True)
        }
        states = {n: None if a is None else in_dtype(a, dtype=self.dtype) for n, a in more.items()}
        drawn = self._drawn(x, given["w_hh"], train)
        options = {n: getattr(self, n) for n in ("bidirectional", "checkpoint_every", "implementation")}
        return x, {**given, **drawn, **states, **options}

    def _drawn(self, x: Array, w_hh: Any, train: bool) -> dict[str, Any]:
        """The masks of dropout, and what stays of the states, by the names of the functional."""
        key = next_key(self.key, train)
        if key is None or getattr(x, "ndim", 0) != 3 or not jnp.issubdtype(x.dtype, jnp.floating):
            return {}  # any other x is for the functional to refuse
        stacked, directions = isinstance(w_hh, list), 2 if self.bidirectional else 1
        out, columns = (w_hh[0] if stacked else w_hh).shape
        batch, steps, parts = x.shape[0], x.shape[1], self.num_layers * directions
        between = (batch, 1 if self.variational else steps, out * directions)
        shares = zip(("zoneout_h", "zoneout_c"), self.zoneout_rate, (out, columns // self.gates), strict=False)
        wanted = [
            ("input_mask", self.dropout_rate, _mask, between, self.num_layers - 1),
            ("h_mask", self.recurrent_dropout_rate, _mask, (batch, out), parts),
            *((label, rate, _share, (batch, steps, size), parts) for label, rate, size in shares),
        ]
        wanted = [each for each in wanted if each[1] > 0 and each[4] > 0]
        found: dict[str, list[Any]]
        if not train:
            found = {n: [jnp.full((1, 1, 1), r, x.dtype)] * parts for n, r, draw, *_ in wanted if draw is _share}
        else:
            keys = iter(jax.random.split(key, sum(number for *_, number in wanted)))
            found = {n: [draw(next(keys), r, s, x.dtype) for _ in range(number)] for n, r, draw, s, number in wanted}
        if "input_mask" in found:
            found["input_mask"].insert(0, None)
        return found if stacked else {label: each[0] for label, each in found.items()}


def _held(params: list[nnx.Param]) -> Any:
    """The only parameter by itself, several in a list."""
    return nnx.List(params) if len(params) > 1 else params[0] if params else None


def _mask(key: Array, rate: float, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """0 with probability `rate`, and 1 / (1 - rate) otherwise."""
    return F.dropout(key, jnp.ones(shape, dtype), rate=rate)


def _share(key: Array, rate: float, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """1 with probability `rate`, and 0 otherwise."""
    return jax.random.bernoulli(key, rate, shape).astype(dtype)


def below_one(module: str, label: str, rate: float) -> float:
    if not 0 <= rate < 1:
        raise ValueError(f"{module}: {label} must be in [0, 1), got {rate}")
    return rate


def uniform(features: int) -> init.Initializer:
    """Uniform in ±features^-1/2, as PyTorch's."""
    bound = 1 / math.sqrt(features)
    return init.uniform(minval=-bound, maxval=bound)
