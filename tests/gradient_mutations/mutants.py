"""The table of mutants: base functions times mutations, and the structural mistakes of each."""

from functools import partial
from itertools import cycle
from typing import Any

import jax
import jax.numpy as jnp

from .bases import (
    BASES,
    LADDER,
    attention_pull,
    linear_pull,
    lstm_pull,
    masked_mean_pull,
    mlp_pull,
    norm_pull,
    rnn_pull,
)
from .case import LOW, Case, with_vjp
from .mutants_special import SPECIAL
from .mutations import drawn, element, factor, mutant, nan, only_in, rounded, size_of, transposed, ulps, zero

FACTORS = [factor(k) for k in (1.01, 2, -1)]
REVERSE_ONLY = {"masked_mean", "cross_entropy", "embedding"}  # integer arguments
HALF_BASES = ("sin", "mean_square", "softmax", "layer_norm", "linear", "mlp", "lstm", "attention")


def factors() -> list[Case]:
    """Every base function at every size, three factors; rule and dtype alternate."""
    combinations = cycle([("vjp", "float32"), ("jvp", "float64"), ("vjp", "float64"), ("jvp", "float32")])
    cases = []
    for name, base in BASES.items():
        for n in base.sizes:
            for mutation in FACTORS if len(base.sizes) > 2 or n == base.sizes[0] else FACTORS[:1]:
                kind, dtype = next(combinations)
                cases.append(mutant("factor", name, mutation, n, dtype, "vjp" if name in REVERSE_ONLY else kind))
            next(combinations)
    return cases


def leaves() -> list[Case]:
    """One leaf of several is zeroed or scaled, the large ones being right."""
    group = "one leaf"
    mlp = [
        mutant(group, "mlp", zero(leaf), n, dtype)
        for leaf in range(5)
        for n, dtype in ((5, "float64"), (784, "float32"))
    ]
    scalar = [mutant(group, "scaled_sin", zero(0), n, d) for n in (7, 1_000_000) for d in ("float32", "float64")]
    others = [
        mutant(group, "linear", zero(2), 1000, "float32"),
        mutant(group, "linear", zero(2), 3, "float64", "jvp"),
        mutant(group, "linear", factor(1.01, 2), 100, "float32", "jvp"),
        mutant(group, "layer_norm", zero(1), 1000, "float32"),
        mutant(group, "layer_norm", zero(2), 6, "float64", "jvp"),
        mutant(group, "lstm", zero(0), 32, "float32"),
        mutant(group, "lstm", zero(4), 3, "float64", "jvp"),
        mutant(group, "rnn", zero(0), 1000, "float32"),
        mutant(group, "attention", zero(1), 64, "float32"),
        mutant(group, "conv", zero(1), 5, "float32", "jvp"),
        mutant(group, "scaled_sin", factor(1.01, 0), 1_000_000, "float64", "jvp"),
        mutant(group, "mlp", factor(1.01, 0), 784, "float32", "jvp"),
    ]
    return mlp + scalar + others


def elements() -> list[Case]:
    """One element is wrong."""
    group, cases = "one element", []
    places = cycle(["middle", "first", "last"])
    for n, dtype in zip(LADDER[1:], cycle(["float64", "float32"]), strict=False):
        cases += [mutant(group, "sin", element(next(places), k), n, dtype) for k in (0, 1.01, 2)]
        cases.append(mutant(group, "mean_square", element(next(places), 1.01), n, dtype, "jvp"))
    cases += [
        mutant(group, "linear", element("middle", 2, 1), 1000, "float32"),
        mutant(group, "mlp", element("last", 0, 2), 784, "float32"),
        mutant(group, "conv", element("middle", 1.01, 1), 5, "float64"),
        mutant(group, "softmax", element("last", 0), 1000, "float32"),
        mutant(group, "rnn", element("first", 1.1, 0), 1000, "float64"),
        mutant(group, "embedding", element("last", 2), 10_000, "float32"),
        mutant(group, "log", element("last", 0), 7, "float64", note="beside an element of 10^12 times its slope"),
        mutant(group, "log", element("first", 1.01), 100, "float64", "jvp"),
    ]
    return cases


