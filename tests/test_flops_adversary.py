"""The counter on programs that its author did not think of, against loops and closed forms."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _devices import run_on_devices
from jax import lax
from jax.experimental import io_callback

from jaxml.flops import count


def S(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


A = S(8, 8)
P = 8**3  # of A by itself
KEY = jax.random.key(0)

# Attention: B images, T queries and keys, N heads, D channels; scores and values are a product each.
B, T, N, D = 2, 10, 8, 16
Q, KV = S(B, T, N, D), S(B, T, 2, D)
SCORES = B * N * T * T
attention = jax.nn.dot_product_attention


def attention_loss(q, k, v):
    return (attention(q, k, v) ** 2).sum()


ATTENTION = {
    "plain": (attention, (Q, Q, Q), 2),
    "two heads of keys": (attention, (Q, KV, KV), 2),
    "causal": (functools.partial(attention, is_causal=True), (Q, Q, Q), 2),
    "window": (functools.partial(attention, local_window_size=(2, 2)), (Q, Q, Q), 2),
    "mask": (lambda q, m: attention(q, q, q, mask=m), (Q, S(B, 1, T, T, dtype=jnp.bool_)), 2),
    "gradient": (jax.value_and_grad(attention_loss, (0, 1, 2)), (Q, Q, Q), 6),
    "gradient by the queries": (jax.value_and_grad(attention_loss), (Q, KV, KV), 4),
}


@pytest.mark.parametrize("name", ATTENTION)
def test_attention(name):
    f, args, products = ATTENTION[name]
    cost = count(f, *args)
    assert (cost.macs, cost.uncounted) == (products * SCORES * D, {})


def test_attention_in_cudnn_counts_like_any_other(monkeypatch):
    """The kernel cannot run here, but be traced. Its gradient computes the scores again: five products, not four."""
    stablehlo = pytest.importorskip("jax._src.cudnn.fused_attention_stablehlo")
    for check in ("check_cudnn_version", "check_compute_capability", "check_is_flash_attention"):
        monkeypatch.setattr(stablehlo, check, lambda *args, **options: 90000)
    half = S(B, T, N, D, dtype=jnp.bfloat16)
    f = functools.partial(attention, implementation="cudnn")
    cost = count(f, half, half, half)
    assert (cost.macs, cost.uncounted) == (2 * SCORES * D, {})
    assert "dot_product_attention_fwd_wrapper" in cost.by_primitive and cost.transcendentals == SCORES
    cost = count(jax.grad(lambda *x: f(*x).astype(jnp.float32).sum(), (0, 1, 2)), half, half, half)
    assert (cost.macs, cost.uncounted) == ((2 + 5) * SCORES * D, {})


# Products of every kind
EINSUMS = (
    "ij,jk->ik bij,bjk->bik bhqd,bhkd->bhqk ij,j->i i,i-> ij,ij->i ij,ij-> aij,bjk->abik bqhd,bkhd->bhqk abc,bd->acd"
)


@pytest.mark.parametrize("equation", EINSUMS.split())
def test_einsum_against_a_loop(equation):
    """A multiply-add for each combination of all the indices."""
    sizes = {index: 2 + i for i, index in enumerate(sorted(set(equation) - set(",->")))}
    left, right = ([sizes[i] for i in term] for term in equation.split("->")[0].split(","))
    steps = sum(1 for _ in itertools.product(*map(range, sizes.values())))
    assert count(functools.partial(jnp.einsum, equation), S(*left), S(*right)).macs == steps


def ragged(contracted, batch, ragged_dimension):
    numbers = lax.RaggedDotDimensionNumbers((contracted, batch), [ragged_dimension], [])
    return lambda a, b, sizes: lax.ragged_dot_general(a, b, sizes, numbers)


def f8(*shape):
    return S(*shape, dtype=jnp.float8_e4m3fn)


def scales(*shape):
    return S(*shape, dtype=jnp.float8_e8m0fnu)


def i8(*shape):
    return S(*shape, dtype=jnp.int8)


INT = jnp.int32
PRODUCTS = {
    "three factors": (functools.partial(jnp.einsum, "ij,jk,kl->il"), (S(2, 9), S(9, 9), S(9, 3)), 2 * 81 + 2 * 27),
    "int8": (functools.partial(lax.dot, preferred_element_type=INT), (i8(3, 4), i8(4, 5)), 60),
    "float8": (functools.partial(lax.dot, preferred_element_type=jnp.float32), (f8(3, 4), f8(4, 5)), 60),
    "nothing to contract": (jnp.matmul, (S(3, 0), S(0, 5)), 0),
    "rows in groups": (ragged(((1,), (0,)), ((), ()), 1), (S(3, 6), S(6, 5), S(4, dtype=INT)), 90),
    "batch in groups": (ragged(((2,), (1,)), ((0,), (0,)), 0), (S(4, 3, 6), S(4, 6, 5), S(2, dtype=INT)), 360),
    "ragged gradient": (jax.value_and_grad(lambda a, b, n: (lax.ragged_dot(a, b, n) ** 2).sum(), (0, 1)),
                        (S(6, 3), S(4, 3, 5), S(4, dtype=INT)), 3 * 90),
    "scaled_matmul": (jax.nn.scaled_matmul, (f8(1, 32, 64), f8(1, 16, 64), scales(1, 32, 2), scales(1, 16, 2)), 2**15),
    "resize": (lambda a: jax.image.resize(a, (16, 16), "linear"), (A,), 16 * 8 * 8 + 16 * 16 * 8),
    "conv_local": (lambda a, w: lax.conv_general_dilated_local(a, w, (1,), "VALID", (3,)), (S(2, 1, 8), S(5, 3, 6)),
                   2 * 5 * 3 * 6 + 2 * 3 * 3 * 6),  # its patches are a convolution with ones
}  # fmt: skip


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name):
    f, args, macs = PRODUCTS[name]
    cost = count(f, *args)
    assert (cost.macs, cost.uncounted) == (macs, {})


def test_sparse_products_count_what_is_stored():
    sparse = pytest.importorskip("jax.experimental.sparse")
    m = sparse.BCOO.fromdense(jnp.eye(8), nse=10)
    stacked = sparse.BCOO.fromdense(jnp.ones((3, 4, 8)), n_batch=1, nse=32)
    batched = functools.partial(sparse.bcoo_dot_general, dimension_numbers=(((2,), (1,)), ((0,), (0,))))
    for f, args, macs in [
        (lambda m, v: m @ v, (m, S(8)), 10),
        (lambda m, v: m @ v, (m, S(8, 5)), 50),
        (lambda m, v: v @ m, (m, S(5, 8)), 50),
        (lambda m, v: m @ v, (sparse.BCSR.from_bcoo(m), S(8, 5)), 50),
        (lambda m, v: m @ v, (sparse.CSR.fromdense(jnp.eye(8)), S(8, 5)), 40),
        (lambda m, v: m @ v, (sparse.COO.fromdense(jnp.eye(8)), S(8)), 8),
        (batched, (stacked, S(3, 8, 5)), 3 * 32 * 5),
        (lambda m, v: m.sum_duplicates(nse=10).todense() @ v, (m, S(8)), 64),
        (sparse.sparsify(lambda m, v: jnp.sin(m @ v)), (m, S(8)), 10),
    ]:
        cost = count(f, *args)
        assert (cost.macs, cost.uncounted) == (macs, {})


# Transformations of transformations
def product(a):
    return a @ a


def branch(p, a):
    return lax.cond(p, product, lambda a: a @ a @ a, a)


def deep(policy=None):
    f = jax.checkpoint(lambda w, x: jnp.sin(jnp.sin(x @ w) @ w), policy=policy)
    return jax.value_and_grad(lambda w, x: f(w, x).sum(), (0, 1))


def repeated(length, f=product, wrap=lambda f: f):
    return lambda x: lax.scan(wrap(lambda c, _: (jnp.sin(f(c)), None)), x, length=length)[0]


SAVE = jax.checkpoint_policies
BOOL = jnp.bool_
TRANSFORMS = {
    "a vmapped cond is a select: both": (jax.vmap(branch), (S(3, dtype=BOOL), S(3, 8, 8)), 3 * 3),
    "but not where all take the same": (jax.vmap(branch, (None, 0)), (S(dtype=BOOL), S(3, 8, 8)), 3 * 2),
    "remat in scan in vmap, backwards": (
        jax.grad(lambda x: jax.vmap(repeated(5, wrap=jax.checkpoint))(x).sum()), (S(3, 8, 8),), 3 * 5 * 4),
    "scan in scan, backwards": (jax.grad(lambda x: repeated(3, repeated(2))(x).sum()), (A,), 3 * 2 * 3),
    "fori_loop backwards": (jax.grad(lambda x: lax.fori_loop(0, 4, lambda i, c: jnp.sin(c @ c), x).sum()), (A,), 12),
    "vmapped fori_loop": (jax.vmap(lambda x: lax.fori_loop(0, 4, lambda i, c: c @ c, x)), (S(3, 8, 8),), 12),
    "in batches": (lambda x: lax.map(product, x, batch_size=2), (S(5, 8, 8),), 5),
    "jvp": (lambda x, t: jax.jvp(product, (x,), (t,)), (A, A), 3),
    "linearize": (lambda x, t: jax.linearize(product, x)[1](t), (A, A), 2),
    "saved: everything": (deep(SAVE.everything_saveable), (A, A), 6),
    "saved: nothing": (deep(SAVE.nothing_saveable), (A, A), 6 + 2),
    "saved: products": (deep(SAVE.dots_saveable), (A, A), 6),
    "saved: elsewhere": (deep(SAVE.offload_dot_with_no_batch_dims("device", "pinned_host")), (A, A), 6),
    "sequential_vmap": (jax.vmap(jax.custom_batching.sequential_vmap(product)), (S(3, 8, 8),), 3),
    "psum in vmap": (jax.vmap(lambda a: lax.psum(a @ a, "i"), axis_name="i"), (S(3, 8, 8),), 3),
    "composite": (lax.composite(product, "my.product"), (A,), 1),
    "pmap": (jax.pmap(product), (S(1, 8, 8),), 1),
    "a jitted function of a static argument": (jax.jit(lambda x, n: repeated(n)(x), static_argnums=1), (A, 6), 6),
    "a jitted function of a string": (jax.jit(lambda x, s: x @ x if s == "on" else x, static_argnums=1), (A, "on"), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transformations(name):
    f, args, products = TRANSFORMS[name]
    cost = count(f, *args)
    assert (cost.macs, cost.uncounted) == (products * P, {})


def test_derivatives_of_a_layer():
    """A matrix of 8 by 4: forwards a product for each input, backwards one for each output."""

    def f(x, w):
        return jnp.tanh(x @ w)

    assert count(jax.jacfwd(f), S(8), S(8, 4)).macs == 32 + 8 * 32
    assert count(jax.jacrev(f), S(8), S(8, 4)).macs == 32 + 4 * 32
    # Forwards once; in each of 8 directions the derivatives of that product and of the one backwards.
    assert count(jax.hessian(lambda x, w: f(x, w).sum()), S(8), S(8, 4)).macs == 32 + 8 * (32 + 32)


# Loops
def counting(condition, step, begin):
    return lambda x: lax.while_loop(lambda c: condition(c[0]), lambda c: (step(c[0]), c[1] @ c[1]), (begin, x))[1]


def bound_while_tracing(x):
    n = jnp.int32(5)
    return counting(lambda i: i < n, lambda i: i + 1, 0)(x)


I8 = np.int8
LOOPS = {
    "not equal": (counting(lambda i: i != 6, lambda i: i + 2, 0), 3),
    "not equal, down": (counting(lambda i: i != 0, lambda i: i - 1, 5), 5),
    "a bound of NumPy": (counting(lambda i: i < np.int32(5), lambda i: i + 1, 0), 5),
    "a bound made while tracing": (bound_while_tracing, 5),
    "8 bits that suffice": (counting(lambda i: i < 100, lambda i: i + I8(100), jnp.int8(0)), 1),
    "n - 1": (lambda x: jax.jit(lambda n: lax.fori_loop(1, n - 1, lambda i, c: c @ c, x))(8), 6),
    "n // 2 + 1": (lambda x: jax.jit(lambda n: lax.fori_loop(0, n // 2 + 1, lambda i, c: c @ c, x))(9), 5),
    "-n // 2": (lambda x: jax.jit(lambda n: lax.fori_loop(-n // 2, 0, lambda i, c: c @ c, x))(9), 5),
    "max(n, 3)": (lambda x: jax.jit(lambda n: lax.fori_loop(0, jnp.maximum(n, 3), lambda i, c: c @ c, x))(2), 3),
    "n % 4": (lambda x: jax.jit(lambda n: lax.fori_loop(0, n % 4, lambda i, c: c @ c, x))(11), 3),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOPS)
def test_loops_that_end_provably(name):
    f, steps = LOOPS[name]
    assert count(f, A).uncounted == {}
    assert count(f, A).macs == steps * P


OPEN = {
    "8 bits that overflow": counting(lambda i: i < 120, lambda i: i + I8(50), jnp.int8(100)),
    "passes by its bound": counting(lambda i: i != 5, lambda i: i + 2, 0),
    "a float": counting(lambda i: i < 1.0, lambda i: i + 0.25, 0.0),
    "a product": counting(lambda i: i < 32, lambda i: i * 2, 1),
    "n % 0": lambda x: jax.jit(lambda n: lax.fori_loop(0, lax.rem(5, n), lambda i, c: c @ c, x))(0),
    "n that wraps": lambda x: jax.jit(lambda n: lax.fori_loop(0, n * n, lambda i, c: c @ c, x))(70_000),
}


@pytest.mark.parametrize("name", OPEN)
def test_loops_that_do_not(name):
    assert "trip_count" in count(OPEN[name], A).uncounted["while"]


# Foreign code: neither missed in silence nor a false alarm
def printed(a):
    jax.debug.print("{}", a)
    jax.debug.callback(lambda a: None, a)
    return a @ a


def in_a_reference(a):
    total = jax.new_ref(jnp.zeros((8, 8)))

    def add(i, c):
        total[...] += a @ a
        return c

    lax.fori_loop(0, 5, add, 0)
    return jax.freeze(total)


SEEN = {
    "debug.print": (printed, P),
    "in a scan": (lambda a: lax.scan(lambda c, _: (printed(c), None), a, length=3)[0], 3 * P),
    "a callback nobody needs": (lambda a: (jax.pure_callback(np.sin, a, a), a @ a)[1], P),
    "a reference": (in_a_reference, 5 * P),
}


@pytest.mark.parametrize("name", SEEN)
def test_no_false_alarm(name):
    cost = count(SEEN[name][0], A)
    assert (cost.macs, cost.uncounted) == (SEEN[name][1], {})


def test_what_cannot_be_counted_says_why():
    exported = jax.export.export(jax.jit(product))(A)
    for f, args, name, reason in [
        (lambda k: jax.random.gamma(k, 2.0, (8,)), (KEY,), "random_gamma", "until it accepts"),
        (lambda a: exported.call(a), (A,), "call_exported", "count the function it was made of"),
        (lambda a: io_callback(np.sin, a, a), (A,), "io_callback", "on the host"),
    ]:
        ((full, text),) = count(f, *args).uncounted.items()
        assert full.startswith(name) and reason in text


def test_eight_devices():
    """What each device does, and that of all; work that all of them repeat is work that they do."""
    code = """
    import jax, jax.numpy as jnp
    from jax import lax
    from jax.sharding import AxisType, PartitionSpec as P
    from jaxml.flops import count

    auto = {"axis_types": (AxisType.Auto,) * 2} if hasattr(AxisType, "Auto") else {}
    mesh = jax.make_mesh((4, 2), ("x", "y"), **auto)
    a, w, every = jax.ShapeDtypeStruct((8, 8), "float32"), jnp.ones((8, 8)), P(("x", "y"))

    def sharded(f, inside, outside, **options):
        return jax.shard_map(f, mesh=mesh, in_specs=inside, out_specs=outside, **options)

    rows = sharded(lambda a, w: jnp.sin(a @ w), (every, P()), every)
    ring = [(i, (i + 1) % 4) for i in range(4)]
    turn = lambda c, _: (lax.ppermute(c @ w, "x", ring), None)
    for f, args in [
        (rows, (a, w)),
        (sharded(lambda a: a @ w, P("x"), P("x")), (a,)),
        (sharded(lambda a, b: lax.psum(a @ b, ("x", "y")), (P(None, ("x", "y")), every), P()), (a, a)),
        (sharded(lambda a: lax.scan(turn, a, length=4)[0], P("x"), P("x")), (a,)),
        (jax.grad(lambda a, w: rows(a, w).sum(), (0, 1)), (a, w)),
        (jax.pmap(lambda a: a @ w), (jax.ShapeDtypeStruct((8, 8, 8), "float32"),)),
    ]:
        cost = count(f, *args)
        print(cost.macs // 8**3, end=" ")
        assert cost.macs % 8**3 == 0 and not cost.uncounted
    """
    assert run_on_devices(code, 8) == "1 2 1 8 3 8"
