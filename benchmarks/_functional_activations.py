"""Activations beside their formulas."""

import jax
import jax.numpy as jnp
import jax.scipy.special as special

import jaxml.functional as F
from benchmarks._functional_case import Case, normal

X = (normal(1024),)
HALVES = (normal(2, 512),)


def _mish(x):
    return x * jnp.tanh(jnp.logaddexp(x, 0))


def _softmax(x):
    e = jnp.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _log_softmax(x):
    s = x - x.max(-1, keepdims=True)
    return s - jnp.log(jnp.exp(s).sum(-1, keepdims=True))


CASES = [
    Case("relu", F.relu, lambda x: jnp.maximum(x, 0), X),
    Case("relu6", F.relu6, lambda x: jnp.clip(x, 0, 6), X),
    Case("leaky_relu", F.leaky_relu, lambda x: jnp.where(x > 0, x, 0.01 * x), X),
    Case("hard_sigmoid", F.hard_sigmoid, lambda x: jnp.clip(x + 3, 0, 6) / 6, X),
    Case("hard_silu", F.hard_silu, lambda x: x * jnp.clip(x + 3, 0, 6) / 6, X),
    Case("soft_shrink", F.soft_shrink, lambda x: jnp.sign(x) * jnp.maximum(jnp.abs(x) - 0.5, 0), X),
    Case("sigmoid", F.sigmoid, lambda x: 1 / (1 + jnp.exp(-x)), X),
    Case("softplus", F.softplus, lambda x: jnp.logaddexp(x, 0), X),
    Case("softplus, beta", lambda x: F.softplus(x, beta=2.0), lambda x: jnp.logaddexp(2 * x, 0) / 2, X),
    Case("log_sigmoid", F.log_sigmoid, lambda x: -jnp.logaddexp(-x, 0), X),
    Case("softsign", F.softsign, lambda x: x / (1 + jnp.abs(x)), X),
    Case("silu", F.silu, lambda x: x * jax.nn.sigmoid(x), X),
    Case("gelu, tanh", F.gelu, lambda x: 0.5 * x * (1 + jnp.tanh(0.79788456 * (x + 0.044715 * x**3))), X),
    Case(
        "gelu, exact",
        lambda x: F.gelu(x, approximate=False),
        lambda x: 0.5 * x * (1 + special.erf(x / 2**0.5)),
        X,
    ),
    Case("mish", F.mish, _mish, X),
    Case("elu", F.elu, lambda x: jnp.where(x > 0, x, jnp.exp(x) - 1), X),
    Case("celu", lambda x: F.celu(x, alpha=2.0), lambda x: jnp.where(x > 0, x, 2 * (jnp.exp(x / 2) - 1)), X),
    Case("squareplus", F.squareplus, lambda x: (x + jnp.sqrt(x**2 + 4)) / 2, X),
    Case("sparse_plus", F.sparse_plus, lambda x: jnp.where(x >= 1, x, jnp.where(x <= -1, 0, (x + 1) ** 2 / 4)), X),
    Case("maxout", lambda x: F.maxout(x, pieces=2), lambda x: x.reshape(len(x), 512, 2).max(-1), X),
    Case("glu", F.glu, lambda x: x[:, :512] * jax.nn.sigmoid(x[:, 512:]), X),
    Case("swiglu", F.swiglu, lambda x: x[:, :512] * x[:, 512:] * jax.nn.sigmoid(x[:, 512:]), X),
    Case("softmax", F.softmax, _softmax, X),
    Case("log_softmax", F.log_softmax, _log_softmax, X),
    Case(
        "log1mexp",
        lambda x: F.log1mexp(x),
        lambda x: jnp.where(x < 0.6931472, jnp.log(-jnp.expm1(-x)), jnp.log1p(-jnp.exp(-x))),
        (lambda rng, n: rng.random((n, 1024), dtype="float32") + 0.01,),
    ),
]
