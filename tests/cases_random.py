"""Cases: random functions of a fixed key. The references read the draw off a call with ones or zeros."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from _case import Case, normal

import jaxml.functional as F

KEY = jax.random.key(7)
SCALED = {
    "dropout1d": (F.dropout1d, (2, 3, 5), {"rate": 0.4}),
    "dropout2d": (F.dropout2d, (2, 3, 2, 5), {"rate": 0.4}),
    "dropout3d": (F.dropout3d, (2, 1, 3, 2, 5), {"rate": 0.4}),
    "drop_path": (F.drop_path, (5, 3), {"rate": 0.4}),
    "dropblock2d": (F.dropblock2d, (2, 4, 5, 3), {"rate": 0.4, "window": 2}),
    "gaussian_dropout": (F.gaussian_dropout, (3, 5), {"rate": 0.4}),
}


def factor(f, x, **options):
    """A random function that multiplies by what it makes of ones."""
    return x * f(KEY, jnp.ones(x.shape, x.dtype), **options)


def affine(f, x, **options):
    """A random function that is affine in each entry."""
    zero = f(KEY, jnp.zeros(x.shape, x.dtype), **options)
    return zero + x * (f(KEY, jnp.ones(x.shape, x.dtype), **options) - zero)


def relaxed(x):
    noise = jax.random.gumbel(KEY, x.shape, x.dtype)
    return jax.nn.softmax((x + noise) / 0.7, axis=0)


def random_slopes(x):
    slopes = jax.random.uniform(KEY, x.shape, x.dtype, 0.1, 0.6)
    return jnp.maximum(x, 0) + slopes * jnp.minimum(x, 0)


def mixed(f, x, targets):
    """Both outputs are linear in `x` and `targets`: what is mixed is read off the identity."""
    identity = jnp.eye(len(x), dtype=x.dtype)
    share = f(KEY, jnp.ones(x.shape, x.dtype), identity)[1]
    if f is F.mixup:
        return jnp.einsum("ij,j...->i...", share, x), share @ targets
    mark = jnp.broadcast_to(jnp.arange(len(x), dtype=x.dtype)[:, None, None, None], x.shape)
    source = f(KEY, mark, identity)[0].astype(int)
    return jnp.take_along_axis(x, source, 0), share @ targets


CASES: list[Case] = [
    *(
        Case(name, partial(f, KEY, **options), normal(shape), None, partial(factor, f, **options))
        for name, (f, shape, options) in SCALED.items()
    ),
    Case("alpha_dropout", partial(F.alpha_dropout, KEY, rate=0.4), normal((3, 5)), None,
         partial(affine, F.alpha_dropout, rate=0.4)),
    Case("feature_alpha_dropout", partial(F.feature_alpha_dropout, KEY, rate=0.4), normal((2, 3, 5)), None,
         partial(affine, F.feature_alpha_dropout, rate=0.4)),
    Case("gaussian_noise", partial(F.gaussian_noise, KEY, stddev=0.4), normal((3, 5)), None,
         partial(affine, F.gaussian_noise, stddev=0.4)),
    Case("gumbel_softmax", partial(F.gumbel_softmax, KEY, temperature=0.7, axis=0), normal((3, 5)), None, relaxed),
    Case("rrelu", partial(F.rrelu, KEY, minval=0.1, maxval=0.6), normal((3, 5)), None, random_slopes),
    Case("rrelu/mean", partial(F.rrelu, None, train=False), normal((3, 5)),
         lambda x: np.where(x > 0, x, x * (1 / 8 + 1 / 3) / 2)),
    Case("mixup", partial(F.mixup, KEY), normal((3, 5), (3, 2)), None, partial(mixed, F.mixup), (0, 1)),
    Case("cutmix", partial(F.cutmix, KEY), normal((3, 5, 4, 2), (3, 2)), None, partial(mixed, F.cutmix), (0, 1)),
    Case("cutout", partial(F.cutout, KEY, window=(2, 3), value=0.5), normal((2, 5, 4, 3)), None,
         partial(affine, F.cutout, window=(2, 3), value=0.5)),
]  # fmt: skip
