"""Right gradients of much-used mathematics: linear algebra, loops, indexing, FFT, complex numbers, jaxml's own."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxml.functional as F

from .case import Case, with_jvp, with_vjp
from .correct_hard import ALTERNATE, right
from .mutants_special import normal

COMPLEX = ("complex64", "complex128")


def linear_algebra() -> list[Case]:
    group, cases = "linear algebra", []
    a, b = normal(4, 4) + 3 * np.eye(4), normal(4, 3)
    la, spread = jnp.linalg, np.diag([1.0, 2.0, 4.0, 7.0]) + 0.1 * normal(4, 4)
    symmetric = lambda a: (a + a.T) / 2  # noqa: E731
    positive = lambda a: a @ a.T + jnp.eye(4, dtype=a.dtype)  # noqa: E731
    for title, f, *args in [
        ("solve", la.solve, a, b),
        ("inv", la.inv, a),
        ("det", la.det, a),
        ("slogdet", lambda a: la.slogdet(a)[1], a),
        ("cholesky", lambda a: la.cholesky(positive(a)), a),
        ("triangular solve", lambda a, b: jax.scipy.linalg.solve_triangular(a, b, lower=True), a, b),
        ("eigenvalues", lambda a: la.eigh(symmetric(a))[0], spread),
        ("eigenvectors squared", lambda a: la.eigh(symmetric(a))[1] ** 2, spread),
        ("qr", lambda a: la.qr(a)[1], a),
        ("singular values", lambda a: la.svd(a, compute_uv=False), spread),
        ("pinv", lambda a: la.pinv(a), normal(4, 3)),
        ("expm", jax.scipy.linalg.expm, normal(3, 3, scale=0.3)),
        ("matrix power", lambda a: la.matrix_power(a, 5), normal(3, 3, scale=0.5)),
        ("einsum", lambda a, b: jnp.einsum("ij,jk,ik->k", a, b, b), a, b),
        ("Mahalanobis", lambda a, x: x @ la.solve(positive(a), x), a, normal(4)),
    ]:
        cases += right(group, title, f, *args)
    return cases


def control_flow() -> list[Case]:
    group, cases, x = "control flow", [], normal(7)

    def newton(a: Any) -> Any:
        """sqrt by a while loop, which has no reverse rule of its own."""
        start = (jnp.ones_like(a), jnp.full_like(a, 2))
        more = lambda s: jnp.max(abs(s[0] - s[1])) > 1e-6  # noqa: E731
        return jax.lax.while_loop(more, lambda s: ((s[0] + a / s[0]) / 2, s[0]), start)[0]

    def root(a: Any) -> Any:
        start, solve = jnp.ones_like(a), lambda f, x0: newton(a)
        return jax.lax.custom_root(lambda x: x**2 - a, start, solve, lambda g, y: y / g(jnp.ones_like(y)))

    def power_series(x: Any) -> Any:
        return jax.lax.fori_loop(0, 5, lambda i, y: 1 + x * y / 2, jnp.ones_like(x))

    implicit = with_vjp(newton, lambda a, c: (c / (2 * newton(a[0])),))
    forward = with_jvp(newton, lambda a, t: t[0] / (2 * newton(a[0])))
    positive = 0.5 + x**2
    cases += right(group, "while with a reverse rule", implicit, positive, kind="vjp", truth=jnp.sqrt, rounding=1e-6)
    cases += right(group, "while with a forward rule", forward, positive, kind="jvp", truth=jnp.sqrt, rounding=1e-6)
    cases += right(group, "custom_root", root, positive, truth=jnp.sqrt, rounding=1e-6)
    host = with_jvp(_on_the_host, lambda x, t: jnp.cos(x[0]) * t[0])
    cases += right(group, "NumPy by a callback", host, x, kind="jvp", truth=jnp.sin)
    for title, f in [
        ("scan", lambda x: jax.lax.scan(lambda h, x: (jnp.sin(h) + x * h, h), jnp.ones_like(x[0]), x)[1]),
        ("fori_loop", power_series),
        ("map", lambda x: jax.lax.map(lambda x: jnp.sin(x) * x, x)),
        ("cond", lambda x: jax.lax.cond(x[0] > 100, jnp.sin, jnp.cos, x)),
        ("switch", lambda x: jax.lax.switch(1, [jnp.sin, jnp.exp, jnp.cos], x)),
        ("cond by element", jax.vmap(lambda x: jax.lax.cond(x > 0, jnp.sin, lambda x: x**2, x))),
        ("checkpoint", jax.checkpoint(lambda x: jnp.sin(jnp.sin(x)))),
        ("associative scan", lambda x: jax.lax.associative_scan(jnp.multiply, x)),
        ("Python loop", lambda x: sum(x**k for k in range(1, 5))),
        ("nested jit", jax.jit(lambda x: jax.jit(jnp.sin)(x) * jax.jit(jnp.exp)(x))),
        ("gradient inside", lambda x: jax.grad(lambda x: (x**3).sum())(x)),
        ("Hessian product inside", lambda x: jax.jvp(jax.grad(lambda x: (x**4).sum()), (x,), (jnp.ones_like(x),))[1]),
    ]:
        cases += right(group, title, f, x)
    return cases


def _on_the_host(x: Any) -> Any:
    return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="broadcast_all")


def arrays() -> list[Case]:
    group, cases, x, m = "arrays", [], normal(8), normal(4, 6)
    at = np.array([0, 2, 2, 5])
    segments = partial(jax.ops.segment_sum, segment_ids=np.array([0, 0, 1, 2, 2, 2, 1, 0]), num_segments=4)
    grid = np.linspace(0.0, 1.0, 8)
    knots = np.stack([grid, grid**2])
    for title, f, *args in [
        ("sort", jnp.sort, x),
        ("sort by argsort", lambda x: x[jnp.argsort(x)] ** 2, x),
        ("top 3", lambda x: jax.lax.top_k(x, 3)[0], x),
        ("cumsum", jnp.cumsum, x),
        ("cumprod", jnp.cumprod, x),
        ("cumprod with a 0", jnp.cumprod, np.where(np.arange(8) == 3, 0.0, x)),
        ("product with a 0", jnp.prod, np.where(np.arange(8) == 3, 0.0, x)),
        ("running maximum", jax.lax.cummax, x),
        ("gather with repeats", lambda x: x[at] ** 2, x),
        ("scatter add", lambda x: jnp.zeros(4, x.dtype).at[at % 4].add(x[:4] ** 2), x),
        ("scatter set", lambda x: (x**2).at[at[:2]].set(x[6:]), x),
        ("scatter multiply", lambda x: x.at[at[:2]].multiply(x[6:], unique_indices=True), x),
        ("dynamic slice", lambda x: jax.lax.dynamic_slice(x, (2,), (3,)) ** 2, x),
        ("segment sum", lambda x: segments(x**2), x),
        ("pad and roll", lambda x: jnp.roll(jnp.pad(x, 2), 3) ** 2, x),
        ("rfft power", lambda x: abs(jnp.fft.rfft(x)) ** 2, x),
        ("fft filter", lambda x: jnp.fft.irfft(jnp.fft.rfft(x) * 2), x),
        ("fft2 real part", lambda m: jnp.fft.fft2(m).real, m),
        ("interpolation", lambda x: jnp.interp(np.asarray([0.3, 0.51], x.dtype), grid.astype(x.dtype), x), x),
        ("interpolation's argument", lambda x: jnp.interp(x, *knots.astype(x.dtype)), np.array([0.3, 0.51])),
        ("logcumsumexp", jax.lax.cumlogsumexp, x),
        ("transposed copy", lambda m: m.T.reshape(3, 8) ** 2, m),
        ("triangle", lambda m: jnp.tril(m) @ m.T, m),
        ("convolution", lambda x: jnp.convolve(x, x[:3]), x),
    ]:
        cases += right(group, title, f, *args, dtypes=next(ALTERNATE))
    return cases


def complexes() -> list[Case]:
    group, cases = "complex", []
    z, w = normal(5) + 1j * normal(5)[::-1], normal(4, 4) + 1j * normal(4, 4)[::-1] + 3 * np.eye(4)
    rule = with_vjp(lambda z: z.real**2 + z.imag**2, lambda a, c: (2 * c.astype(a[0].dtype) * a[0].conj(),))
    cases += right(
        group, "|z|^2 with a rule", rule, z, dtypes=COMPLEX, kind="vjp", truth=lambda z: z.real**2 + z.imag**2
    )
    exp = with_vjp(jnp.exp, lambda a, c: (c * jnp.exp(a[0]),))
    cases += right(group, "exp with a rule", exp, z, dtypes=COMPLEX, kind="vjp", truth=jnp.exp)
    forward = with_jvp(jnp.exp, lambda a, t: t[0] * jnp.exp(a[0]))
    cases += right(group, "exp with a forward rule", forward, z, dtypes=COMPLEX, kind="jvp", truth=jnp.exp)
    for title, f, *args in [
        ("exp", jnp.exp, z),
        ("sin", jnp.sin, z),
        ("z^3", lambda z: z**3, z),
        ("1/z", lambda z: 1 / z, z),
        ("sqrt", jnp.sqrt, z + 3),
        ("log", jnp.log, z + 3),
        ("|z|", jnp.abs, z),
        ("angle", jnp.angle, z),
        ("conjugate", lambda z: z.conj() * z**2, z),
        ("real and imaginary part", lambda z: z.real * z.imag, z),
        ("z exp(-|z|)", lambda z: z * jnp.exp(-abs(z)).astype(z.dtype), z),
        ("real beside complex", lambda x, z: x.astype(z.dtype) * z, normal(5), z),
        ("from real to complex", lambda x: jnp.exp(jax.lax.complex(0 * x, x)), normal(5)),
        ("product with itself", lambda w: w @ w.conj().T, w),
        ("solve", lambda w: jnp.linalg.solve(w, w.T), w),
        ("det", jnp.linalg.det, w),
        ("fft", jnp.fft.fft, z),
        ("ifft of |fft|^2", lambda z: jnp.fft.ifft((abs(jnp.fft.fft(z)) ** 2).astype(z.dtype)), z),
        ("sum of 1e-6 z", lambda z: jnp.sin(1e6 * z).sum(), 1e-6 * z),
    ]:
        cases += right(group, title, f, *args, dtypes=COMPLEX[len(cases) % 2 :][:1])
    return cases


def jaxml_functions() -> list[Case]:
    """The library's own, which are to pass their own checker, at kinks, under masks and with integer labels."""
    group, cases = "jaxml.functional", []
    image, flat, zeros = normal(2, 6, 6, 3), normal(3, 5), np.concatenate([[0.0, 3.0, -3.0, 6.0], normal(3)])
    labels, mask = np.array([0, 4, 2], np.int32), np.array([[1, 1, 0, 1, 0]] * 3, bool)
    depth, point = normal(3, 3, 1, 6), normal(6, 4)
    one, key, four = np.ones(3), jax.random.key(1), normal(4, 5, 3)

    def asarrays(f: Any, **options: Any) -> Any:
        return lambda *args: f(*jax.tree.map(jnp.asarray, args), **options)

    def norm(x: Any, mean: Any, var: Any, scale: Any, bias: Any) -> Any:
        return F.batch_norm(x, mean, var, scale, bias, train=True)[0]

    table: list[tuple[Any, ...]] = [
        ("depthwise_conv2d", asarrays(F.depthwise_conv2d, stride=2), image, depth),
        ("depthwise_conv2d dilated", asarrays(F.depthwise_conv2d, dilation=2), image, depth, normal(6)),
        ("separable_conv2d", asarrays(F.separable_conv2d), image, depth, point),
        ("conv2d", asarrays(F.conv2d, padding="VALID"), image, normal(3, 3, 3, 2)),
        ("pointwise_conv2d", asarrays(F.pointwise_conv2d), image, normal(3, 4)),
        ("linear", asarrays(F.linear), flat, normal(5, 2), normal(2)),
        ("softmax masked", lambda x, m: F.softmax(jnp.asarray(x), where=jnp.asarray(m)), flat, mask),
        ("log_softmax", asarrays(F.log_softmax), flat),
        ("softmax_cross_entropy", asarrays(F.softmax_cross_entropy), flat, np.eye(5)[:3]),
        ("cross entropy of labels", asarrays(F.softmax_cross_entropy_with_integer_labels), flat, labels),
        ("mse_loss", asarrays(F.mse_loss), flat, normal(3, 5)[::-1].copy()),
        (
            "mse_loss masked",
            lambda p, t, m: F.mse_loss(*map(jnp.asarray, (p, t)), where=jnp.asarray(m)),
            flat,
            2 * flat,
            mask,
        ),
        ("binary_cross_entropy", asarrays(F.binary_cross_entropy), flat, mask.astype(float)),
        ("batch_norm in training", asarrays(norm), four, 0 * one, one, one, 0 * one),
        ("dropout", asarrays(F.dropout, rate=0.5), key, flat),
        ("max_pool2d with ties", asarrays(F.max_pool2d, window=2), np.round(image)),
        ("avg_pool2d", asarrays(F.avg_pool2d, window=2), image),
        ("global_max_pool", asarrays(F.global_max_pool), image),
    ]
    for name in (
        "relu",
        "relu6",
        "silu",
        "gelu",
        "mish",
        "hard_swish",
        "hard_sigmoid",
        "elu",
        "selu",
        "softplus",
        "log_sigmoid",
    ):
        table.append((name, asarrays(getattr(F, name)), zeros))
    for title, f, *args in table:
        cases += right(group, title, f, *args, dtypes=next(ALTERNATE))
    for title, f, *args in table[:2] + table[6:8] + table[-9:-7]:
        cases += right(group, title, f, *args, dtypes=("bfloat16", "float16"))
    return cases


MATHS: list[Case] = [*linear_algebra(), *control_flow(), *arrays(), *complexes(), *jaxml_functions()]
