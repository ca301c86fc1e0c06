"""Mutants that no table gives: second order, NaN, dtypes, scales, complex numbers, kinks and inconsistent rules."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .bases import BASES
from .case import Case, cast, generator, is_float, with_jvp, with_vjp
from .mutations import Mutation, drawn, factor, on_leaves, size_of, zero


def special(group: str, title: str, f: Any, args: tuple[Any, ...], dtype: str, **known: Any) -> Case:
    """A case with its arguments given in float64 (or complex128); `cast` makes them what `dtype` says."""
    size = sum(np.size(x) for x in jax.tree.leaves(args) if is_float(x))
    known = {"kind": "vjp", "mutant": True, "wrong_by": 0.01} | known
    name = f"{title} [{known['kind']}, {dtype}, {size}]"
    real = {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)
    return Case(name=name, group=group, size=size, dtype=dtype, f=f, make_args=partial(cast, args, real), **known)


def normal(*shape: int, scale: float = 1.0) -> Any:
    return scale * generator(*shape).standard_normal(shape)


def second_order() -> list[Case]:
    """The first derivative is right, the second is not."""
    cases = []

    def add(base: str, title: str, f: Any, n: int, dtype: str, kind: str = "vjp") -> None:
        name = f"{base}, order 2: {title} [{kind}, {dtype}, {size_of(base, n)}]"
        make, size = partial(drawn, base, n, dtype), size_of(base, n)
        known = {"mutant": True, "truth": BASES[base].f, "order": 2, "wrong_by": 0.01}
        cases.append(Case(name, "second order", kind, size, dtype, f, make, **known))

    for base, sizes in SECOND.items():
        pull = BASES[base].pull
        f = with_vjp(BASES[base].f, lambda args, c, pull=pull: pull(jax.lax.stop_gradient(args), c))
        for n, dtype in zip(sizes, ("float64", "float32", "float32"), strict=False):
            add(base, "residuals stopped", f, n, dtype)
    for k in (1.01, 2.0, -1.0):
        for kind, n, dtype in (("vjp", 7, "float32"), ("jvp", 7, "float64"), ("jvp", 10_000, "float32")):
            add("sin", f"slope's own rule times {k:g}", _bent_slope(k, kind), n, dtype, kind)
    return cases


SECOND = {"sin": (1, 100, 1_000_000), "silu": (7,), "mean_square": (7, 10_000, 1_000_000), "sum_exp": (7, 100)}
SECOND |= {"softmax": (7,), "layer_norm": (6,), "mlp": (5, 784), "linear": (3,), "attention": (5,), "lstm": (3,)}


@cache
def _bent_slope(k: float, kind: str) -> Callable[..., Any]:
    """sin whose derivative is cos, whose derivative is given as -k sin."""
    cos = with_jvp(jnp.cos, lambda x, t: -k * jnp.sin(x[0]) * t[0])
    if kind == "vjp":
        return with_vjp(jnp.sin, lambda x, c: (c * cos(x[0]),))
    return with_jvp(jnp.sin, lambda x, t: cos(x[0]) * t[0])


def nans() -> list[Case]:
    """Autodiff of innocent code that divides zero by zero, and functions that are NaN themselves."""
    x, mask = normal(7), np.arange(7) % 2 == 0
    zeros = np.where(mask, 0.0, x)
    bad_sinc = lambda x: jnp.where(x != 0, jnp.sin(x) / x, 1)  # noqa: E731
    known = {"kind": "plain", "wrong_by": np.inf}
    masked = lambda x: jnp.where(mask, jnp.log(x), 0)  # noqa: E731
    safe = lambda x: jnp.where(mask, jnp.log(jnp.where(mask, x, 1)), 0)  # noqa: E731
    logistic = lambda x: 1 / (1 + jnp.exp(-x))  # noqa: E731
    cases = []
    for dtype in ("float32", "float64"):
        cases += [
            special(
                "NaN", "sin(x)/x by where at 0", bad_sinc, (zeros,), dtype, **known, truth=lambda x: jnp.sinc(x / np.pi)
            ),
            special(
                "NaN",
                "x |x| by sqrt at 0",
                lambda x: x * jnp.sqrt(x**2),
                (zeros,),
                dtype,
                **known,
                truth=lambda x: x * abs(x),
            ),
            special("NaN", "log masked after", masked, (np.where(mask, 1 + x**2, 0.0),), dtype, **known, truth=safe),
            special("NaN", "norm of zeros", lambda x: jnp.sqrt((x**2).sum()), (np.zeros(5),), dtype, **known),
            special("NaN", "std of equal numbers", lambda x: jnp.sqrt(x.var()), (np.ones(7),), dtype, **known),
            special("NaN", "NaN itself", lambda x: x * jnp.nan, (x,), dtype, **known, where="value"),
        ]
    overflow = "logistic by exp, far out"
    cases.append(special("NaN", overflow, logistic, (np.array([-1e3, 1.0]),), "float64", **known, truth=jax.nn.sigmoid))
    cases.append(
        special("NaN", overflow, logistic, (np.array([-1e2, 1.0]),), "float32", **known, where="low precision")
    )
    infinite = with_vjp(jnp.sin, lambda x, c: (c / jnp.zeros_like(x[0]),))
    cases.append(special("NaN", "infinite", infinite, (x,), "float32", truth=jnp.sin, wrong_by=np.inf))
    return cases


def dtypes() -> list[Case]:
    """Cotangents of another dtype, shape or tree than the argument. JAX rejects some, and lets others through."""
    x, sin = normal(7), jnp.sin

    def rule(change: Callable[[Any], Any]) -> Any:
        return with_vjp(sin, lambda x, c: change(c * jnp.cos(x[0])))

    cases = [
        special(
            "wrong dtype",
            f"sin: cotangent in {to}",
            rule(lambda g, to=to: (g.astype(to),)),
            (x,),
            dtype,
            truth=sin,
            where="dtype",
        )
        for dtype, to in (
            ("float32", "bfloat16"),
            ("float32", "float16"),
            ("float64", "float32"),
            ("bfloat16", "float32"),
        )
    ]
    pushed = with_jvp(sin, lambda x, t: (t[0] * jnp.cos(x[0])).astype("bfloat16"))
    for title, change in (
        ("an axis too many", lambda g: (g[None],)),
        ("too short", lambda g: (g[1:],)),
        ("two for one", lambda g: (g, g)),
    ):
        f = rule(change)
        cases.append(special("wrong dtype", f"sin: cotangent {title}", f, (x,), "float32", truth=sin, where="raises"))
    cases.append(
        special(
            "wrong dtype", "sin: tangent in bfloat16", pushed, (x,), "float32", truth=sin, where="raises", kind="jvp"
        )
    )
    return cases


def scales() -> list[Case]:
    """Arguments of 1e-6 and 1e6, where a fixed step does not reach."""
    cases = []
    for base, n in (("sin", 7), ("sin", 10_000), ("mean_square", 100), ("softmax", 7), ("mlp", 5)):
        for s, dtype in ((1e6, "float32"), (1e-6, "float64"), (1e-6, "float32"), (1e6, "float64")):
            mutation = SCALED[(s == 1e6) + 2 * (dtype == "float32")]
            f, truth = _rescaled(base, s, mutation), _rescaled(base, s, None)
            args = jax.tree.map(lambda x, s=s: x * s, drawn(base, n, "float64"))
            title = f"{base} of arguments about {s:g}: {mutation.name}"
            known = {"truth": truth, "wrong_by": mutation.wrong_by}
            cases.append(special("scale", title, f, args, dtype, **known))
    both = {"a small": normal(7, scale=1e-6), "b large": normal(7, scale=1e6)}
    two = lambda t: jnp.sin(1e6 * t["a small"]) + jnp.sin(1e-6 * t["b large"])  # noqa: E731
    for leaf, dtype in ((0, "float64"), (1, "float64"), (0, "float32"), (1, "float32")):
        f = with_jvp(two, lambda args, t, leaf=leaf: jax.jvp(two, args, factor(1.01, leaf).bend(t))[1])
        title = f"leaves of 1e-6 and 1e6: factor 1.01 of leaf {leaf}"
        cases.append(special("scale", title, f, (both,), dtype, truth=two, kind="jvp"))
    return cases


SCALED = [factor(1.01), factor(-1), zero(0), factor(2)]


@cache
def _rescaled(base: str, s: float, mutation: Mutation | None) -> Callable[..., Any]:
    """`f(x / s)`, plain without a mutation."""
    divide = on_leaves(lambda x: x / s)
    f, pull = (lambda *args: BASES[base].f(*divide(args))), BASES[base].pull
    return with_vjp(f, lambda args, c: mutation.bend(divide(pull(divide(args), c)))) if mutation else f


def complexes() -> list[Case]:
    """A conjugate in the wrong place; JAX's convention has none in a pull-back."""
    z, w = normal(5) + 1j * normal(5)[::-1], normal(4) + 1j * normal(4)[::-1]
    square = lambda z: z.real**2 + z.imag**2  # noqa: E731
    times = lambda z, w: z[:4] * w  # noqa: E731
    pad = lambda g: jnp.concatenate([g, jnp.zeros_like(g[:1])])  # noqa: E731
    real = lambda g: jax.lax.complex(g.real, jnp.zeros_like(g.real))  # noqa: E731
    power = lambda x: jnp.abs(jnp.fft.rfft(x)) ** 2  # noqa: E731
    rules: list[tuple[str, Any, Any, tuple[Any, ...]]] = [
        ("exp: cotangent conjugated", jnp.exp, lambda a, c: (c.conj() * jnp.exp(a[0]),), (z,)),
        ("exp: slope conjugated", jnp.exp, lambda a, c: (c * jnp.exp(a[0]).conj(),), (z,)),
        ("|z|^2: not conjugated", square, lambda a, c: (2 * c.astype(a[0].dtype) * a[0],), (z,)),
        ("z w: w conjugated", times, lambda a, c: (pad(c * a[1].conj()), c * a[0][:4]), (z, w)),
        ("z w: factor 1.01 of w", times, lambda a, c: (pad(c * a[1]), 1.01 * c * a[0][:4]), (z, w)),
        ("z w: imaginary part lost", times, lambda a, c: (real(pad(c * a[1])), c * a[0][:4]), (z, w)),
        ("|rfft x|^2: factor 2", power, lambda a, c: (2 * jax.vjp(power, a[0])[1](c)[0],), (normal(8),)),
    ]
    cases = []
    for title, f, pull, args in rules:
        for dtype in ("complex64", "complex128"):
            cases.append(special("complex", title, with_vjp(f, pull), args, dtype, truth=f))
    return cases


