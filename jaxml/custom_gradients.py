"""Every gradient that jaxml writes by hand, each with the plain form whose autodiff it must equal.

`jaxml check --all` and the tests verify all of them at order 2, under jit and vmap and in every dtype listed. A new
`custom_jvp`, `custom_vjp` or primitive with derivative rules gets its line here; a test finds those that have none.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxml.functional as F
from jaxml.descent._backprop import chain_rule_error
from jaxml.functional import _conv_primitives, _conv_xla, _depthwise_primitives, _depthwise_xla
from jaxml.functional import _kinks as kinks
from jaxml.functional._activation_curves import exponential_unit, normal_cdf, normal_gate
from jaxml.functional._bilinear_primitives import DIRECTIONS
from jaxml.functional._class_costs import class_costs
from jaxml.functional._class_costs import reference as plain_class_costs
from jaxml.functional._classes import at_labels, below
from jaxml.functional._distances import same
from jaxml.functional._fractional_pool import _starts, pool_at
from jaxml.functional._guarded import guarded
from jaxml.functional._losses_binary import clamped_log, excess, focal, label_entropy
from jaxml.functional._resample import Matrix, resample
from jaxml.functional._resample import plain as plain_resample
from jaxml.functional._softmax import finite
from jaxml.functional._vector_norm import power, scaled_norm, vector_norm
from jaxml.functional._window import Window
from jaxml.gradcheck import Gradient

# An odd image, an even kernel, stride and dilation together, uneven padding, two outputs a channel.
DEPTHWISE = Window(spatial=(7, 6), kernel=(3, 2), stride=(2, 1), dilation=(1, 2), pads=((2, 1), (0, 1)), multiplier=2)
# A window of Winograd's form: strides of 1 and 2, odd and even outputs, uneven padding, more of it than the kernel's.
DENSE = Window(spatial=(4, 6), kernel=(3, 3), stride=(1, 2), dilation=(1, 1), pads=((0, 1), (3, 0)))
# An empty row, an empty column, one place given twice.
MATRIX = Matrix((5, 4), np.array([0, 0, 1, 3, 4, 4, 4]), np.array([0, 2, 1, 1, 0, 1, 0]), np.linspace(-1.5, 1.5, 7))

# Where the windows of fractional_max_pool2d lie: image, axis, channel.
DRAWS = np.random.default_rng(0).uniform(size=(2, 2, 3)).astype(np.float32)

LABELS = np.array([0, 4, 2], np.int32)


def _normal(*shapes: tuple[int, ...], dtype: Any = np.float32) -> Callable[[int], tuple[np.ndarray, ...]]:
    """`make_args` for normal draws of these shapes."""

    def make_args(seed: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(seed)
        return tuple(rng.standard_normal(shape).astype(dtype) for shape in shapes)

    return make_args


def _three(name: str, x: Any, w: Any, y: Any, primitives: Any, implementation: str, dtype: Any) -> list[Gradient]:
    """A convolution and its gradients as primitives: each one's derivatives are the other two."""
    window, plain = (DEPTHWISE, _depthwise_xla) if primitives is _depthwise_primitives else (DENSE, _conv_xla)
    bound = {"window": window, "implementation": implementation}
    operations = zip(
        DIRECTIONS,
        (primitives.conv_p, primitives.input_grad_p, primitives.weight_grad_p),
        ((x, w), (y, w), (x, y)),
        strict=True,
    )
    return [
        Gradient(
            name=f"{name}_{direction} {implementation} {jnp.dtype(dtype).name}",
            f=partial(primitive.bind, **bound),
            reference=partial(getattr(plain, direction), window=window),
            make_args=_normal(*shapes, dtype=dtype),
        )
        for direction, primitive, shapes in operations
    ]


def _depthwise(implementation: str, dtype: Any) -> list[Gradient]:
    x, w, y = (2, *DEPTHWISE.spatial, 3), (*DEPTHWISE.kernel, 1, 6), (2, *DEPTHWISE.output, 6)
    return _three("depthwise", x, w, y, _depthwise_primitives, implementation, dtype)


