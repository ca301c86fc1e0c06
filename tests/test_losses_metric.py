"""Distances and losses of embeddings at the edges: zero vectors, equal ones, the ends of the dtype; and masks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F

INF = np.inf
ORDERS = [0.0, 0.5, 1.0, 2.0, 3.0, INF]


def doubles(x):
    """As a float64 of NumPy; `x.astype(float)` is float32 where JAX has no float64."""
    return np.asarray(x).astype(np.float64)


def ends(dtype):
    """Vectors at the edges, and their directions."""
    info = jnp.finfo(dtype)
    big, tiny = float(info.max), float(info.tiny)
    rows = [[0, 0], [big, big], [big, -1], [INF, 1], [big / 4, 1e4], [1e4, -1e4], [3, 4], [tiny, 0]]
    half = np.sqrt(0.5)
    want = [[0, 0], [half, half], [1, 0], [1, 0], [1, 4e4 / big], [half, -half], [0.6, 0.8]]
    return jnp.asarray(np.array(rows).astype(dtype)), np.array(want)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.slow
def test_directions_at_the_edges(dtype):
    """Also their derivatives are finite, to the second order."""
    with jax.enable_x64(True):
        x, want = ends(dtype)
        other = jnp.full_like(x, 0.5)
        ulp = 8 * float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(doubles(F.normalize(x))[:-1], want, atol=ulp)
        np.testing.assert_allclose(doubles(F.cosine_similarity(x, other))[:-1], want.sum(1) * np.sqrt(0.5), atol=ulp)
        for f in (F.normalize, lambda x: F.cosine_similarity(x, other), lambda x: F.cosine_similarity(x, x)):
            first = jax.grad(lambda x, f=f: f(x).sum())
            second = jax.jvp(first, (x,), (jnp.ones_like(x),))
            assert jnp.isfinite(jnp.stack([*second])).all()


def test_zero_vector():
    """PyTorch's large but finite derivatives; of float16 they are beyond the dtype."""
    zero, x = jnp.zeros(2), jnp.array([3.0, 4.0])
    np.testing.assert_allclose(jax.grad(F.cosine_similarity)(zero, x), [6e7, 8e7], rtol=1e-6)
    np.testing.assert_allclose(jax.jacrev(F.normalize)(zero), 1e12 * np.eye(2), rtol=1e-6)
    slope = jax.grad(lambda zero: F.cosine_embedding_loss(zero, x, jnp.ones(())))(zero)
    np.testing.assert_allclose(slope, [-6e5, -8e5], rtol=1e-6)


@pytest.mark.parametrize(
    "dtype", ["float32", "float16", *(pytest.param(name, marks=pytest.mark.slow) for name in ("float64", "bfloat16"))]
)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.slow
def test_distance_at_the_edges(order, dtype):
    """Equal rows have derivative 0 in both orders; a distance at the end of the dtype is not inf."""
    big = float(jnp.finfo(dtype).max)
    with jax.enable_x64(True):
        # Below order 1 the derivative's factors overflow one step before the distance.
        big = big / 8 if order == 0.5 else big
        x = jnp.asarray(np.array([[0, 0], [big, 0], [1e4, 0], [big if order == 0.5 else INF, 0]]).astype(dtype))
        origin = jnp.zeros_like(x)
        f = partial(F.pairwise_distance, order=order, eps=0.0)
        first = jax.grad(lambda x: f(x, origin).sum())
        slope, second = jax.jvp(first, (x,), (jnp.ones_like(x),))
        value, square = f(x, origin), F.cdist(x, x, order=order)
    ones = float(order != 0)
    want = np.minimum(doubles(x)[:, 0], float(jnp.finfo(dtype).max)) if order else np.array([0, 1, 1, 1])
    np.testing.assert_allclose(doubles(value), want, rtol=8 * float(jnp.finfo(dtype).eps))
    np.testing.assert_allclose(doubles(slope), [[0, 0], [ones, 0], [ones, 0], [ones, 0]], atol=1e-6)
    np.testing.assert_allclose(doubles(second), np.zeros((4, 2)), atol=2e-4)
    np.testing.assert_array_equal(np.diag(doubles(square)), np.zeros(4))
    assert jnp.isfinite(square).all()