def kinks() -> list[Case]:
    """Slopes outside the two one-sided ones, and mistakes at single points, which central differences step over."""
    with_zero = np.concatenate([[0.0], normal(6)])
    hundred = np.where(np.arange(100) == 37, 0.0, normal(100))
    relu = lambda x: jnp.maximum(x, 0)  # noqa: E731
    box = lambda x: jnp.clip(x, -1, 1)  # noqa: E731

    def slope(f: Any, of: Callable[[Any], Any]) -> Any:
        return with_jvp(f, lambda x, t: of(x[0]) * t[0])

    def leaky(at: Any) -> Callable[[Any], Any]:
        return lambda x: jnp.where(x == 0, jnp.full_like(x, at), (x > 0).astype(x.dtype))

    ends = lambda x: jnp.where(abs(x) == 1, jnp.full_like(x, 2), (abs(x) < 1).astype(x.dtype))  # noqa: E731
    sin_zero = lambda x: jnp.where(x == 0, jnp.full_like(x, 1.5), jnp.cos(x))  # noqa: E731
    abs_three = lambda x: jnp.where(x == 0, jnp.full_like(x, 3), jnp.sign(x))  # noqa: E731
    ties = with_vjp(jnp.max, lambda x, c: (c * (x[0] == x[0].max()).astype(x[0].dtype),))
    both = with_vjp(jnp.maximum, lambda a, c: tuple(c * (p == jnp.maximum(*a)).astype(p.dtype) for p in a))
    tied = np.array([1.0, 3.0, 3.0, -1.0, 3.0])
    table: list[tuple[str, Any, tuple[Any, ...], Any, str]] = [
        ("|x|: slope 3 at 0", slope(jnp.abs, abs_three), (with_zero,), jnp.abs, "jvp"),
        ("|x|: slope 3 at 0", slope(jnp.abs, abs_three), (np.zeros(1),), jnp.abs, "jvp"),
        ("relu: slope 2 at 0", slope(relu, leaky(2)), (with_zero,), relu, "jvp"),
        ("relu: slope -1 at 0", slope(relu, leaky(-1)), (hundred,), relu, "jvp"),
        ("clip: slope 2 at the ends", slope(box, ends), (np.array([-1.0, 0.3, 1.0, 4.0]),), box, "jvp"),
        ("relu: 1.01 right of the kink", slope(relu, lambda x: 1.01 * leaky(0)(x)), (with_zero,), relu, "jvp"),
        ("sin: slope 1.5 at 0", slope(jnp.sin, sin_zero), (with_zero,), jnp.sin, "jvp"),
        ("sin: slope 1.5 at 0", slope(jnp.sin, sin_zero), (hundred,), jnp.sin, "jvp"),
        ("max: slope 1 to every tie", ties, (tied,), jnp.max, "vjp"),
        ("maximum: slope 1 to both of a tie", both, (tied, tied[::-1].copy()), jnp.maximum, "vjp"),
    ]
    cases = []
    for title, f, args, truth, kind in table:
        for dtype in ("float32", "float64"):
            cases.append(special("kink", title, f, args, dtype, truth=truth, kind=kind))
    return cases