def _conv2d(implementation: str, dtype: Any) -> list[Gradient]:
    x, w, y = (2, *DENSE.spatial, 2), (*DENSE.kernel, 2, 3), (2, *DENSE.output, 3)
    return _three("conv2d", x, w, y, _conv_primitives, implementation, dtype)


def _plain_layer(x: jax.Array, w: jax.Array, b: jax.Array) -> jax.Array:
    window = Window((9, 9), (3, 3), (2, 2), (1, 1), ((1, 1), (1, 1)))
    return _depthwise_xla.forward(x, w, window) + b.reshape(1, 1, 1, -1)


def _norm_conv(batch_norm_conv: Callable[..., Any]) -> Callable[..., jax.Array]:
    """A depthwise layer behind batch norm and silu, as a function of what is trained; only y has a gradient."""

    def layer(x: jax.Array, scale: jax.Array, bias: jax.Array, w: jax.Array) -> jax.Array:
        zero, one = jnp.zeros_like(scale), jnp.ones_like(scale)
        conv = partial(F.depthwise_conv2d, stride=2, padding=1, implementation="xla")
        return batch_norm_conv(x, zero, one, scale, bias, w, train=True, activation=F.silu, conv=conv)[0]

    return layer


def _plain_batch_norm_conv(x, mean, var, scale, bias, w, *, train, activation, conv):
    y, mean, var = F.batch_norm(x, mean, var, scale, bias, train=train)
    return conv(activation(y), w), mean, var


def _costs(class_costs: Callable[..., Any], x: jax.Array, w: jax.Array, b: jax.Array, shares: jax.Array) -> Any:
    return class_costs(x, w, b, shares, jnp.asarray(LABELS), 4)


def _plain_focal(x: jax.Array, z: jax.Array, gamma: float) -> jax.Array:
    p = jax.nn.sigmoid(x)
    return (z * (1 - p) + (1 - z) * p) ** gamma * -(z * jnp.log(p) + (1 - z) * jnp.log(1 - p))


def _length(x: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.sum(jnp.square(x), -1))


def _plain_softmax(x: jax.Array) -> jax.Array:
    return jnp.exp(x) / jnp.sum(jnp.exp(x), -1, keepdims=True)


def _scaled_length(x: jax.Array, *, scale: float) -> jax.Array:
    """The same, or inf where the scale is too large."""
    return _length(scale * x) / scale


def _same_length(x: jax.Array, *, scale: float) -> jax.Array:
    del scale
    return _length(x)


def _plain_js(p: jax.Array, q: jax.Array) -> jax.Array:
    m = jnp.logaddexp(p, q) - jnp.log(2.0)
    return jnp.sum(jnp.exp(p) * (p - m) + jnp.exp(q) * (q - m), -1) / 2


def _plain_fractional(x: jax.Array) -> jax.Array:
    for axis, k, size in ((2, 3, 2), (1, 2, 3)):
        starts = _starts(jnp.asarray(DRAWS)[:, axis - 1], x.shape[axis], k, size)
        taps = starts[:, :, None] + jnp.arange(k).reshape(1, 1, k, 1)
        shape = (x.shape[0], -1, 1, x.shape[-1]) if axis == 1 else (x.shape[0], 1, -1, x.shape[-1])
        entries = jnp.take_along_axis(x, taps.reshape(shape), axis)
        x = jnp.max(entries.reshape(*x.shape[:axis], size, k, *x.shape[axis + 1 :]), axis + 1)
    return x


def _recurrent(name: str, implementation: str, backwards: bool, *args: jax.Array) -> Any:
    x, w_ih, w_hh, b_ih, b_hh, h0, *more = args
    given = {"h0": h0} | dict(zip(("c0",), more, strict=False))
    if backwards:
        given |= {"lengths": jnp.array([2, 3], jnp.int32), "reverse": True, "h_mask": 2 * h0}
        given |= {"zoneout_h": x[..., :1], "zoneout_c": x[..., 1:]} if name == "lstm" else {"zoneout_h": x[..., :1]}
    return getattr(F, name)(x, w_ih, w_hh, b_ih, b_hh, **given, implementation=implementation)