@pytest.mark.parametrize("order", [0.5, 3.0])
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_distance_of_any_size(order, size):
    """No power of an entry decides: value and both derivatives are those of the scaled vector."""
    x = np.array([1.0, -2.0, 0.5])

    def length(x):
        return jnp.sum(jnp.abs(x) ** order) ** (1 / order)

    f = partial(F.pairwise_distance, order=order, eps=0.0)
    near = jnp.asarray((size * x).astype(np.float32))[None]
    zero, slope = jnp.zeros_like(near), jax.grad(lambda x: f(x, jnp.zeros_like(x)).sum())
    with jax.enable_x64(True):
        value, first, second = (d(length)(jnp.asarray(x)) for d in (lambda f: f, jax.grad, jax.hessian))
    np.testing.assert_allclose(f(near, zero)[0], size * float(value), rtol=2e-6)
    np.testing.assert_allclose(slope(near)[0], first, rtol=2e-6)
    curved = jax.jvp(slope, (near,), (jnp.full_like(near, size).at[0, 0].set(0),))[1][0]
    np.testing.assert_allclose(curved, second[:, 1] + second[:, 2], rtol=2e-5)


@pytest.mark.parametrize(
    ("fn", "least"),
    [
        (lambda x: F.normalize(x, eps=1e-37)[1], 1e-30),
        (lambda x: F.cosine_similarity(x, x[::-1] + x / 2, eps=1e-37), 1e-30),
        (lambda x: F.pairwise_distance(x[:4], x[1:], eps=0.0), 2e-19),
    ],
    ids=["normalize", "cosine_similarity", "pairwise_distance"],
)
def test_vectors_near_zero(fn, least, rng):
    """Squares that are 0, or have few digits: value, gradient and Hessian-vector product are those of float64."""
    rows = (rng.standard_normal(5) * np.geomspace(least, 1, 7)[:, None]).astype(np.float32)

    def orders(x):
        return fn(x), *jax.jvp(jax.grad(fn), (x,), (x[::-1],))

    with jax.enable_x64(True):
        got, want = (jax.jit(jax.vmap(orders))(jnp.asarray(rows, dtype)) for dtype in ("float32", "float64"))
    for y, v in zip(got, want, strict=True):
        largest = np.abs(v).reshape(7, -1).max(-1).reshape(-1, *(1,) * (v.ndim - 1))
        np.testing.assert_allclose(doubles(y) / largest, doubles(v) / largest, atol=4e-6)


def test_distance_whose_squares_are_partly_0():
    x = jnp.array([1.5e-19, 9e-20, 9e-20, 9e-20])
    norm, slope = jax.value_and_grad(lambda x: F.pairwise_distance(x, jnp.zeros_like(x), eps=0.0))(x)
    length = np.linalg.norm(doubles(x))
    np.testing.assert_allclose(doubles(norm) / length, 1, rtol=1e-6)
    np.testing.assert_allclose(slope, doubles(x) / length, rtol=1e-6)


def test_distances_of_far_rows_have_exact_derivatives(rng):
    """Differences beyond float32, distances that are not: the unit vectors of float64."""
    a, b = ((rng.uniform(-3e38, 3e38, (n, 7))).astype(np.float32) for n in (5, 6))
    g = rng.standard_normal((5, 6)).astype(np.float32)
    got = jax.vjp(F.cdist, jnp.asarray(a), jnp.asarray(b))[1](jnp.asarray(g))
    difference = a[:, None].astype(np.float64) - b[None]
    unit = g[..., None] * difference / np.linalg.norm(difference, axis=-1, keepdims=True)
    np.testing.assert_allclose(got[0], unit.sum(1), atol=2e-6)
    np.testing.assert_allclose(got[1], -unit.sum(0), atol=2e-6)