def structural() -> list[Case]:
    """Mistakes that people make in a backward pass, each at a small and a larger size."""
    pulls: list[tuple[str, str, Any, tuple[int, ...]]] = [
        (
            "linear",
            "weight gradient transposed",
            lambda a, c: (c @ a[1].T, c.T @ a[0][:, : c.shape[1]], c.sum(0)),
            (100,),
        ),
        ("linear", "bias gradient of the first row only", lambda a, c: (*linear_pull(a, c)[:2], c[0]), (3, 1000)),
        ("linear", "bias gradient averaged over the batch", lambda a, c: (*linear_pull(a, c)[:2], c.mean(0)), (3, 100)),
        ("linear", "input gradient by w, not its transpose", lambda a, c: (c @ a[1], *linear_pull(a, c)[1:]), (3, 100)),
        ("mlp", "tanh's slope forgotten", _mlp_linear, (5, 784)),
        ("mean_square", "1/n missing", lambda a, c: (2 * a[0] * c,), (7, 10_000, 1_000_000)),
        ("mean_square", "2 missing", lambda a, c: (a[0] * (c / a[0].size),), (7, 10_000, 1_000_000)),
        ("mean_square", "n - 1 for n", lambda a, c: (2 * a[0] * (c / (a[0].size - 1)),), (7, 100)),
        ("sum_square", "1/n too much", lambda a, c: (2 * a[0] * (c / a[0].size),), (7, 1_000_000)),
        ("masked_mean", "mask missing", partial(masked_mean_pull, masked=False), (7, 10_000)),
        ("masked_mean", "masked elements counted", partial(masked_mean_pull, counted=False), (7, 10_000)),
        ("attention", "mask missing", partial(attention_pull, causal=False), (5, 64)),
        ("attention", "1/sqrt(d) missing", partial(attention_pull, scaled=False), (5, 64)),
        (
            "attention",
            "q and k exchanged",
            lambda a, c: (*attention_pull(a, c)[1::-1], attention_pull(a, c)[2]),
            (5, 64),
        ),
        ("softmax", "the sum left out", lambda a, c: (jax.nn.softmax(a[0]) * c,), (7, 1000)),
        ("softmax", "sum over the wrong axis", _softmax_wrong_axis, (7, 1000)),
        ("cumsum", "not reversed", lambda a, c: (jnp.cumsum(c),), (7, 100)),
        ("layer_norm", "statistics held constant", norm_pull(1, statistics=False), (6, 1000)),
        ("batch_norm", "statistics held constant", norm_pull(0, statistics=False), (6, 1000)),
        ("normalise", "projection missing", lambda a, c: (c / jnp.sqrt((a[0] ** 2).sum()),), (7, 100)),
        ("lstm", "input and forget gate swapped", partial(lstm_pull, swap=True), (3, 32)),
        ("lstm", "cell's cotangent lost", partial(lstm_pull, cell=False), (3, 32)),
        ("rnn", "no gradient through time", partial(rnn_pull, through_time=False), (3, 1000)),
        ("inverse", "transposes missing", lambda a, c: (-(jnp.linalg.inv(a[0]) @ c @ jnp.linalg.inv(a[0])),), (3,)),
        ("embedding", "repeated rows overwritten", _embedding_set, (5, 10_000)),
        ("cross_entropy", "label not subtracted", lambda a, c: (jax.nn.softmax(a[0]) * c[:, None], None), (4, 1000)),
        ("cross_entropy", "mean for sum", _cross_entropy_mean, (4, 1000)),
        ("conv", "taps mirrored", lambda a, c: (_conv_pull(a, c)[0], _conv_pull(a, c)[1][::-1, ::-1]), (5, 32)),
        ("silu", "sigmoid for its slope", lambda a, c: (c * jax.nn.sigmoid(a[0]),), (1, 10_000)),
    ]
    cases = []
    for base, title, pull, sizes in pulls:
        f = with_vjp(BASES[base].f, pull)
        for n, dtype in zip(sizes, ("float64", "float32", "float32"), strict=False):
            cases.append(
                Case(
                    name=f"{base}: {title} [vjp, {dtype}, {size_of(base, n)}]",
                    group="structure",
                    kind="vjp",
                    size=size_of(base, n),
                    dtype=dtype,
                    f=f,
                    make_args=partial(drawn, base, n, dtype),
                    mutant=True,
                    truth=BASES[base].f,
                    wrong_by=0.01,
                )
            )
    return cases


def _mlp_linear(args: Any, c: Any) -> Any:
    params, x = args
    d = c @ params["w2"].T
    right = mlp_pull(args, c)[0]
    return {"b1": d.sum(0), "b2": right["b2"], "w1": x.T @ d, "w2": right["w2"]}, d @ params["w1"].T


