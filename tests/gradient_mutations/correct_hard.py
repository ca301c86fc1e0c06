"""Right gradients that look wrong: kinks, cancellation, half precision, bad conditioning, stop_gradient, arguments."""

from itertools import cycle
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .case import Case, with_jvp
from .mutants_special import normal, special

BOTH = ("float32", "float64")
ALTERNATE = cycle([("float32",), ("float64",)])
stop = jax.lax.stop_gradient


def right(group: str, title: str, f: Any, *args: Any, dtypes: tuple[str, ...] = BOTH, **known: Any) -> list[Case]:
    """A correct function as a case for each dtype."""
    known = {"mutant": False, "kind": "plain", "wrong_by": 0.0} | known
    return [special(group, title, f, args, dtype, **known) for dtype in dtypes]


def kinks() -> list[Case]:
    """At the kink, where any slope between the two is right, and beside it, where small steps cross it."""
    x = np.concatenate([[0.0], normal(6)])
    tied = np.array([1.0, 3.0, 3.0, -1.0, 3.0])
    twins = np.array([1.0, 3.0, 3.0, -1.0, 5.0])  # of three, one alone does not move the second largest
    near = np.array([1.0, -2.0, 1e-3, -1e-6, 1e-9])
    relu = lambda x: jnp.maximum(x, 0)  # noqa: E731
    tree = {"b": np.zeros(8), "w": normal(5, 8), "v": normal(8, 2)}
    net = lambda t, x: jax.nn.relu(x @ t["w"] + t["b"][None]) @ t["v"]  # noqa: E731
    group, cases = "kink", []
    for at in (-1.0, 0.0, 0.5):
        f = with_jvp(jnp.abs, lambda x, t, at=at: jnp.where(x[0] == 0, jnp.full_like(x[0], at), jnp.sign(x[0])) * t[0])
        cases += right(group, f"|x| with slope {at:g} at 0", f, x, kind="jvp")
    for title, f, *args in [
        ("relu at 0", jax.nn.relu, x),
        ("relu of zeros", jax.nn.relu, np.zeros(100)),
        ("relu at 0, size 1", jax.nn.relu, np.zeros(1)),
        ("maximum(x, 0) at 0", relu, x),
        ("|x| at 0", jnp.abs, x),
        ("sum |x| of zeros", lambda x: abs(x).sum(), np.zeros(1000)),
        ("leaky relu at 0", jax.nn.leaky_relu, x),
        ("relu6 at 0 and 6", jax.nn.relu6, np.array([0.0, 6.0, 3.0, 7.0])),
        ("where(x > 0, x, 0) at 0", lambda x: jnp.where(x > 0, x, 0), x),
        ("clip at its ends", lambda x: jnp.clip(x, -1, 1), np.array([-1.0, 0.3, 1.0, 4.0])),
        ("max with ties", jnp.max, tied),
        ("min with ties", jnp.min, -tied),
        ("max of equal numbers", jnp.max, np.ones(100)),
        ("maximum of equal arrays", jnp.maximum, tied, tied),
        ("minimum with ties", jnp.minimum, tied, tied[::-1].copy()),
        ("sort with ties", jnp.sort, twins),
        ("median of an even number", jnp.median, np.array([1.0, 2.0, 2.0, 5.0])),
        ("top 3 with ties", lambda x: jax.lax.top_k(x, 3)[0], twins),
        ("relu net at zero", net, tree, np.zeros((3, 5))),
        ("relu net with dead rows", net, tree, np.where(np.arange(3)[:, None] == 1, 0.0, normal(3, 5))),
        ("hinge at 1", lambda x: jnp.maximum(1 - x, 0).mean(), np.array([1.0, 1.0, 0.5, 2.0])),
        (
            "huber at its corner",
            lambda x: jnp.where(abs(x) < 1, x**2 / 2, abs(x) - 0.5).sum(),
            np.array([1.0, -1.0, 0.0]),
        ),
        ("|x - y| of equals", lambda x, y: abs(x - y).sum(), x, x),
        ("relu near 0", jax.nn.relu, near),
        ("sum of relu near 0", lambda x: jax.nn.relu(x).sum(), near),
        ("|x| near 0", jnp.abs, near),
        ("max nearly tied", jnp.max, np.array([3.0, 3.0 + 1e-7, 3.0 - 1e-6, 1.0])),
        ("clip near its end", lambda x: jnp.clip(x, -1, 1), np.array([1 - 1e-4, 1 + 1e-4, -1 + 1e-7])),
        ("x |x| at 0", lambda x: x * abs(x), x),
        ("relu(x)^2 at 0", lambda x: jax.nn.relu(x) ** 2, x),
        ("floor between integers", lambda x: jnp.floor(x) + x**2, np.array([0.5, 1.4, -2.3])),
        ("round between halves", lambda x: jnp.round(x) * x, np.array([0.1, 1.4, -2.3])),
        ("sign away from 0", lambda x: jnp.sign(x) * x**2, normal(7)),
        ("x mod 1", lambda x: jnp.mod(x, 1.0), np.array([0.5, 1.4, -2.3])),
        ("norm away from 0", lambda x: jnp.sqrt((x**2).sum()), normal(7)),
        (
            "distance to the nearest centre",
            lambda x: jnp.min((x[:, None] - jnp.arange(3).astype(x.dtype)[None]) ** 2, 1),
            normal(7),
        ),
    ]:
        cases += right(group, title, f, *args, dtypes=next(ALTERNATE))
    return cases


