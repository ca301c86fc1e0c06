"""Whether a case is what it claims to be, found without any of the checkers that are judged by it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .case import Case, cast, generator, is_float

# Compiled once, run once: the compiler's own time is all that counts.
FAST = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


class Slopes:
    """The gradient of `f` at `args` in floating point leaves: weights for the outputs, and the pull-back of them."""

    def __init__(self, case: Case, f: Callable[..., Any], args: tuple[Any, ...]) -> None:
        leaves, tree = jax.tree.flatten(args)
        self.places = [i for i, x in enumerate(leaves) if is_float(x)]
        self.point = [jnp.asarray(leaves[i]) for i in self.places]
        self.order = case.order
        rng = generator("cotangents")

        def restored(*xs: Any) -> list[Any]:
            new = list(leaves)
            for i, x in zip(self.places, xs, strict=True):
                new[i] = x
            return [y for y in jax.tree.leaves(f(*jax.tree.unflatten(tree, new))) if is_float(y)]

        self.f, self.compile = restored, lambda fn: jax.jit(fn, compiler_options=FAST)
        try:
            shapes = jax.eval_shape(restored, *self.point)
        except jax.errors.ConcretizationTypeError:  # a branch by value
            shapes, self.compile = restored(*self.point), lambda fn: fn
        self.weights = [_signs(rng, y) for y in shapes]
        self.directions = [_signs(rng, x) for x in self.point]

    def value(self, *xs: Any) -> Any:
        """The weighted sum of the outputs, its real part; for order 2, that of the gradient and the directions."""
        if self.order == 2:
            return self._along(*xs)
        return sum(((w * y).real.sum() for w, y in zip(self.weights, self.f(*xs), strict=True)), start=0.0)

    def gradient(self, *xs: Any, order: int | None = None) -> list[Any]:
        """The pull-back of the weights, or the gradient of its product with the directions."""
        if (order or self.order) == 2:
            return list(jax.grad(self._along, tuple(range(len(xs))))(*xs))
        y, pull = jax.vjp(self.f, *xs)
        return list(pull([w.astype(y.dtype) for w, y in zip(self.weights, y, strict=True)]))

    def _along(self, *xs: Any) -> Any:
        gradients = self.gradient(*xs, order=1)
        return sum((v * g).sum() for v, g in zip(self.directions, gradients, strict=True))


def _signs(rng: np.random.Generator, like: Any) -> Any:
    """Entries of size 1/2 to 3/2 with random signs; complex ones for complex arrays."""
    draw = lambda: rng.choice([-1, 1], like.shape) * rng.uniform(0.5, 1.5, like.shape)  # noqa: E731
    w = draw() + 1j * draw() if jnp.issubdtype(like.dtype, jnp.complexfloating) else draw()
    return w.astype(like.dtype)


def _dot(a: Any, b: Any) -> float:
    return float(np.sum(np.asarray(a) * np.asarray(b)).real)


def _wide(x: Any) -> Any:
    return np.asarray(x).astype(complex if jnp.issubdtype(x.dtype, jnp.complexfloating) else float)


def deviation(got: list[Any], want: list[Any], least: float = 1e-3) -> float:
    """The worst element's error, relative to itself or `least` of its leaf's median; inf for a NaN."""
    worst = 0.0
    for g, w in zip(map(_wide, got), map(_wide, want), strict=True):
        if g.size:
            if not np.isfinite(g).all():
                return np.inf
            floor = max(least * np.median(abs(w)), 1e-300)
            worst = max(worst, float((abs(g - w) / np.maximum(abs(w), floor)).max()))
    return worst


def ulps_off(got: list[Any], want: list[Any]) -> float:
    """The mean error in ULPs of the dtype of `got`, over elements that are not nearly zero."""
    errors = []
    for g, w in zip(got, want, strict=True):
        w = _wide(w)
        unit = 2.0 ** np.floor(np.log2(np.maximum(abs(w), 1e-300))) * float(jnp.finfo(g.dtype).eps)
        errors.append((abs(_wide(g) - w) / unit)[abs(w) > 0.1 * abs(w).max()])
    return float(np.mean(np.concatenate(errors)))


def wide(case: Case) -> tuple[Any, ...]:
    """The arguments in double precision; call within `jax.enable_x64(True)`."""
    return cast(case.make_args(), "float64")


def check_mutant(case: Case) -> None:
    """Asserts that the case is wrong by what it claims, and in no other use than it claims."""
    with jax.enable_x64(True):
        args = wide(case)
        bad, good = Slopes(case, case.f, args), Slopes(case, case.truth or case.f, args)
        if case.where == "raises":
            return _check_raises(bad)
        if case.where in ("low precision", "dtype"):
            return _check_native(case)
        if case.where == "value":
            return _check_value(case, bad, good)
        if case.where in ("jit", "eager", "vmap"):
            return _check_use(case, bad, good)
        if case.where == "random":
            twice = bad.gradient(*bad.point), bad.gradient(*bad.point)
            assert deviation(*twice) > 0
            return None
        first = case.order == 2
        both = lambda *xs: [(s.gradient(*xs), s.f(*xs), first and s.gradient(*xs, order=1)) for s in (bad, good)]  # noqa: E731
        (got, value, got_first), (want, true_value, want_first) = bad.compile(both)(*bad.point)
        assert all(np.isfinite(y).all() for y in value), "f itself is not finite"
        if case.truth:
            assert all(map(np.allclose, value, true_value)), "other values than the plain function"
        error = deviation(got, want if case.truth else got, least=1e-7)
        assert error >= min(0.9 * case.wrong_by, 1e300), f"wrong by {error} only"
        if first:
            assert deviation(got_first, want_first) < 1e-9, "the first derivative is wrong too"
    return None


def _check_raises(slopes: Slopes) -> None:
    try:
        slopes.gradient(*slopes.point)
    except (TypeError, ValueError):
        return
    raise AssertionError("JAX accepts it")


def _check_value(case: Case, bad: Slopes, good: Slopes) -> None:
    """The value is NaN, or another one when it is computed for a gradient."""
    if not np.isfinite(bad.value(*bad.point)):
        return
    differentiated, _ = jax.vjp(bad.f, *bad.point)
    assert deviation(differentiated, good.f(*good.point)) > 0.9 * case.wrong_by


def _check_use(case: Case, bad: Slopes, good: Slopes) -> None:
    """Wrong in one of three uses and right in the other two; what is only under vmap is right under jit, for one."""
    want = good.compile(good.gradient)(*good.point)
    found = {"jit": bad.compile(bad.gradient)(*bad.point), "eager": bad.gradient(*bad.point)}
    if case.where == "vmap":
        many = bad.compile(jax.vmap(bad.gradient))(*[jnp.stack([x, x]) for x in bad.point])
        found["vmap"] = [g[1] for g in many]
    for use, got in found.items():
        error = deviation(got, want)
        assert error > 0.9 * case.wrong_by if use == case.where else error < 1e-9, f"{use}: {error}"


def _check_native(case: Case) -> None:
    """Wrong as it is run, in its own dtype: by ULPs, in the dtype of the cotangent, or not finite."""
    with jax.enable_x64(case.x64):
        slopes = Slopes(case, case.f, case.make_args())
        got = slopes.compile(slopes.gradient)(*slopes.point)
    exact = Slopes(case, case.truth or case.f, wide(case))
    exact.weights = [_wide(w) for w in slopes.weights]
    want = exact.compile(exact.gradient)(*exact.point)
    if case.where == "dtype":
        assert got[0].dtype != slopes.point[0].dtype
    elif case.ulps:
        assert ulps_off(got, want) > 0.75 * case.wrong_by, f"{ulps_off(got, want)} ULPs"
    else:
        assert deviation(got, want) >= case.wrong_by
        assert deviation(want, want) == 0


def check_correct(case: Case) -> None:
    """Asserts that the case is right: against `truth`, or between the one-sided slopes along three directions."""
    with jax.enable_x64(True):
        slopes = Slopes(case, case.f, wide(case))
        if case.truth:
            good = Slopes(case, case.truth, wide(case))
            both = slopes.compile(lambda *xs: [(s.gradient(*xs), s.f(*xs)) for s in (slopes, good)])
            (got, value), (want, true_value) = both(*slopes.point)
            assert all(map(np.allclose, value, true_value)), "other values than the plain function"
            assert np.isfinite(deviation(got, got)), "not finite"
            assert deviation(got, want) <= case.rounding, f"off by {deviation(got, want)}"
            return
        f = slopes.compile(lambda *xs: (slopes.value(*xs), slopes.gradient(*xs)))
        got = [_wide(g) for g in f(*slopes.point)[1]]
        assert all(np.isfinite(g).all() for g in got), "not finite"
        point = [_wide(x) for x in slopes.point]
        size = sum(x.size for x in point)
        for seed in range(3):
            steps = [_step(generator(seed), x) for x in point]
            if not _agrees(point, got, lambda *xs: float(f(*xs)[0]), steps, case):
                # Several kinks at once need not bracket the slope; each alone must.
                assert size <= 300, "not between the slopes to the left and to the right"
                for only in range(size):
                    alone = _only(steps, only)
                    assert _agrees(point, got, lambda *xs: float(f(*xs)[0]), alone, case), f"element {only} is wrong"


def _step(rng: np.random.Generator, x: Any) -> Any:
    """A direction as large as each element; a zero moves by the typical size of the others."""
    typical = np.median(abs(x)[x != 0]) if (x != 0).any() else 1.0
    return _signs(rng, x) * np.where(x == 0, typical, abs(x))


def _only(steps: list[Any], place: int) -> list[Any]:
    """The direction with all but one element, counted over all leaves, set to zero."""
    alone = []
    for v in steps:
        keep = np.zeros(v.size)
        if 0 <= place < v.size:
            keep[place] = 1
        place -= v.size
        alone.append(v * keep.reshape(v.shape))
    return alone


def _agrees(point: list[Any], got: list[Any], f: Callable[..., float], v: list[Any], case: Case) -> bool:
    """Whether the slope along v lies between those of a step either way, for one of a few step sizes."""
    slope, middle = sum(map(_dot, got, v)), f(*point)
    scale = sum(_dot(abs(g), abs(d)) for g, d in zip(got, v, strict=True))
    for h in (1e-5, 1e-7, 1e-3, 1e-9, 1e-11):
        right = (f(*[x + h * d for x, d in zip(point, v, strict=True)]) - middle) / h
        left = (middle - f(*[x - h * d for x, d in zip(point, v, strict=True)])) / h
        slack = 1e-4 * scale + (1e-14 * abs(middle) + 1e-300) / h
        if min(left, right) - slack <= slope <= max(left, right) + slack:
            return True
    return False