def _softmax_wrong_axis(args: Any, c: Any) -> Any:
    y = jax.nn.softmax(args[0])
    return (y * (c - (y * c).sum(0, keepdims=True)),)


def _embedding_set(args: Any, c: Any) -> Any:
    table, ids = args
    return jnp.zeros_like(table).at[ids].set(c) * jnp.cos(table), None


def _cross_entropy_mean(args: Any, c: Any) -> Any:
    return BASES["cross_entropy"].pull(args, c)[0] / len(args[0]), None


_conv_pull = BASES["conv"].pull


def uses() -> list[Case]:
    """Right in one use, wrong in another; NaN; a narrower dtype on the way."""
    cases = []
    for where in ("jit", "eager", "vmap"):
        cases += [mutant(f"only in {where}", base, only_in(where, k), n, dtype) for base, n, dtype, k in USES]
    for base, n, dtype, kind in (("sin", 1, "float64", "vjp"), ("mean_square", 1_000_000, "float32", "vjp")):
        cases.append(mutant("NaN", base, nan("all"), n, dtype, kind))
    for base, n, dtype, where in NANS:
        cases.append(mutant("NaN", base, nan(where), n, dtype))
    cases.append(mutant("NaN", "silu", nan("all"), 100, "bfloat16"))
    for base, n, dtype, kind in ROUNDED:
        cases.append(mutant("rounding in the rule", base, rounded("bfloat16", 1e-3), n, dtype, kind))
    cases.append(mutant("rounding in the rule", "sin", rounded("float16", 1e-4), 100, "float64"))
    return cases


USES = [("sin", 7, "float32", 2), ("mlp", 5, "float64", 1.01), ("mean_square", 10_000, "float32", -1)]
USES += [("softmax", 7, "float64", 1.01)]
NANS = [("sin", 100, "float64", "last"), ("sin", 1_000_000, "float32", "middle"), ("linear", 3, "float64", "first")]
NANS += [("softmax", 7, "float16", "first")]
ROUNDED = [("sin", 100, "float32", "vjp"), ("mlp", 5, "float64", "vjp"), ("sum_square", 10_000, "float32", "jvp")]
ROUNDED += [("softmax", 7, "float64", "jvp")]


def low_precision() -> list[Case]:
    """Wrong by a known number of ULPs in float16 and bfloat16 alone, and wrong by a factor in every dtype."""
    cases = []
    for base in HALF_BASES:
        n = 100 if base == "mean_square" else BASES[base].sizes[min(1, len(BASES[base].sizes) - 1)]
        n = BASES[base].sizes[0] if base in ("mlp", "linear", "conv") else n
        for dtype in LOW:
            cases += [mutant("low precision, > 8 ULPs", base, ULPS[k], n, dtype) for k in (16, 64)]
    for base, n in (("sin", 100), ("layer_norm", 6)):
        for dtype in LOW:
            cases += [mutant("low precision, to 8 ULPs", base, ULPS[k], n, dtype) for k in (2, 4, 8)]
    rules = cycle(["vjp", "jvp"])
    for base, n in (("sin", 7), ("sin", 10_000), ("mlp", 5), ("softmax", 7), ("layer_norm", 6), ("lstm", 3)):
        for k, dtype in zip((1.1, 2, -1), cycle(LOW), strict=False):
            cases.append(mutant("low precision, > 8 ULPs", base, factor(k), n, dtype, next(rules)))
    cases += [mutant("low precision, > 8 ULPs", "mlp", zero(leaf), 5, dtype) for leaf in (0, 1) for dtype in LOW]
    cases.append(mutant("low precision, > 8 ULPs", "linear", transposed(1), 3, "bfloat16"))
    return cases


ULPS = {k: ulps(k) for k in (2, 4, 8, 16, 64)}
MUTANTS: list[Case] = [
    *factors(),
    *leaves(),
    *elements(),
    *structural(),
    mutant("structure", "linear", transposed(1), 3, "float32", "jvp"),
    mutant("structure", "linear", transposed(1), 1000, "float32"),
    mutant("structure", "mlp", transposed(2), 784, "float32"),
    mutant("structure", "conv", transposed(1), 5, "float64", "jvp"),
    *uses(),
    *low_precision(),
    *SPECIAL,
]