def cancellation() -> list[Case]:
    """Small results of large numbers: a float32 difference quotient is noise there."""
    group, cases = "cancellation", []
    for title, f, x in [
        ("sum of squares", lambda x: (x**2).sum(), normal(100_000)),
        ("sum of exponentials", lambda x: jnp.exp(x).sum(), normal(100_000)),
        ("mean of a million", jnp.mean, normal(1_000_000)),
        ("variance by E x^2 - (E x)^2", lambda x: (x**2).mean() - x.mean() ** 2, 100 + normal(100)),
        ("variance around 1000", jnp.var, 1000 + normal(10_000)),
        ("(x + 1e4) - 1e4", lambda x: ((x + 1e4) - 1e4) ** 2, normal(7)),
        ("1 - cos x, x small", lambda x: 1 - jnp.cos(x), normal(7, scale=1e-3)),
        ("log(1 + x), x small", lambda x: jnp.log(1 + x), normal(7, scale=1e-4)),
        ("log1p", jnp.log1p, normal(7, scale=1e-6)),
        ("expm1", jnp.expm1, normal(7, scale=1e-6)),
        ("sqrt(1 + x) - 1", lambda x: jnp.sqrt(1 + x) - 1, normal(7, scale=1e-4)),
        ("x^2 - y^2", lambda x: x[:4] ** 2 - x[4:] ** 2, 100 + normal(8, scale=1e-2)),
        ("1e8 + x", lambda x: 1e8 + x, normal(7)),
        ("sum beside 1e7", lambda x: x.sum() + 1e7, normal(100)),
        ("polynomial at its root", lambda x: (x - 1) * (x - 2) * (x - 3), np.array([1.0, 2.0, 3.0, 2.0001])),
        ("the same expanded", lambda x: ((x - 6) * x + 11) * x - 6, np.array([1.0, 2.0, 3.0, 2.0001])),
        ("logsumexp around 1000", jax.nn.logsumexp, 1000 + normal(7)),
        ("alternating sum", lambda x: (x[::2] - x[1::2]).sum(), 1000 + normal(1000)),
        ("softmax less its mean", lambda x: jax.nn.softmax(x) - 1 / x.size, normal(1000, scale=1e-3)),
    ]:
        cases += right(group, title, f, x)
    return cases


def half() -> list[Case]:
    """JAX's own gradients in float16 and bfloat16; some are off by several ULPs for good reason."""
    group, cases = "low precision", []
    x = normal(100)
    for title, f, *args in [
        ("sin", jnp.sin, x),
        ("tanh", jnp.tanh, x),
        ("exp", jnp.exp, x),
        ("gelu", jax.nn.gelu, x),
        ("softplus", jax.nn.softplus, x),
        ("relu at 0", jax.nn.relu, np.zeros(7)),
        ("logsumexp", jax.nn.logsumexp, x),
        ("softmax", jax.nn.softmax, normal(4, 7)),
        ("mean of squares", lambda x: (x**2).mean(), normal(1000)),
        ("sum of ten thousand", jnp.sum, normal(10_000)),
        ("variance around 10", jnp.var, 10 + normal(100)),
        ("x / (1 + x^2)", lambda x: x / (1 + x**2), x),
        ("1 / x^3", lambda x: 1 / x**3, np.abs(x) + 0.5),
        ("1 - cos x", lambda x: 1 - jnp.cos(x), normal(7, scale=0.1)),
        ("matrix product", lambda a, b: a @ b, normal(8, 16), normal(16, 4)),
        ("layer of a net", lambda w, x: jnp.tanh(x @ w).mean(), normal(16, 8), normal(4, 16)),
        ("norm", lambda x: jnp.sqrt((x**2).sum()), x),
        ("in float32 inside", lambda x: jnp.sin(x.astype(jnp.float32)).astype(x.dtype), x),
        ("x^6, subnormal slopes", lambda x: x**6, normal(7, scale=0.03)),
        ("x^2, overflow in float16", lambda x: x**2, normal(7, scale=300.0)),
        ("cumsum", jnp.cumsum, x),
        ("polynomial by Horner", lambda x: ((x - 3) * x + 3) * x - 1, 1 + normal(7, scale=0.1)),
    ]:
        cases += right(group, title, f, *args, dtypes=("float16", "bfloat16"))
    eighth = lambda x: jnp.sin(x.astype(jnp.float32))  # noqa: E731
    return cases + right(group, "sin", eighth, normal(7), dtypes=("float8_e4m3fn", "float8_e5m2"))