# What stands in _kinks, and how one writes it by hand.
KINKS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "absolute": (kinks.absolute, lambda x: jnp.where(x > 0, x, -x)),
    "clamped": (kinks.clamped, jax.nn.relu),
    "above_zero": (kinks.above_zero, jax.nn.relu),
    "pinball": (lambda x: kinks.pinball(x, -0.25, 0.75), lambda x: jnp.where(x > 0, 0.75, -0.25) * x),
    "bent_square": (lambda x: kinks.bent_square(x, 0.25, 0.75), lambda x: jnp.where(x > 0, 0.75, 0.25) * x**2),
    "huber": (lambda x: kinks.huber(x, 0.5), lambda x: jnp.where(jnp.abs(x) < 0.5, x**2, jnp.abs(x) - 0.25) / 2),
    "bounded": (lambda x: kinks.bounded(x, 0.5), lambda x: jnp.minimum(jnp.maximum(x, -0.5), 0.5)),
    "at_most": (lambda x: kinks.at_most(x, 9.0), lambda x: x * 1),
    "at_least": (lambda x: kinks.at_least(x, -9.0), lambda x: x * 1),
    "softplus": (kinks.softplus, jax.nn.softplus),
    "softplus_pair": (kinks.softplus_pair, lambda x: (jax.nn.softplus(x), jax.nn.softplus(-x))),
}


# What stands in _activation_curves and _standardize, and the members of a family of _losses_regression that have their
# own form.
CURVES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "exponential_unit": (
        lambda x: exponential_unit(x, 0.75, 2.0),
        lambda x: jnp.where(x > 0, x, 0.75 * (jnp.exp(x / 2) - 1)),
    ),
    "squareplus": (F.squareplus, lambda x: (x + jnp.sqrt(jnp.square(x) + 4)) / 2),
    "log1mexp": (lambda x: F.log1mexp(x * x), lambda x: jnp.log(1 - jnp.exp(-x * x))),
    "silu": (F.silu, lambda x: x / (1 + jnp.exp(-x))),  # _activation_parts
    "mish": (F.mish, lambda x: x * jnp.tanh(jax.nn.softplus(x))),
    "normal_cdf": (normal_cdf, jax.scipy.stats.norm.cdf),
    "gelu, exact": (normal_gate, lambda x: x * jax.scipy.stats.norm.cdf(x)),
    "layer_norm": (F.layer_norm, partial(jax.nn.standardize, epsilon=1e-5)),
    "rms_norm": (F.rms_norm, lambda x: x / jnp.sqrt(jnp.mean(x**2, -1, keepdims=True) + 1e-6)),
    "poly_loss": (  # _losses_classes
        lambda x: F.poly_loss(x, x**2),
        lambda x: jnp.sum(x**2 * (2 - 2 * jax.nn.softmax(x) - jax.nn.log_softmax(x)), -1),
    ),
    "general_robust_loss at 1": (
        lambda x: F.general_robust_loss(x, jnp.zeros_like(x)),
        lambda x: jnp.mean(jnp.sqrt(x**2 + 1) - 1, -1),
    ),
    "general_robust_loss at -2": (
        lambda x: F.general_robust_loss(x, jnp.zeros_like(x), alpha=-2),
        lambda x: jnp.mean(2 - 2 / (x**2 / 4 + 1), -1),
    ),
}


