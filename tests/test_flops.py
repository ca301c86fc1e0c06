"""The counter on programs of every kind: products, loops, branches, calls, what has no rule."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from jaxml import flops
from jaxml.flops import Cost, count
from jaxml.flops._rules import RULES

BUILT_IN = tuple(RULES)  # as collected: an example in a docstring enters a rule of its own when it runs


def S(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


A = S(8, 8)
PRODUCT = 8**3


# Products
@pytest.mark.parametrize(
    ("f", "args", "macs"),
    [
        (jnp.matmul, (S(2, 3), S(3, 5)), 2 * 3 * 5),
        (jnp.matmul, (S(7, 2, 3), S(7, 3, 5)), 7 * 2 * 3 * 5),
        (jnp.matmul, (S(3), S(3)), 3),
        (functools.partial(jnp.einsum, "bij,bkj->bik"), (S(4, 2, 3), S(4, 5, 3)), 4 * 2 * 3 * 5),
        (functools.partial(jnp.einsum, "ijk,kjl->il"), (S(2, 3, 4), S(4, 3, 5)), 2 * 3 * 4 * 5),
        (functools.partial(jnp.matmul, preferred_element_type=jnp.float32), (S(2, 3, dtype=jnp.bfloat16),) * 1
         + (S(3, 5, dtype=jnp.bfloat16),), 30),
        (jnp.matmul, (S(2, 3, dtype=jnp.complex64), S(3, 5, dtype=jnp.complex64)), 4 * 30),
        (jnp.matmul, (S(0, 3), S(3, 5)), 0),
        (lax.ragged_dot, (S(6, 3), S(4, 3, 5), S(4, dtype=jnp.int32)), 6 * 3 * 5),
        (jax.vmap(jnp.matmul), (S(7, 2, 3), S(7, 3, 5)), 7 * 30),
        (jax.grad(lambda a, b: (a @ b).sum(), (0, 1)), (S(2, 3), S(3, 5)), 2 * 30),
        (jax.value_and_grad(lambda a, b: ((a @ b) ** 2).sum()), (S(2, 3), S(3, 5)), 2 * 30),
        (lambda a: jnp.linalg.matrix_power(a, 8), (A,), 3 * PRODUCT),
    ],
)  # fmt: skip
def test_products(f, args, macs):
    cost = count(f, *args)
    assert (cost.macs, cost.uncounted) == (macs, {})
    assert cost.flops >= 2 * macs


def test_bytes_and_activations():
    cost = count(jnp.matmul, S(2, 3), S(3, 5))
    assert (cost.bytes, cost.activations) == (4 * (6 + 15 + 10), 10)
    assert count(lambda a: a * a, A).bytes == 2 * 8 * 8 * 4  # read once though used twice
    assert count(lambda a: a.reshape(64), A).bytes == 0
    assert count(lambda a: a.astype(jnp.bfloat16), A).bytes == 8 * 8 * 6
    assert count(lambda a: lax.dynamic_slice(a, (1, 1), (2, 2)), A).bytes == 2 * 4 * 4 + 2 * 4  # and where it starts


@pytest.mark.parametrize(
    ("f", "name", "expected"),
    [
        (jnp.linalg.cholesky, "cholesky", 8 * 9 * 17 // 6),
        (jnp.linalg.eigh, "eigh", 9 * 8**3),
        (functools.partial(jnp.linalg.svd, compute_uv=False), "svd", round(4 * 8**3 - 4 * 8**3 / 3)),
        (jnp.linalg.qr, "qr", round(2 * (2 * 8**3 - 2 * 8**3 / 3))),  # R, and Q of its reflections
        (jnp.linalg.det, "lu", round(8**3 - 8**3 / 3)),
    ],
)
def test_linear_algebra_by_the_textbook(f, name, expected):
    assert count(f, A).by_primitive[name].other == expected


# Elementwise, reductions, and the rest
ELEMENTWISE = {
    "add": (lambda a: a + a, 64, 0),
    "relu": (jax.nn.relu, 64, 0),
    "tanh": (jnp.tanh, 0, 64),
    "cube": (lambda a: a**3, 128, 0),
    "power -2": (lambda a: a**-2, 128, 0),
    "exp and sum": (lambda a: jnp.exp(a).sum(), 63, 64),
    "where": (lambda a: jnp.where(a > 0, a, 0.0), 128, 0),
    "clip": (lambda a: lax.clamp(0.0, a, 1.0), 128, 0),
    "sum of rows": (lambda a: a.sum(1), 56, 0),
    "argmax": (lambda a: lax.argmax(a, 0, jnp.int32), 56, 0),
    "cumsum": (lambda a: lax.cumsum(a, 0), 56, 0),
    "cumprod": (lambda a: lax.cumprod(a, 1), 56, 0),
    "cummax": (lambda a: lax.cummax(a, 1), 56, 0),
    "cumlogsumexp": (lambda a: lax.cumlogsumexp(a, 0), 5 * 56, 2 * 56),
    "sort": (lambda a: lax.sort(a), 64 * 3, 0),
    "top_k": (lambda a: lax.top_k(a, 3), 64 * 2, 0),
    "max pool": (lambda a: lax.reduce_window(a, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID"), 16 * 3, 0),
    "any reduction": (lambda a: lax.reduce(a, 0.0, lambda x, y: x + 2.0 * y, (0,)), 56 * 2, 0),
    "fft": (lambda a: jnp.fft.fft(a), 8 * 5 * 8 * 3, 0),
    "rfft": (lambda a: jnp.fft.rfft(a), 8 * 5 * 8 * 3 // 2, 0),
    "triangular": (lambda a: lax.linalg.triangular_solve(a, a, left_side=True, lower=True), 512, 0),
    "take": (lambda a: a[jnp.array([0, 3])], None, 0),
    "scatter-add": (lambda a: a.at[0].add(1.0), None, 0),
    "transpose": (lambda a: a.T, 0, 0),
    "checkpoint_name": (lambda a: checkpoint_name(a, "here"), 0, 0),
    "complex": (lambda a: lax.mul(lax.complex(a, a), lax.complex(a, a)), 6 * 64, 0),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_other_operations(name):
    f, other, transcendentals = ELEMENTWISE[name]
    cost = count(f, A)
    assert (cost.macs, cost.transcendentals, cost.uncounted) == (0, transcendentals, {})
    assert other is None or cost.flops == other


@pytest.mark.parametrize("padding", ["include", "exclude"])
def test_pooling_against_a_loop(padding):
    f = functools.partial(lax.reduce_window, init_value=0.0, computation=lax.add, window_dimensions=(3,))
    cost = count(lambda x: f(x, window_strides=(2,), padding=((2, 1),)), S(6), padding=padding)
    taps = [[o * 2 + k - 2 for k in range(3)] for o in range(4)]
    read = sum(0 <= i < 6 for window in taps for i in window)
    assert cost.other == (12 if padding == "include" else read) - 4


@pytest.mark.parametrize(
    "f",
    [
        lambda a: jnp.linalg.qr(a), lambda a: jnp.linalg.svd(a), lambda a: jnp.linalg.eigh(a),
        lambda a: jnp.linalg.eig(a), lambda a: jnp.linalg.solve(a, a), lambda a: jnp.linalg.inv(a),
        lambda a: jnp.linalg.det(a), lambda a: jnp.linalg.lstsq(a, a), lambda a: jax.scipy.linalg.expm(a),
        lambda a: jax.scipy.sparse.linalg.cg(lambda x: a @ x, a[0]),
        lambda a: jax.random.normal(jax.random.key(0), a.shape), lambda a: jax.random.permutation(jax.random.key(0), a),
        lambda a: jax.nn.softmax(a), lambda a: jax.nn.gelu(a), lambda a: jax.nn.dot_product_attention(
            a[None, :, None], a[None, :, None], a[None, :, None]), lambda a: jnp.convolve(a[0], a[1]),
        lambda a: jax.image.resize(a, (16, 16), "cubic"), lambda a: jax.scipy.signal.convolve2d(a, a),
        lambda a: jnp.interp(a, a[0], a[1]), lambda a: jnp.percentile(a, 30.0), lambda a: jnp.unique(a, size=4),
        lambda a: lax.associative_scan(jnp.add, a), lambda a: jax.ops.segment_sum(a, jnp.arange(8), 8),
        lambda a: jax.hessian(lambda x: jnp.tanh(x @ x).sum())(a), lambda a: jnp.histogram(a),
        lambda a: jax.jacfwd(jnp.sin)(a), lambda a: lax.map(jnp.sin, a), lambda a: jax.checkpoint(jnp.sin)(a),
    ],
)  # fmt: skip
def test_nothing_of_jax_numpy_is_uncounted(f):
    """Functions that were not thought of, forwards; the loops among them stop when they have converged."""
    assert set(count(f, A).uncounted) <= {"while"}
    assert count(f, A).bytes > 0


# Loops
def scan(body, length, **options):
    return lambda x: lax.scan(lambda c, _: (body(c), None), x, length=length, **options)[0]


@pytest.mark.parametrize("unroll", [1, 2, 5, True])
def test_scan_counts_its_body_as_often_as_it_runs(unroll):
    assert count(scan(lambda c: c @ c, 10, unroll=unroll), A).macs == 10 * PRODUCT
    assert count(scan(scan(lambda c: c @ c, 3), 10, unroll=unroll), A).macs == 30 * PRODUCT
    assert count(scan(lambda c: c @ c, 0), A).macs == 0


def test_scan_backwards():
    """Two products for each forward one."""
    cost = count(jax.grad(lambda x: scan(lambda c: jnp.sin(c @ c), 10)(x).sum()), A)
    assert cost.macs == 30 * PRODUCT
    assert (
        count(jax.grad(lambda x: scan(jax.checkpoint(lambda c: jnp.sin(c @ c)), 10)(x).sum()), A).macs == 40 * PRODUCT
    )


LOOPS = {
    "fori_loop": (lambda x: lax.fori_loop(0, 10, lambda i, c: c @ c, x), 10),
    "fori_loop from 3 by jit": (lambda x: jax.jit(lambda n: lax.fori_loop(3, n, lambda i, c: c @ c, x))(9), 6),
    "while <": (lambda x: lax.while_loop(lambda c: c[0] < 10, lambda c: (c[0] + 1, c[1] @ c[1]), (0, x)), 10),
    "while <=": (lambda x: lax.while_loop(lambda c: c[0] <= 10, lambda c: (c[0] + 3, c[1] @ c[1]), (1, x)), 4),
    "while down": (lambda x: lax.while_loop(lambda c: c[0] > 0, lambda c: (c[0] - 2, c[1] @ c[1]), (9, x)), 5),
    "never": (lambda x: lax.while_loop(lambda c: c[0] > 5, lambda c: (c[0] - 1, c[1] @ c[1]), (5, x)), 0),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_that_end_provably(name):
    f, steps = LOOPS[name]
    cost = count(f, A)
    assert (cost.macs, cost.uncounted) == (steps * PRODUCT, {})


OPEN = {
    "data": lambda x: lax.while_loop(lambda c: c.sum() < 3, lambda c: c @ c, x),
    "bound not known": lambda x: lax.fori_loop(0, x[0, 0].astype(jnp.int32), lambda i, c: c @ c, x),
    "step not known": lambda x: lax.while_loop(
        lambda c: c[0] < 9, lambda c: (c[0] + x[0, 0].astype(jnp.int32), c[1] @ c[1]), (0, x)
    )[1],
    "endless": lambda x: lax.while_loop(lambda c: c[0] < 9, lambda c: (c[0] - 1, c[1] @ c[1]), (0, x))[1],
}


@pytest.mark.parametrize("name", OPEN)
def test_loops_that_do_not(name):
    """Listed, not guessed; with `trip_count` the body counts so often, and the condition once more."""
    cost = count(OPEN[name], A)
    assert cost.macs == 0 and "trip_count" in cost.uncounted["while"]
    assert count(OPEN[name], A, trip_count=7).macs == 7 * PRODUCT
    assert count(OPEN[name], A, trip_count=7).uncounted == {}
    if name == "data":
        assert count(OPEN[name], A, trip_count=7).other == 8 * 64


# Branches and calls
def test_branches():
    def f(i, a):
        return lax.switch(i, [lambda a: a, lambda a: a @ a, lambda a: a @ a @ a], a)

    i = S(dtype=jnp.int32)
    assert count(f, i, A).macs == 2 * PRODUCT
    assert count(f, i, A, branch="min").macs == 0
    assert [count(f, i, A, branch=b).macs for b in range(4)] == [0, PRODUCT, 2 * PRODUCT, 2 * PRODUCT]


@jax.custom_jvp
def jvp_square(a):
    return a @ a


jvp_square.defjvp(lambda p, t: (jvp_square(p[0]), 2.0 * (p[0] @ t[0])))


@jax.custom_vjp
def vjp_square(a):
    return a @ a


vjp_square.defvjp(lambda a: (a @ a, a), lambda a, g: (a @ g,))

CALLS = {
    "jit": jax.jit(lambda a: a @ a),
    "nested jit": jax.jit(jax.jit(lambda a: a @ a)),
    "remat": jax.checkpoint(lambda a: a @ a),
    "custom_jvp": jvp_square,
    "custom_vjp": vjp_square,
    "linearize": lambda a: jax.linearize(lambda a: a @ a, a)[0],
    "closed over": lambda a: jax.jit(lambda: a @ a)(),
    "dead code": lambda a: (a @ a, a @ a @ a)[0],
    "dead code in a call": lambda a: jax.jit(lambda a: (a @ a, jnp.tril(a) @ a))(a)[0],
    "platform": lambda a: lax.platform_dependent(a, cpu=lambda a: a @ a, default=lambda a: a @ a),
    "custom_linear_solve": lambda a: lax.custom_linear_solve(lambda x: a @ x, a, lambda f, b: a @ b),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(name):
    cost = count(CALLS[name], A)
    assert (cost.macs, cost.uncounted) == (PRODUCT, {})


def test_gradients_through_calls():
    for f, macs in [(CALLS["jit"], 3), (jvp_square, 2), (vjp_square, 2), (jax.checkpoint(lambda a: a @ a), 2)]:
        cost = count(jax.value_and_grad(lambda a, f=f: f(a).sum()), A)
        assert cost.uncounted == {} and cost.macs in ((macs - 1) * PRODUCT, macs * PRODUCT, 3 * PRODUCT)


def test_shard_map_counts_every_device():
    mesh = jax.sharding.AbstractMesh((4,), ("i",))
    spec = jax.sharding.PartitionSpec("i")
    f = jax.shard_map(lambda a: a @ jnp.ones((8, 8)), mesh=mesh, in_specs=spec, out_specs=spec)
    assert count(f, A).macs == PRODUCT


# Foreign code
def test_pallas_by_its_declared_cost():
    pl = pytest.importorskip("jax.experimental.pallas")

    def double_kernel(x, o):
        o[...] = 2.0 * x[...]

    def f(a, cost=None):
        return pl.pallas_call(double_kernel, out_shape=a, cost_estimate=cost)(a)

    unknown = count(f, A).uncounted
    assert len(unknown) == 1 and "cost_estimate" in unknown["pallas_call:double_kernel"]
    cost = count(lambda a: f(a, pl.CostEstimate(flops=64, transcendentals=2, bytes_accessed=512)), A)
    assert (cost.flops, cost.transcendentals, cost.bytes, cost.uncounted) == (64, 2, 512, {})


@pytest.fixture
def rules():
    kept = dict(RULES)
    yield
    RULES.clear()
    RULES.update(kept)


def test_ffi_is_listed_until_it_has_a_rule(rules):
    def f(a):
        return jax.ffi.ffi_call("my_target", jax.ShapeDtypeStruct(a.shape, a.dtype))(a)

    assert "ffi_call:my_target" in count(f, A).uncounted

    @flops.rule("ffi_call:my_target", bytes=lambda call: 17)
    def my_rule(call):
        return Cost(macs=call.size)

    cost = count(f, A)
    assert (cost.macs, cost.bytes, cost.activations, cost.uncounted) == (64, 17, 64, {})


def test_unknown_primitives_and_callbacks_are_listed():
    from jax.extend.core import Primitive

    p = Primitive("unheard_of")
    p.def_abstract_eval(lambda a: a)
    assert "flops.rule" in count(lambda a: p.bind(a) @ a, A).uncounted["unheard_of"]
    assert count(lambda a: p.bind(a) @ a, A).macs == PRODUCT
    callback = count(lambda a: jax.pure_callback(np.sin, jax.ShapeDtypeStruct(a.shape, a.dtype), a), A)
    assert "pure_callback" in callback.uncounted
    assert "NOT COUNTED" in str(callback) and "pure_callback" in str(callback)


def test_every_rule_is_for_a_primitive_that_is_known():
    """Names are spelled as JAX spells them: those that this JAX has no longer, or not yet, are few."""
    from jax.interpreters import mlir  # noqa: F401

    odd = [name for name in BUILT_IN if not re.fullmatch(r"[a-z][a-z0-9_]*(-[a-z]+)?", name)]
    assert odd == []