def conditioning() -> list[Case]:
    """Slopes that vary fast, or that are huge or tiny."""
    group, cases = "ill-conditioned", []
    hilbert = lambda n: 1 / (1 + np.arange(n)[:, None] + np.arange(n)[None])  # noqa: E731

    def logistic_map(x: Any) -> Any:
        return jax.lax.fori_loop(0, 15, lambda _, x: 3.9 * x * (1 - x), x)

    for title, f, *args in [
        ("Hilbert solve, 3", jnp.linalg.solve, hilbert(3), np.ones(3)),
        ("log near 0", jnp.log, np.array([1e-30, 1e-10, 1.0])),
        ("log of mixed scales", jnp.log, 10.0 ** np.arange(-6, 7)),
        ("square of mixed scales", jnp.square, 10.0 ** np.arange(-6, 7)),
        ("sum of squares of mixed scales", lambda x: (x**2).sum(), 10.0 ** np.arange(-6, 7)),
        ("large logits", jax.nn.log_softmax, np.array([[1e4, -1e4, 3.0], [0.0, 80.0, 1.0]])),
        ("softmax saturated", jax.nn.softmax, np.array([40.0, 0.0, -40.0])),
        ("exp far out", jnp.exp, np.array([80.0, -80.0, 0.0])),
        ("x^-10", lambda x: x**-10, np.array([0.1, 1.0, 5.0])),
        ("x^50", lambda x: x**50, np.array([0.5, 1.0, 1.5])),
        ("tan near pi/2", jnp.tan, np.array([1.57, 1.5, 0.1])),
        ("1/x near 0", lambda x: 1 / x, np.array([1e-5, -1e-3, 1.0])),
        ("logit near 1", lambda x: jnp.log(x / (1 - x)), np.array([1 - 1e-4, 0.5, 1e-4])),
        ("arccos near 1", jnp.arccos, np.array([1 - 1e-4, 0.5, -0.999])),
        ("sqrt near 0", jnp.sqrt, np.array([1e-12, 1e-4, 1.0])),
        ("erfinv near 1", jax.scipy.special.erfinv, np.array([0.999, -0.5, 0.0])),
        ("lgamma", jax.scipy.special.gammaln, np.array([0.01, 1.5, 30.0])),
        ("sinh far out", jnp.sinh, np.array([50.0, -3.0])),
        ("sin(1e3 x)", lambda x: jnp.sin(1e3 * x), normal(7)),
        ("steep tanh", lambda x: jnp.tanh(1e4 * x), np.array([1e-5, -1e-4, 1.0])),
        ("narrow bump", lambda x: jnp.exp(-((x / 1e-3) ** 2)), np.array([5e-4, 1.0, -1e-3])),
        ("logistic map, 15 steps", logistic_map, np.array([0.2, 0.31, 0.77])),
        ("constant in x", lambda x: jnp.zeros_like(x) + 1, normal(7)),
        ("flat at 0: x^4", lambda x: x**4, np.array([0.0, 1e-3, 1.0])),
        ("exp(-1/x^2)", lambda x: jnp.exp(-1 / x**2), np.array([0.05, 0.3, 1.0])),
    ]:
        cases += right(group, title, f, *args)
    wide = ("float64",)
    cases += right(group, "Hilbert solve, 6", jnp.linalg.solve, hilbert(6), np.ones(6), dtypes=wide)
    cases += right(group, "sin(1e6 x)", lambda x: jnp.sin(1e6 * x), normal(7), dtypes=wide)
    cases += right(group, "log near 1e-300", jnp.log, np.array([1e-300, 1e-100, 1.0]), dtypes=wide)
    return cases + right(group, "sin(1e9 x)", lambda x: jnp.sin(1e9 * x), normal(7), dtypes=wide)