CUSTOM_GRADIENTS: tuple[Gradient, ...] = (
    *(gradient for name in _depthwise_primitives.IMPLEMENTATIONS for gradient in _depthwise(name, jnp.float32)),
    *(gradient for dtype in (jnp.bfloat16, jnp.float16) for gradient in _depthwise("shift", dtype)),
    *(gradient for name in _conv_primitives.IMPLEMENTATIONS for gradient in _conv2d(name, jnp.float32)),
    *_conv2d("winograd", jnp.bfloat16),
    Gradient(
        name="depthwise_conv2d float32",
        f=partial(F.depthwise_conv2d, stride=2, padding=1),
        reference=_plain_layer,
        make_args=_normal((1, 9, 9, 4), (3, 3, 1, 4), (4,)),
    ),
    # _recompute, by the function that is made of it
    Gradient(
        name="batch_norm_conv float32",
        f=_norm_conv(F.batch_norm_conv),
        reference=_norm_conv(_plain_batch_norm_conv),
        make_args=_normal((2, 5, 4, 3), (3,), (3,), (3, 2, 1, 3)),
    ),
    # Chunks of 4, 4 and 3 classes, and the biases and weights that are optional.
    Gradient(
        name="class_costs float32",
        f=partial(_costs, class_costs),
        reference=partial(_costs, plain_class_costs),
        make_args=_normal((3, 4), (4, 11), (11,), (11,)),
    ),
    Gradient(
        name="clamped_log float32",
        f=lambda p: clamped_log(p, 1e-12),
        reference=lambda p: jnp.maximum(jnp.log(p), -100),
        make_args=lambda seed: (np.random.default_rng(seed).uniform(0.1, 1, (5, 3)).astype(np.float32),),
    ),
    *(
        Gradient(
            name=f"resample {jnp.dtype(dtype).name}",
            f=partial(resample, matrix=MATRIX, axis=1),
            reference=partial(plain_resample, matrix=MATRIX, axis=1),
            make_args=_normal((2, 4, 3), dtype=dtype),
        )
        for dtype in (jnp.float32, jnp.bfloat16, jnp.float16)
    ),
    Gradient(
        name="at_labels float32",
        f=lambda x: at_labels(x, jnp.asarray(LABELS), 1),
        reference=lambda x: jnp.take_along_axis(x, jnp.asarray(LABELS)[:, None], 1)[:, 0],
        make_args=_normal((3, 5)),
    ),
    Gradient(name="below float32", f=below, reference=lambda x, top: x - top, make_args=_normal((3, 5), (3, 1))),
    Gradient(name="softmax float32", f=F.softmax, reference=_plain_softmax, make_args=_normal((5, 3))),
    Gradient(name="finite float32", f=finite, reference=lambda x: x * 1, make_args=_normal((5, 3))),
    *(
        Gradient(name=f"{name} float32", f=f, reference=reference, make_args=_normal((5, 3)))
        for name, (f, reference) in (KINKS | CURVES).items()
    ),
    Gradient(
        name="label_entropy float32",
        f=label_entropy,
        reference=lambda x, z: jnp.maximum(x, 0) - x * z + jnp.log1p(jnp.exp(-jnp.abs(x))),
        make_args=_normal((5, 3), (5, 3)),
    ),
    Gradient(
        name="excess float32", f=excess, reference=lambda x, z: jax.nn.sigmoid(x) - z, make_args=_normal((5, 3), (5, 3))
    ),
    *(
        Gradient(
            name=f"focal, gamma {gamma:g}, float32",
            f=lambda x, z, gamma=gamma: focal(x, jax.nn.sigmoid(z), gamma),
            reference=lambda x, z, gamma=gamma: _plain_focal(x, jax.nn.sigmoid(z), gamma),
            make_args=_normal((5, 3), (5, 3)),
        )
        for gamma in (0, 0.5, 2)
    ),
    Gradient(name="times float32", f=kinks.times, reference=lambda x, y: x * y, make_args=_normal((5, 3), (5, 3))),
    Gradient(
        name="scaled_norm float32",
        f=lambda x: scaled_norm(same, -1, 1e-8, x)[1],
        reference=lambda x: _length(x)[..., None],
        make_args=_normal((5, 3)),
    ),
    Gradient(
        name="vector_norm, order 3, float32",
        f=partial(vector_norm, 3, -1),
        reference=lambda x: jnp.sum(jnp.abs(x) ** 3, -1, keepdims=True) ** (1 / 3),
        make_args=_normal((5, 3)),
    ),
    Gradient(
        name="power float32",
        f=lambda x: power(jnp.square(x), 1.5),
        reference=lambda x: jnp.square(x) ** 1.5,
        make_args=_normal((5, 3)),
    ),
    # _distances
    *(
        Gradient(
            name=f"{name} float32",
            f=f,
            reference=lambda a, b: jnp.sum(a * b, -1) / (_length(a) * _length(b)),
            make_args=_normal((5, 3), (5, 3)),
        )
        for name, f in {
            "cosine_similarity": F.cosine_similarity,
            "cosine_embedding_loss": lambda a, b: 1 - F.cosine_embedding_loss(a, b, jnp.ones_like(a[:, 0])),
        }.items()
    ),
    Gradient(
        name="normalize float32",
        f=F.normalize,
        reference=lambda x: x / _length(x)[..., None],
        make_args=_normal((5, 3)),
    ),
    Gradient(
        name="cdist float32",
        f=F.cdist,
        reference=lambda a, b: _length(a[:, None] - b[None]),
        make_args=_normal((5, 3), (4, 3)),
    ),
    # _guarded: the plain form is finite, and is not
    *(
        Gradient(
            name=f"guarded, {name}, float32",
            f=lambda x, scale=scale: guarded(_scaled_length, _same_length, x, scale=scale),
            reference=_length,
            make_args=_normal((5, 3)),
        )
        for name, scale in {"plain": 1.0, "careful": 1e30}.items()
    ),
    # _pool_windows
    Gradient(
        name="global_max_pool float32",
        f=F.global_max_pool,
        reference=lambda x: jnp.max(x, (1, 2)),
        make_args=_normal((2, 3, 4, 3)),
    ),
    # _pool, and an edge that no window reaches
    Gradient(
        name="avg_pool1d float32",
        f=partial(F.avg_pool1d, window=2),
        reference=lambda x: jnp.mean(x[:, :6].reshape(x.shape[0], 3, 2, x.shape[-1]), 2),
        make_args=_normal((2, 7, 3)),
    ),
    # _fractional_pool
    Gradient(
        name="fractional_max_pool2d float32",
        f=lambda x: pool_at(x, jnp.asarray(DRAWS), (2, 3), (3, 2)),
        reference=_plain_fractional,
        make_args=_normal((2, 7, 6, 3)),
    ),
    # _lp_pool
    *(
        Gradient(
            name=f"lp_pool1d, order {order:g}, float32",
            f=partial(F.lp_pool1d, order=order, window=2),
            reference=lambda x, order=order: (
                jnp.sum(jnp.abs(x.reshape(x.shape[0], -1, 2, x.shape[-1])) ** order, 2) ** (1 / order)
            ),
            make_args=_normal((2, 6, 3)),
        )
        for order in (2, 3)
    ),
    # _recurrent_lstm, _recurrent_gru, _recurrent_elman
    *(
        Gradient(
            name=f"{name} scan{', lengths, masks, backwards' if backwards else ''}, {jnp.dtype(dtype).name}",
            f=partial(_recurrent, name, "scan", backwards),
            reference=partial(_recurrent, name, "reference", backwards),
            make_args=_normal(
                (2, 3, 2), (2, 3 * gates), (3, 3 * gates), (3 * gates,), (3 * gates,), *[(2, 3)] * states, dtype=dtype
            ),
        )
        for name, gates, states in (("rnn", 1, 1), ("gru", 3, 1), ("lstm", 4, 2))
        for backwards, dtype in ((False, jnp.float32), (True, jnp.float32), (False, jnp.bfloat16))
        if dtype == jnp.float32 or name == "lstm"
    ),
    # _backprop
    Gradient(
        name="descent.backprop float32",
        f=lambda w1, b1, w2, b2, x, target: chain_rule_error([(w1, b1), (w2, b2)], x, target, "tanh"),
        reference=lambda w1, b1, w2, b2, x, target: (
            jnp.sum((jnp.tanh(jnp.tanh(x @ w1 + b1[None]) @ w2 + b2[None]) - target) ** 2) / (2 * len(x))
        ),
        make_args=_normal((3, 4), (4,), (4, 2), (2,), (5, 3), (5, 2)),
    ),
    # _divergences
    Gradient(
        name="kl_divergence float32",
        f=lambda q, t: F.kl_divergence(q, jnp.exp(t)),
        reference=lambda q, t: jnp.sum(jnp.exp(t) * (t - q), -1),
        make_args=_normal((5, 3), (5, 3)),
    ),
    Gradient(name="js_divergence float32", f=F.js_divergence, reference=_plain_js, make_args=_normal((5, 3), (5, 3))),
)
