"""The gradient in the caller's own dtype against the float64 gradient, in units in the last place (ULPs)."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from jaxml.gradcheck._consistency import nudged
from jaxml.gradcheck._finding import Finding
from jaxml.gradcheck._function import Arrays, Function
from jaxml.gradcheck._leaves import epsilon
from jaxml.gradcheck._point import WEIGHTS, wide

ULPS = 8.0
POINTS = 5


@dataclass(frozen=True)
class Sample:
    """Both gradients at one point with one cotangent, `want` in float64, and how well the outputs themselves agree."""

    got: Arrays
    want: Arrays
    sensitivity: Arrays  # what rounding the arguments and every operation does to `want`
    dtypes: list[np.dtype]
    value_error: float  # of the outputs, relative to the largest
    finite: bool  # the outputs in the own dtype are


def native(own: Function, xs: Arrays, truth: Function, rng: np.random.Generator) -> list[Finding]:
    """At the point itself, at neighbours one ULP away and at points further off, each with a cotangent of its own.

    Rounding is another at every one; a wrong rule is wrong by the same share at all of them.
    """
    dtypes = [x.dtype for x in xs]
    with np.errstate(all="ignore"):
        share = max(1 / 32, 4 * max(epsilon(d) for d in dtypes))
        away = [[(wide(x) * (1 + share * rng.uniform(-1, 1, x.shape))).astype(x.dtype) for x in xs] for _ in range(2)]
        points = [xs, nudged(xs, rng), nudged(xs, rng), *away]
        try:
            samples = [_sample(own, truth, point, rng) for point in points]
        except Exception as error:
            line = (str(error).splitlines() or [""])[0][:300]
            reason = f"pulling back a cotangent in the own dtype raised {type(error).__name__}: {line}"
            return [Finding(k, "wrong", "pull-back", reason) for k in range(len(xs))]
        found = dtypes_kept(xs, samples[0].dtypes)
        return found + [_judge(k, x.dtype, samples) for k, x in enumerate(xs)]


def _sample(own: Function, truth: Function, xs: Arrays, rng: np.random.Generator) -> Sample:
    shapes = own.outputs(xs)
    cs = [rng.choice(WEIGHTS, y.shape) * rng.choice([-1.0, 1.0], y.shape) for y in shapes]
    doubles = [wide(x) for x in xs]
    want_ys = truth.outputs(doubles)
    cs = [np.where(np.isfinite(wide(y)), c, 0) for c, y in zip(cs, want_ys, strict=True)]
    ys, got = own.pull(xs, [c.astype(y.dtype) for c, y in zip(cs, shapes, strict=True)])
    wide_cs = [c.astype(y.dtype) for c, y in zip(cs, want_ys, strict=True)]
    want_ys, want = truth.pull(doubles, wide_cs)
    beside = truth.pull([wide(x) for x in nudged(xs, rng)], wide_cs)[1]
    sensitivity = [np.abs(wide(a) - wide(b)) for a, b in zip(beside, want, strict=True)]
    if truth.compiled:
        eps = max(epsilon(x.dtype) for x in xs)
        off = truth.pull_off(doubles, wide_cs, eps, int(rng.integers(2**31)))
        sensitivity = [np.fmax(s, np.abs(wide(a) - wide(b))) for s, a, b in zip(sensitivity, off, want, strict=True)]
    errors, finite = [0.0], True
    for y, w in zip(map(wide, ys), map(wide, want_ys), strict=True):
        usable = np.isfinite(w)
        finite = finite and bool(np.isfinite(y[usable]).all())
        top = np.max(np.abs(w), where=usable, initial=0)
        errors.append(float(np.max(np.abs(y - w), where=usable, initial=0) / top) if top else 0.0)
    return Sample(
        [wide(g) for g in got], [wide(g) for g in want], sensitivity, [g.dtype for g in got], max(errors), finite
    )


def dtypes_kept(xs: Arrays, dtypes: list[np.dtype]) -> list[Finding]:
    """A gradient has the dtype of its leaf."""
    return [
        Finding(k, "wrong", "dtype", f"the gradient comes in {dtype}, its leaf is {x.dtype}")
        for k, (x, dtype) in enumerate(zip(xs, dtypes, strict=True))
        if x.dtype != dtype
    ]


def _judge(leaf: int, dtype: np.dtype, samples: list[Sample]) -> Finding:
    eps, info = epsilon(dtype), jnp.finfo(dtype)
    got, want, sensitivity = (
        np.stack([getattr(s, name)[leaf].ravel() for s in samples]) for name in ("got", "want", "sensitivity")
    )
    base = samples[0]
    lost = ~np.isfinite(got[0]) & (np.abs(want[0]) <= float(info.max))
    if lost.any():
        k = int(np.argmax(lost))
        if base.finite:
            reason = f"in {dtype} (got) it is not finite, in float64 (want) it is"
            return Finding(leaf, "nan", "ulps", reason, k, float(got[0, k]), float(want[0, k]))
        return Finding(leaf, "inconclusive", "ulps", f"f overflows in {dtype}, so its gradient there says nothing", k)
    error = np.where(got == want, 0.0, got - want)
    floor = 32 * float(info.smallest_subnormal)
    unit = eps * np.maximum(np.abs(want), floor / eps)
    # Conditioning: what one ULP of the arguments does to the true gradient, and what the outputs themselves lose.
    top = np.max(np.abs(want), axis=1, keepdims=True, initial=0)
    lost_share = np.array([[0.0 if s.value_error < 8 * eps else s.value_error] for s in samples])
    explained = 2 * np.nan_to_num(sensitivity) + 4 * lost_share * top
    plain, shared = error / unit, error * np.sign(want) / unit  # wrong by a constant, wrong by a factor
    signed = np.where(np.std(plain, 0) <= np.std(shared, 0), plain, shared)
    scatter = np.std(signed, 0)
    residual = (signed - np.mean(signed, 0)) * unit
    pooled = np.sqrt(np.mean(np.square(residual), where=np.isfinite(residual))) if np.isfinite(residual).any() else 0.0
    allowed = ULPS + explained / unit + 4 * scatter + 4 * pooled / unit
    same = np.all(signed > 0, 0) | np.all(signed < 0, 0)
    excess = np.where(same & np.all(np.isfinite(signed), 0), np.median(np.abs(signed) / allowed, 0), 0.0)
    k = int(np.argmax(excess))
    numbers = k, float(got[0, k]), float(want[0, k]), float((allowed * unit)[0, k])
    if excess[k] > 1:
        ulps = f"{abs(signed[0, k]):.0f} ULPs, of which {allowed[0, k]:.0f} are explained"
        return Finding(leaf, "wrong", "ulps", f"in {dtype} (got) it differs from float64 (want) by {ulps}", *numbers)
    factor = _factor(got, want, sensitivity, lost_share.ravel(), eps)
    if abs(factor) > ULPS * eps:
        reason = f"in {dtype} (got) the whole leaf is off float64's (want) by a factor of {1 + factor:.6g}"
        return Finding(leaf, "wrong", "ulps", reason, *numbers)
    return Finding(leaf, "ok", "ulps", "", *numbers)


def _factor(got: np.ndarray, want: np.ndarray, sensitivity: np.ndarray, lost: np.ndarray, eps: float) -> float:
    """What `got` is too large by as a whole, as a share and beyond what is explained; 0 where that varies in sign.

    Rounding averages out over a leaf, so a common factor shows that is too small to be seen in one element.
    """
    squares = np.sum(want * want, 1)
    if not (np.isfinite(squares).all() and (squares > 0).all() and np.isfinite(got).all()):
        return 0.0
    shares = np.sum((got - want) * want, 1) / squares
    if np.abs(np.sum(np.sign(shares))) < len(shares):
        return 0.0
    explained = np.sqrt(np.sum(np.square(np.nan_to_num(sensitivity)), 1) / squares / want.shape[1]) + 4 * lost
    beyond = np.median(np.abs(shares) - explained) - 4 * np.std(shares)
    return float(np.sign(shares[0]) * beyond) if beyond > ULPS * eps else 0.0