def test_cdist_of_near_rows():
    """Exact where a matrix product would cancel: rows 1e-3 apart, 1000 off the origin."""
    x = jnp.array([[1000.0, 0.0], [1000.0, 2.0**-10]])
    np.testing.assert_array_equal(F.cdist(x, x), [[0, 2.0**-10], [2.0**-10, 0]])
    assert jnp.isfinite(jax.grad(lambda x: F.cdist(x, x).sum())(x)).all()


def test_triplet_of_equal_vectors():
    """Anchor, positive and negative the same: the margin, with derivative 0 in both orders."""
    x = jnp.ones((1, 3))
    f = partial(F.triplet_margin_loss, eps=0.0, swap=True)
    np.testing.assert_array_equal(f(x, x, x), [1])
    for slope in jax.grad(lambda *a: f(*a).sum(), (0, 1, 2))(x, x, x):
        np.testing.assert_array_equal(slope, np.zeros((1, 3)))


def slopes(fn, *args):
    return fn(*args), jax.grad(lambda *a: fn(*a).sum(), tuple(range(len(args))))(*args)


POSITIONS = [F.triplet_margin_loss, partial(F.triplet_margin_loss, order=1.0, swap=True)]
POSITIONS += [
    lambda a, b, c, where=None, fn=fn: fn(a, b, a[..., 0], where=where)
    for fn in (F.cosine_embedding_loss, F.contrastive_loss)
]
POSITIONS += [lambda a, b, c, where=None: F.categorical_hinge_loss(a, b, where=where)]
POSITIONS += [
    lambda a, b, c, where=None: F.multi_margin_loss(a, jnp.zeros(a.shape[:-1], jnp.int32), where=where),
    lambda a, b, c, where=None: F.multilabel_margin_loss(a, jnp.full(a.shape, -1).at[..., 0].set(2), where=where),
]  # fmt: skip


def test_where_leaves_out_positions(rng):
    """`(N, T)` beside embeddings or scores `(N, T, D)`; NaN left out reaches neither value nor gradient."""
    arrays = [rng.uniform(-1, 1, (2, 3, 4)).astype(np.float32) for _ in range(3)]
    where = np.array([[True, False, True], [False] * 3])
    bad = [np.where(where[..., None], a, np.nan) for a in arrays]
    left = [a[:1, [0, 2]] for a in arrays]
    run = jax.jit(
        lambda bad, left: [(slopes(partial(fn, where=jnp.asarray(where)), *bad), fn(*left)[0]) for fn in POSITIONS]
    )
    for (value, gradients), want in run(bad, left):
        np.testing.assert_allclose(value, [want, 0], rtol=1e-5)
        for g in gradients:
            assert (g[~where] == 0).all() and jnp.isfinite(g).all()