def inconsistent() -> list[Case]:
    """Rules that are no derivative of anything: not linear, not transposes of each other, not the same twice."""
    x, draws = normal(7), generator("noise")

    def noise() -> Any:
        return np.float32(1 + 0.1 * draws.random())

    def random(args: Any, c: Any) -> Any:
        k = jax.pure_callback(noise, jax.ShapeDtypeStruct((), "float32"), vmap_method="sequential")
        return (c * jnp.cos(args[0]) * k.astype(c.dtype),)

    def lopsided(x: Any) -> Any:
        @jax.custom_jvp
        def f(x: Any) -> Any:
            return jnp.sin(x)

        @f.defjvp
        def _(x: Any, t: Any) -> Any:
            times = lambda slope, t: slope * t  # noqa: E731
            bent = lambda slope, c: 1.01 * slope * c  # noqa: E731
            return jnp.sin(x[0]), jax.custom_derivatives.linear_call(times, bent, jnp.cos(x[0]), t[0])

        return f(x)

    fwd = jax.custom_vjp(jnp.sin)
    fwd.defvjp(lambda x: (1.01 * jnp.sin(x), x), lambda x, c: (c * jnp.cos(x),))
    value = jax.custom_jvp(jnp.sin)
    value.defjvp(lambda x, t: (1.01 * jnp.sin(x[0]), jnp.cos(x[0]) * t[0]))
    batch = jax.custom_batching.custom_vmap(jnp.cos)
    batch.def_vmap(lambda size, batched, x: (1.01 * jnp.cos(x), True))
    rules: list[tuple[str, Any, str, str]] = [
        (
            "clipped cotangent",
            with_vjp(jnp.sin, lambda x, c: (jnp.clip(c * jnp.cos(x[0]), -0.5, 0.5),)),
            "everywhere",
            "vjp",
        ),
        (
            "cotangent normalised",
            with_vjp(jnp.sin, lambda x, c: (c / jnp.sqrt((c**2).sum()) * jnp.cos(x[0]),)),
            "everywhere",
            "vjp",
        ),
        ("weight decay inside", with_vjp(jnp.sin, lambda x, c: (c * jnp.cos(x[0]) + 0.1 * x[0],)), "everywhere", "vjp"),
        ("cotangent squared", with_vjp(jnp.sin, lambda x, c: (c**2 * jnp.cos(x[0]),)), "everywhere", "vjp"),
        ("another every time", with_vjp(jnp.sin, random), "random", "vjp"),
        ("transpose 1.01 of the push-forward", lopsided, "everywhere", "jvp"),
        ("another value when differentiated", fwd, "value", "vjp"),
        ("another value when differentiated", value, "value", "jvp"),
        ("slope 1.01 under vmap", with_jvp(jnp.sin, lambda x, t: batch(x[0]) * t[0]), "vmap", "jvp"),
    ]
    cases = []
    for title, f, where, kind in rules:
        for dtype in ("float32", "float64"):
            group = "only in vmap" if where == "vmap" else "inconsistent"
            cases.append(special(group, f"sin: {title}", f, (x,), dtype, truth=jnp.sin, where=where, kind=kind))
    return cases


SPECIAL: list[Case] = [*second_order(), *nans(), *dtypes(), *scales(), *complexes(), *kinks(), *inconsistent()]