def stopped() -> list[Case]:
    """`stop_gradient`: the derivative is that of `truth`, where the stopped value is a constant."""
    group, cases, x = "stop_gradient", [], normal(7).astype("float32").astype("float64")
    fixed = lambda: jnp.asarray(x)  # noqa: E731

    def at(y: Any) -> Any:
        return fixed().astype(y.dtype)

    def scanned(x: Any) -> Any:
        return jax.lax.scan(lambda h, x: ((h + x) * stop(x), h), jnp.zeros_like(x[0]), x)[0]

    def scanned_truth(x: Any) -> Any:
        total, old = jnp.zeros_like(x[0]), at(x)
        for i in range(7):
            total = (total + x[i]) * old[i]
        return total

    for title, f, truth in [
        ("x sg(x)", lambda x: x * stop(x), lambda x: x * at(x)),
        ("straight through round", lambda x: x + stop(jnp.round(x) - x), lambda x: x + (jnp.round(at(x)) - at(x))),
        ("sg(x) alone and x^2", lambda x: stop(x).sum() + x**2, lambda x: at(x).sum() + x**2),
        ("all stopped", lambda x: stop(x**2), lambda x: 0 * x + at(x) ** 2),
        ("inside jit", jax.jit(lambda x: jnp.sin(x) * stop(x)), lambda x: jnp.sin(x) * at(x)),
        ("inside nested jit", lambda x: jax.jit(jax.jit(lambda x: x * stop(x)))(x), lambda x: x * at(x)),
        ("inside checkpoint", jax.checkpoint(lambda x: jnp.sin(x) * stop(x)), lambda x: jnp.sin(x) * at(x)),
        ("inside vmap", lambda x: jax.vmap(lambda x: x * stop(jnp.exp(x)))(x), lambda x: x * jnp.exp(at(x))),
        ("maximum subtracted", lambda x: jnp.exp(x - stop(x.max())).sum(), lambda x: jnp.exp(x - at(x).max()).sum()),
        ("norm held", lambda x: x / stop(jnp.sqrt((x**2).sum())), lambda x: x / jnp.sqrt((at(x) ** 2).sum())),
        ("detached target", lambda x: (x[:3] - stop(x[3:6])) ** 2, lambda x: (x[:3] - at(x)[3:6]) ** 2),
        ("score function", lambda x: stop(x**2) * jnp.sin(x), lambda x: at(x) ** 2 * jnp.sin(x)),
        ("in a scan", scanned, scanned_truth),
        ("in a cond", lambda x: jax.lax.cond(x[0] > -9, lambda x: x * stop(x), jnp.sin, x), lambda x: x * at(x)),
    ]:  # fmt: skip
        cases += right(group, title, f, x, truth=truth)
    return cases


class Pair(NamedTuple):
    first: Any
    second: Any


def arguments() -> list[Case]:
    """Trees with leaves that are not differentiable, and outputs that are not."""
    x, i, group, cases = normal(6), np.arange(6, dtype=np.int32), "arguments", []
    key = jax.random.key(3)

    def branch(x: Any) -> Any:
        return jnp.sin(x) if x[0] > 100 else jnp.cos(x)

    for title, f, *args in [
        ("integer", lambda x, i: x[i] ** 2, x, i[::-1].copy()),
        ("integer first", lambda i, x: jnp.sin(x) * i.astype(x.dtype), i, x),
        ("unsigned byte", lambda x, i: x * i.astype(x.dtype), x, i.astype(np.uint8)),
        ("boolean", lambda x, m: jnp.where(m, x**2, x), x, i % 2 == 0),
        ("None", lambda x, b: x**2 if b is None else x + b, x, None),
        ("None in a tree", lambda t: t["x"] ** 2, {"x": x, "b": None}),
        ("key", lambda k, x: x * jax.random.normal(k, (6,), x.dtype), key, x),
        ("dropout by a key", lambda k, x: jnp.where(jax.random.bernoulli(k, 0.5, (6,)), 2 * x, 0), key, x),
        ("string in a tree", lambda t: getattr(jnp, t["mode"])(t["x"]), {"mode": "sin", "x": x}),
        ("named tuple", lambda p: p.first * jnp.sin(p.second[0]), Pair(x, [x[::-1].copy()])),
        ("deep tree", lambda t: t["a"][0]["b"] ** 2 + t["a"][1], {"a": ({"b": x}, x)}),
        ("Python number", lambda x, k: jnp.sin(x) * k, x, 2.5),
        ("Python integer", lambda x, k: x**k, x, 3),
        ("empty leaf", lambda x, e: x**2 + e.sum(), x, np.zeros((0, 3))),
        ("unused leaf", lambda x, y: jnp.sin(x), x, x),
        ("scalar", lambda x: x**3, np.array(0.7)),
        ("integer output beside", lambda x: (x**2, jnp.argmax(x)), x),
        ("tree of outputs", lambda x: {"a": jnp.sin(x), "b": [x.sum(), x > 0]}, x),
        ("branch by value", branch, x),
        ("made float32 inside", lambda x, y: x.astype(jnp.float32) * y.astype(jnp.float32), x, x),
    ]:
        cases += right(group, title, f, *args, dtypes=next(ALTERNATE))
    return cases


HARD: list[Case] = [*kinks(), *cancellation(), *half(), *conditioning(), *stopped(), *arguments()]
