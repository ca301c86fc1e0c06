"""Right gradients are cleared and wrong ones found: the verdicts of `gradcheck.check`, and where they point."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxml import gradcheck

pytestmark = pytest.mark.loose_promotion  # the functions here are a user's; one test below runs in the strict modes


def broken(f, change, argument=0):
    """`f` with a pull-back whose gradient of one argument went through `change`."""

    @jax.custom_vjp
    def g(*args):
        return f(*args)

    def backward(args, cotangent):
        gradients = list(jax.vjp(f, *args)[1](cotangent))
        gradients[argument] = change(gradients[argument])
        return tuple(gradients)

    g.defvjp(lambda *args: (f(*args), args), backward)
    return g


def normal(rng, *shape, dtype="float32"):
    return jnp.asarray(rng.standard_normal(shape), dtype)


def complex_normal(rng, *shape):
    return jnp.asarray(rng.standard_normal(shape) + 1j * rng.standard_normal(shape), "complex64")


def spd(a):
    return a @ a.T + jnp.eye(len(a))


def ste(x):
    """Rounding with the gradient of the identity, by `stop_gradient`."""
    return x + lax.stop_gradient(jnp.round(x) - x)


def layer_norm(x):
    return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)


RIGHT = {
    "sum of squares": (lambda x: jnp.sum(x**2), lambda rng: (normal(rng, 65536),)),
    "float16": (jnp.sin, lambda rng: (normal(rng, 9, dtype="float16"),)),
    "bfloat16": (layer_norm, lambda rng: (normal(rng, 4, 32, dtype="bfloat16"),)),
    "float8": (jnp.sin, lambda rng: (normal(rng, 9, dtype="float8_e4m3fn"),)),
    "|x|^1.5 at 0": (lambda x: jnp.abs(x) ** 1.5, lambda rng: (jnp.array([0.0, 1.0, -2.0]),)),
    "bend close to 0": (lambda x: jnp.sqrt(jnp.sum(x**2) + 1e-12), lambda rng: (jnp.zeros(3),)),
    "log of 1e-30": (jnp.log, lambda rng: (jnp.array([1e-30, 1.0, 2.0]),)),
    "large numbers": (lambda x: x / 3e5, lambda rng: (3e5 * normal(rng, 5),)),
    "logsumexp at 1e4": (jax.nn.logsumexp, lambda rng: (1e4 * normal(rng, 6),)),
    "cancellation": (lambda x: ((x + 1e4) - 1e4) ** 2, lambda rng: (normal(rng, 8),)),
    "cholesky": (lambda a: jnp.linalg.cholesky(spd(a)), lambda rng: (normal(rng, 3, 3),)),
    "solve": (lambda a, b: jnp.linalg.solve(spd(a), b), lambda rng: (normal(rng, 3, 3), normal(rng, 3))),
    "eigh": (lambda a: jnp.linalg.eigh(spd(a))[0], lambda rng: (normal(rng, 3, 3),)),
    "scan": (
        lambda x, w: lax.scan(lambda c, t: (jnp.tanh(c * w + t), c), jnp.zeros(2), x)[0],
        lambda rng: (normal(rng, 4, 2), normal(rng, 2)),
    ),
    "cond": (lambda x, i: lax.cond(i > 0, jnp.sin, jnp.cos, x), lambda rng: (normal(rng, 3), jnp.int32(1))),
    "sort": (jnp.sort, lambda rng: (normal(rng, 9),)),
    "fft": (lambda x: jnp.abs(jnp.fft.fft(x)) ** 2, lambda rng: (normal(rng, 8),)),
    "holomorphic": (lambda z: z**2 * jnp.exp(z), lambda rng: (complex_normal(rng, 3),)),
    "not holomorphic": (lambda z: jnp.conj(z) * jnp.abs(z) + z.real, lambda rng: (complex_normal(rng, 3),)),
    "product with itself stopped": (lambda x: x * lax.stop_gradient(x), lambda rng: (normal(rng, 3),)),
    "stopped under checkpoint": (
        jax.checkpoint(lambda x: x * lax.stop_gradient(jax.jit(jnp.exp)(x))),
        lambda rng: (normal(rng, 3),),
    ),
    "stopped beside a solve": (
        lambda a: jnp.linalg.solve(spd(a), lax.stop_gradient(a[0])) * a[1],
        lambda rng: (normal(rng, 3, 3),),
    ),
    "straight through": (ste, lambda rng: (3 * normal(rng, 5),)),
    "round": (jnp.round, lambda rng: (3 * normal(rng, 20),)),
    "dropout": (
        lambda key, x: jnp.where(jax.random.bernoulli(key, 0.5, x.shape), x / 0.5, 0.0),
        lambda rng: (jax.random.key(1), normal(rng, 9)),
    ),
    "infinite outputs": (
        lambda x: jax.nn.log_softmax(jnp.where(jnp.arange(5) < 3, x, -jnp.inf)),
        lambda rng: (normal(rng, 5),),
    ),
    "python number": (lambda x, eps: x * eps, lambda rng: (normal(rng, 3, dtype="bfloat16"), 1e-2)),
    "scalar": (jnp.sin, lambda rng: (jnp.float32(0.3),)),
    "float64 from NumPy": (jnp.sin, lambda rng: (np.linspace(0, 1, 4),)),
    "float32 inside": (lambda x: jnp.sin(x.astype(jnp.float32)), lambda rng: (normal(rng, 4),)),
    "unused": (lambda x, y: jnp.sin(x), lambda rng: (normal(rng, 3), normal(rng, 3))),
    "custom rule": (broken(jnp.sin, lambda g: g), lambda rng: (normal(rng, 3),)),
    "tiny": (lambda x: 1e-6 * jnp.sin(1e-6 * x), lambda rng: (1e6 * normal(rng, 3),)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right(name, rng):
    f, make_args = RIGHT[name]
    report = gradcheck.check(f, *make_args(rng))
    assert report.verdict == "ok", str(report)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (jax.nn.relu, jnp.array([0.0, 1.0, -1.0, 0.0])),
        (jax.nn.relu, jnp.zeros(1000)),
        (lambda x: jnp.sum(jax.nn.relu(x)), jnp.zeros(100).at[::2].set(1.0)),
        (jnp.abs, jnp.zeros(())),
        (jnp.max, jnp.ones(4)),
        (lambda x: jnp.stack([jax.nn.relu(x), jax.nn.relu(-x)]), jnp.zeros(3)),
    ],
)
def test_kink(f, x):
    report = gradcheck.check(f, x)
    assert (report.verdict, report.ok) == ("kink", True), str(report)
    assert "on the left" in report.leaves[0].reason


WRONG = {
    "factor 1.01": (broken(jnp.sin, lambda g: 1.01 * g), (5,)),
    "sign": (broken(jnp.sin, lambda g: -g), (1000,)),
    "zero": (broken(lambda x: jnp.sin(1e-5 * x), jnp.zeros_like), (5,)),
    "mean, zero": (broken(lambda x: jnp.mean(x**2), jnp.zeros_like), (10**5,)),
    "beside a kink": (broken(lambda x: jax.nn.relu(x - x[0]), lambda g: 1.01 * g), (6,)),
    "outside the kink": (broken(lambda x: jnp.abs(x - x), lambda g: g + 3), (3,)),
    "constant": (broken(jnp.sin, jnp.ones_like), (5,)),
    "not linear": (broken(jnp.sin, lambda g: g * jnp.abs(g)), (5,)),
    "zero cotangent": (broken(jnp.sin, lambda g: g + 1e-3), (5,)),
    "dtype": (broken(jnp.sin, lambda g: g.astype(jnp.bfloat16)), (5,)),
    "shape": (broken(jnp.sin, lambda g: jnp.zeros(2)), (5,)),
    "float32 only": (broken(jnp.sin, lambda g: g if g.dtype == jnp.float64 else 1.01 * g), (50,)),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name, rng):
    f, shape = WRONG[name]
    report = gradcheck.check(f, normal(rng, *shape))
    assert (report.verdict, report.ok) == ("wrong", False), str(report)


def test_one_element_of_many_is_named(rng):
    f = broken(jnp.sin, lambda g: g.at[123, 45].multiply(1.01))
    leaf = gradcheck.check(f, normal(rng, 400, 250)).leaves[0]
    assert (leaf.verdict, leaf.index, leaf.method) == ("wrong", (123, 45), "finite differences")
    assert leaf.got == pytest.approx(1.01 * leaf.want, rel=1e-9)
    assert leaf.error == pytest.approx(abs(leaf.got - leaf.want))
    assert leaf.tolerance < 1e-6 * abs(leaf.want)


def test_a_small_leaf_beside_a_large_one(rng):
    f = broken(lambda p, x: jnp.tanh(x @ p["w"] + p["b"]), lambda g: g | {"b": 0 * g["b"]})
    params = {"w": normal(rng, 300, 4), "b": jnp.zeros(4)}
    report = gradcheck.check(f, params, normal(rng, 2, 300))
    assert {leaf.path: leaf.verdict for leaf in report.leaves} == {
        "args[0]['b']": "wrong", "args[0]['w']": "ok", "args[1]": "ok",
    }  # fmt: skip
    assert report.leaves[0].dead and not report.leaves[1].dead


@pytest.mark.parametrize(("dtype", "factor"), [("float16", 1.05), ("bfloat16", 1.2), ("float32", 1.0001)])
def test_wrong_in_one_dtype_only(dtype, factor, rng):
    f = broken(lambda x, w: x @ w, lambda g: g if g.dtype == jnp.float64 else g.at[1, 2].multiply(factor))
    leaf = gradcheck.check(f, normal(rng, 4, 8, dtype=dtype), normal(rng, 8, 3, dtype=dtype)).leaves[0]
    assert (leaf.verdict, leaf.index, leaf.method) == ("wrong", (1, 2), "ulps")
    assert f"in {dtype} (got)" in leaf.reason


@pytest.mark.parametrize("traced", [True, False])
def test_wrong_only_under_jit_or_without(traced, rng):
    f = broken(jnp.sin, lambda g: 1.01 * g if isinstance(g, jax.core.Tracer) == traced else g)
    report = gradcheck.check(f, normal(rng, 3))
    assert report.verdict == "wrong" and "jit" in str(report)


def test_wrong_only_under_vmap(rng):
    @jax.custom_batching.custom_vmap
    def same(g):
        return 1.0 * g

    same.def_vmap(lambda size, batched, g: (1.01 * g, True))
    leaf = gradcheck.check(broken(jnp.sin, same), normal(rng, 3)).leaves[0]
    assert (leaf.verdict, leaf.method) == ("wrong", "vmap")


def test_not_deterministic(rng):
    count = itertools.count()

    def random():
        return jax.pure_callback(lambda: np.float32(next(count)), jax.ShapeDtypeStruct((), np.float32))

    report = gradcheck.check(lambda x: x * random(), normal(rng, 3))
    assert report.verdict == "inconclusive" and "f is not deterministic" in report.leaves[0].reason
    report = gradcheck.check(broken(jnp.sin, lambda g: g * (1 + 1e-3 * random().astype(g.dtype))), normal(rng, 3))
    assert report.verdict == "wrong" and "determinism" in str(report)


@pytest.mark.parametrize(
    ("f", "x", "reason"),
    [
        (lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0), [1.0, 0.0], "f is finite here, its gradient is not"),
        (jnp.sqrt, [0.0], "f is finite here"),
        (lambda x: x * jnp.nan, [1.0], "f itself is NaN here"),
        (lambda x: x / 0, [1.0], "f itself is infinite here"),
        (broken(jnp.sin, lambda g: g if g.dtype == jnp.float64 else g * jnp.nan), [1.0], "in float32 (got) it is not"),
    ],
)
def test_nan(f, x, reason):
    report = gradcheck.check(f, jnp.array(x))
    assert report.verdict == "nan" and reason in report.leaves[0].reason, str(report)


@pytest.mark.parametrize(
    ("f", "x", "reason"),
    [
        (lambda x: jnp.where(x > 0, 1.0, 0.0) + x, [0.0], "f jumps at this point"),
        (lambda x: x**2 * 1e-20 + 1e6, [1.0], "the step is in doubt"),
        (lambda x: jax.nn.relu(x) - 0.3 * jax.nn.relu(-x), [0.0], "several kinks in one place"),
        (
            lambda x: lax.scan(lambda c, t: (c * lax.stop_gradient(t), None), x, x[None])[0],
            [2.0],
            "stops gradients inside a loop",
        ),
        (lambda x: jnp.log(1 + jnp.exp(x)), np.array([12.0], "float16"), "f overflows in float16"),
    ],
)
def test_inconclusive(f, x, reason):
    report = gradcheck.check(f, jnp.array(x))
    assert report.verdict == "inconclusive" and reason in report.leaves[0].reason, str(report)
    assert not report.ok and report.assert_ok(inconclusive=True) is report


SECOND = {
    "custom rule": ("ok", broken(lambda x: jnp.sin(x) * x, lambda g: g)),
    "stopped": ("ok", lambda x: x * x * lax.stop_gradient(x)),
    "kink": ("kink", lambda x: jax.nn.relu(x) * (1 + x)),
    "stopped in the backward rule": ("wrong", broken(jnp.sin, lax.stop_gradient)),
}


@pytest.mark.parametrize("name", SECOND)
def test_second_order(name):
    verdict, f = SECOND[name]
    report = gradcheck.check(f, jnp.array([0.0, 1.0, -0.5, 0.3]), order=2)
    assert report.verdict == verdict, str(report)
    assert [(leaf.order, leaf.verdict) for leaf in report.leaves] == {
        "ok": [(1, "ok"), (2, "ok")], "kink": [(1, "kink"), (2, "ok")], "wrong": [(1, "ok"), (2, "wrong")],
    }[verdict]  # fmt: skip


@pytest.mark.parametrize(
    ("f", "reference", "verdict", "method"),
    [
        (broken(jnp.sin, lambda g: g), jnp.sin, "ok", "reference"),
        (ste, ste, "ok", "reference"),
        (broken(jnp.sin, lambda g: g.at[3].multiply(1.01)), jnp.sin, "wrong", "reference"),
        (broken(jnp.sin, lax.stop_gradient), jnp.sin, "wrong", "reference"),
        (jnp.sin, lambda x: 1.001 * jnp.sin(x), "wrong", "value"),
    ],
)
def test_reference(f, reference, verdict, method, rng):
    report = gradcheck.check(f, normal(rng, 7), reference=reference, order=2)
    assert report.verdict == verdict, str(report)
    assert method in {leaf.method for leaf in report.leaves if leaf.verdict == verdict}
    assert report.probed == 1


def with_slope(f, slope):
    """`f` of one array, whose gradient by rule is the cotangent times `slope(x)`."""
    g = jax.custom_vjp(f)
    g.defvjp(lambda x: (f(x), x), lambda x, c: (jnp.broadcast_to(c, x.shape) * slope(x),))
    return g


@pytest.mark.parametrize(
    ("f", "slope", "x"),
    [
        (
            lambda x: jnp.clip(x, -1, 1),
            lambda x: jnp.where(jnp.abs(x) == 1, 2, jnp.abs(x) < 1).astype(x.dtype),
            [-1.0, 0.5, 1.0],
        ),
        (lambda x: jnp.max(x), lambda x: (x == jnp.max(x)).astype(x.dtype), [1.0, 3.0, 3.0]),
        (jnp.log, lambda x: (1 / x).at[-1].set(0), [1e-6, 1.0, 1e6]),
    ],
    ids=["clip ends", "tie", "small entry beside a large one"],
)
def test_reference_where_moving_the_arguments_excuses_anything(f, slope, x):
    """At a kink the gradient leaps within an ULP; and a tolerance for 1e6 is none for 1e-6."""
    x = np.asarray(x, np.float32)
    assert gradcheck.check(with_slope(f, slope), x, reference=f).verdict == "wrong"
    assert gradcheck.check(f, x, reference=f).ok


def test_reference_with_another_choice_at_a_kink():
    report = gradcheck.check(jnp.abs, jnp.zeros(2), reference=lambda x: jnp.maximum(x, -x))
    assert report.verdict == "kink" and "the reference has another slope" in report.leaves[0].reason


def test_what_is_not_differentiated_is_listed(rng):
    def f(x, i, flag, key, nothing, text, empty, count):
        return {"y": jnp.sin(x["x"][i]) + empty.sum(), "i": i, "flag": flag}

    args = ({"x": normal(rng, 4)}, jnp.int32(2), True, jax.random.key(0), None, "text", jnp.zeros((0, 3)), 3)
    report = gradcheck.check(f, *args)
    assert [(leaf.verdict, leaf.reason) for leaf in report.leaves] == [
        ("ok", ""), ("skipped", "integer"), ("skipped", "boolean"), ("skipped", "key"), ("skipped", "None"),
        ("skipped", "static"), ("skipped", "empty"), ("skipped", "integer"),
    ]  # fmt: skip
    assert report.leaves[0].path == "args[0]['x']"


def test_what_cannot_run_as_usual_is_noted(rng):
    @jax.custom_vjp
    def host(x):
        return jnp.asarray(np.sin(np.asarray(x)))

    host.defvjp(lambda x: (host(x), x), lambda x, g: (g * np.cos(np.asarray(x)),))
    report = gradcheck.check(host, normal(rng, 3))
    assert report.verdict == "ok" and "cannot be traced by jit" in report.notes[0]

    def narrow(x):
        assert x.dtype == jnp.float32
        return jnp.sin(x)

    report = gradcheck.check(narrow, normal(rng, 3))
    assert report.verdict == "ok" and "does not run in float64" in report.notes[0]
    report = gradcheck.check(broken(narrow, lambda g: 1.01 * g), normal(rng, 3))
    assert report.verdict == "wrong"
    report = gradcheck.check(lambda x: jnp.sin(x.astype(jnp.bfloat16)), normal(rng, 3))
    assert report.verdict in ("ok", "inconclusive") and "rounds to bfloat16 inside" in report.notes[0]


def test_same_seed_same_report(rng):
    x = normal(rng, 100)
    first, second = (gradcheck.check(jnp.sin, x, seed=3).to_json() for _ in range(2))
    assert first == second


def test_strict_modes(rng):
    """The library itself neither widens dtypes nor ranks."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        args = normal(rng, 2, 3, dtype="bfloat16"), normal(rng, 3)
        gradcheck.check(lambda x, y: (jnp.tanh(x), jnp.exp(y)), *args, order=2).assert_ok()
        gradcheck.check(lambda z: z**2, complex_normal(rng, 3)).assert_ok()