@pytest.mark.parametrize(
    "fn",
    [F.info_nce_loss, F.nt_xent_loss, lambda a, b, where=None: F.circle_loss(a, jnp.arange(len(a)) // 2, where=where)],
)
def test_where_leaves_out_examples(fn, rng):
    """The same as a batch without them."""
    a, b = (rng.standard_normal((6, 3)).astype(np.float32) for _ in range(2))
    where = np.array([True, True, True, True, False, False])
    bad = [np.where(where[:, None], v, np.nan) for v in (a, b)]
    got, gradients = jax.jit(partial(slopes, partial(fn, where=jnp.asarray(where))))(*bad)
    want, wanted = jax.jit(partial(slopes, fn))(a[:4], b[:4])
    np.testing.assert_allclose(got, [*want, 0, 0], rtol=1e-5)
    for g, w in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(g, [*w, [0] * 3, [0] * 3], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("fn", "others"), [(F.info_nce_loss, 2), (F.nt_xent_loss, 4)])
def test_a_loss_near_zero_keeps_its_digits(fn, others):
    """`log(1 + n exp(-1 / temperature))`, of which 1 + ... would leave three."""
    loss = fn(jnp.eye(3), jnp.eye(3), temperature=0.1)
    np.testing.assert_allclose(loss, np.log1p(others * np.exp(-10.0)), rtol=2e-6)


def directions(x):
    return x / jnp.sqrt(jnp.sum(x * x, 1, keepdims=True))


def plain_info_nce(q, k, temperature):
    cosines = directions(q) @ directions(k).T
    return -jnp.diag(jax.nn.log_softmax(cosines / temperature))


def plain_nt_xent(x1, x2, temperature):
    views, n = directions(jnp.concatenate([x1, x2])), len(x1)
    logits = jnp.where(jnp.eye(2 * n, dtype=bool), -jnp.inf, views @ views.T / temperature)
    return -jax.nn.log_softmax(logits)[jnp.arange(2 * n), jnp.roll(jnp.arange(2 * n), n)].reshape(2, n).mean(0)


@pytest.mark.parametrize(("fn", "plain"), [(F.info_nce_loss, plain_info_nce), (F.nt_xent_loss, plain_nt_xent)])
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_learned_temperature(fn, plain, dtype, rng):
    """Value, gradient and Hessian-vector product by vectors and temperature are those of the plain form in float64."""
    tolerance = {"float64": 1e-10, "float32": 1e-4, "bfloat16": 0.03}[dtype]

    def orders(fn, args):
        weighted = lambda *args: jnp.vdot(y := fn(*args), jnp.asarray([1.0, -0.5, 2.0], y.dtype))  # noqa: E731
        return fn(*args), *jax.jvp(jax.grad(weighted, (0, 1, 2)), args, jax.tree.map(jnp.ones_like, args))

    with jax.enable_x64(True):
        args = *(jnp.asarray(rng.standard_normal((3, 4)), dtype) for _ in range(2)), jnp.asarray(0.5, dtype)
        got = jax.jit(partial(orders, lambda *a: fn(*a[:2], temperature=a[2])))(args)
        want = jax.jit(partial(orders, plain))(tuple(a.astype("float64") for a in args))
        assert all(g.dtype == dtype for g in jax.tree.leaves(got))
        for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
            np.testing.assert_allclose(doubles(g), w, rtol=tolerance, atol=tolerance)
        np.testing.assert_array_equal(
            doubles(jax.jit(fn, static_argnames="temperature")(*args[:2], temperature=0.5)), doubles(got[0])
        )


@pytest.mark.parametrize("fn", [F.info_nce_loss, F.nt_xent_loss])
def test_traced_temperature_that_is_not_positive(fn):
    """NaN, as all that is out of range where it cannot be told; an array whose value is known is an error."""
    x = jnp.eye(3)
    loss = jax.jit(lambda t: fn(x, x, temperature=t))
    for wrong in (0.0, -1.0, np.nan):
        assert jnp.isnan(loss(wrong)).all()
        with pytest.raises(ValueError, match="temperature must be finite and above 0"):
            fn(x, x, temperature=jnp.asarray(wrong))
    assert jnp.isfinite(loss(jnp.finfo(jnp.float32).tiny)).all()


@pytest.mark.parametrize("fn", [F.info_nce_loss, F.nt_xent_loss])
def test_batch_at_the_edges(fn):
    """Zero vectors and equal ones among the largest; a small temperature does not overflow."""
    x = jnp.array([[0.0, 0.0], [3e38, 3e38], [jnp.inf, 0.0], [1.0, 1.0]])
    value, gradients = slopes(partial(fn, temperature=1e-3), x, x[::-1])
    assert jnp.isfinite(value).all() and all(jnp.isfinite(g).all() for g in gradients)


def test_circle_gradient_is_the_paper_s(rng):
    """The weights are constants: they are computed apart, and the derivative is that of what remains."""
    x, labels, margin, scale = rng.standard_normal((5, 3)), np.array([0, 0, 1, 1, 1]), 0.3, 6.0
    same = (labels[:, None] == labels) & ~np.eye(5, dtype=bool)
    other = labels[:, None] != labels
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    cos = unit @ unit.T
    pull, push = np.maximum(1 + margin - cos, 0), np.maximum(cos + margin, 0)

    def plain(x):
        unit = x / jnp.linalg.norm(x, axis=1, keepdims=True)
        cos = unit @ unit.T
        p = jnp.sum(same.astype(float) * jnp.exp(-scale * pull * (cos - 1 + margin)), 1)
        n = jnp.sum(other.astype(float) * jnp.exp(scale * push * (cos - margin)), 1)
        return jnp.log1p(p * n).sum()

    with jax.enable_x64(True):
        got = jax.grad(lambda x: F.circle_loss(x, jnp.asarray(labels), margin=margin, scale=scale).sum())(
            jnp.asarray(x)
        )
        np.testing.assert_allclose(got, jax.grad(plain)(jnp.asarray(x)), rtol=1e-9, atol=1e-12)


def test_circle_without_partners():
    """All labels equal, or all different: 0 with derivative 0, at the default scale too."""
    x = jnp.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    for labels in (jnp.zeros(3, jnp.int32), jnp.arange(3, dtype=jnp.int32)):
        value, (slope,) = slopes(lambda x, labels=labels: F.circle_loss(x, labels), x)
        np.testing.assert_array_equal(value, np.zeros(3))
        np.testing.assert_array_equal(slope, np.zeros((3, 2)))


def test_arcface_edges():
    """Cosines of ±1 and a little more, as rounding makes them: finite; beyond π - margin it still falls."""
    c = jnp.array([[1.0], [1.0000001], [-1.0], [0.0], [-0.99], [-0.999]])
    labels = jnp.zeros(6, jnp.int32)
    y = F.arcface_logits(c, labels, scale=1.0)
    assert jnp.isfinite(y).all() and y[4] > y[5] > y[2]
    np.testing.assert_allclose(y[0], [np.cos(0.5)], atol=1e-3)
    for d in (jax.grad, lambda f: jax.grad(lambda c: jax.grad(f)(c).sum())):
        assert jnp.isfinite(d(lambda c: F.arcface_logits(c, labels).sum())(c)).all()
    np.testing.assert_array_equal(F.arcface_logits(c, labels - 1, scale=1.0), c)


def test_labels_out_of_range():
    """NaN, not a guess; a list of labels ends at the first negative one."""
    x = jnp.ones((1, 3))
    assert (
        jnp.isnan(F.multi_margin_loss(x, jnp.array([3]))).all()
        and jnp.isnan(F.multi_margin_loss(x, jnp.array([-1]))).all()
    )
    assert jnp.isnan(F.multilabel_margin_loss(x, jnp.array([[0, 3, -1]]))).all()
    np.testing.assert_allclose(F.multilabel_margin_loss(x, jnp.array([[0, -1, 3]])), [2 / 3], rtol=1e-6)
    np.testing.assert_allclose(F.multilabel_margin_loss(x, jnp.array([[0, 0, -1]])), [4 / 3], rtol=1e-6)


def test_scores_at_the_edges(rng):
    """Infinite scores: what is told apart costs nothing, no NaN."""
    x = jnp.array([[jnp.inf, -jnp.inf, -1e4], [-jnp.inf, jnp.inf, 0.0], [jnp.inf, jnp.inf, -jnp.inf]])
    hot = jnp.eye(3)[jnp.zeros(3, jnp.int32)]
    losses = [
        lambda x: F.multi_margin_loss(x, jnp.zeros(3, jnp.int32)),
        lambda x: F.multilabel_margin_loss(x, jnp.array([[0, -1, -1]] * 3)),
        lambda x: F.categorical_hinge_loss(x, hot),
        lambda x: F.multilabel_soft_margin_loss(x, hot),
    ]
    for loss in losses:
        value, (slope,) = slopes(loss, x)
        assert value[0] == 0 and jnp.isfinite(value).all() and jnp.isfinite(slope).all()
