"""Claims and coverage: activations."""

from dataclasses import replace
from functools import partial

import numpy as np

import jaxml.functional as F

from ._claim import Claim, first, last, normal
from ._row import Row


def same(name, torch_name="", **grid):
    """The two have the same options, under the same names."""
    torch_name = torch_name or name
    return Claim(
        name, f"nn.functional.{torch_name}", normal(3, 5, scale=3.0), getattr(F, name),
        lambda torch, x, **options: getattr(torch.nn.functional, torch_name)(x, **options), grid=grid,
    )  # fmt: skip


def shrink(name, torch_name):
    """Their threshold is called `lambd`."""
    return Claim(
        name, f"nn.functional.{torch_name}", normal(3, 5, scale=3.0), getattr(F, name),
        lambda torch, x, threshold: getattr(torch.nn.functional, torch_name)(x, threshold),
        grid={"threshold": (0.0, 0.5, 2.0)},
    )  # fmt: skip


def at_the_kinks(rng, options):
    """Where every documented derivative is PyTorch's."""
    return [np.array([-6.0, -3, -1, -0.5, 0, 0.5, 1, 3, 6])]


def kinked(name, torch_name, **options):
    return Claim(
        name, f"nn.functional.{torch_name}", at_the_kinks, partial(getattr(F, name), **options),
        lambda torch, x: getattr(torch.nn.functional, torch_name)(x, **options), variant="kinks",
    )  # fmt: skip


def with_alpha(rng, options):
    return [3 * rng.standard_normal((2, 4, 3)), rng.standard_normal(3 if options["per_channel"] else ())]


# The derivative of PyTorch's is the 1/6 of float32 in float64 too.
SIXTH = {"float64": 1e-8}
AXES = (-1, 0, 1)
ROUND = (F.softmax, F.log_softmax, F.softmin)
CLAIMS = [
    Claim(
        "gelu", "nn.functional.gelu", normal(3, 5, scale=3.0), F.gelu,
        lambda torch, x, approximate: torch.nn.functional.gelu(x, approximate="tanh" if approximate else "none"),
        grid={"approximate": (True, False)},
    ),
    *(same(name) for name in ("relu", "relu6", "selu", "sigmoid", "silu", "softsign", "tanh", "mish")),
    same("log_sigmoid", "logsigmoid"),
    replace(same("hard_sigmoid", "hardsigmoid"), tolerance=SIXTH),
    same("hard_silu", "hardswish"),
    same("hard_tanh", "hardtanh"),
    same("tanh_shrink", "tanhshrink"),
    same("celu", alpha=(0.5, 1.0, 2.0)),
    same("elu", alpha=(0.3, 1.0, 2.0)),
    same("leaky_relu", negative_slope=(0.01, 0.0, 0.25, -0.5)),
    same("threshold", threshold=(-1.0, 0.0, 0.5), value=(-3.0, 0.0, 2.0)),
    shrink("hard_shrink", "hardshrink"),
    shrink("soft_shrink", "softshrink"),
    Claim(
        "softplus", "nn.functional.softplus", normal(3, 5, scale=3.0), F.softplus,
        # The threshold above which PyTorch's is x, out of the way.
        lambda torch, x, beta: torch.nn.functional.softplus(x, beta, 100.0), grid={"beta": (0.5, 1.0, 3.0)},
    ),
    Claim(
        "glu", "nn.functional.glu", normal(4, 6), F.glu,
        lambda torch, x, axis: torch.nn.functional.glu(x, axis), grid={"axis": (-1, 0, 1)},
    ),
    Claim(
        "prelu", "nn.functional.prelu", with_alpha, lambda x, a, per_channel: F.prelu(x, a),
        lambda torch, x, a, per_channel: last(torch.nn.functional.prelu(first(x), a.reshape(-1))),
        grid={"per_channel": (True, False)}, differentiable=(0, 1),
    ),
    *(
        Claim(
            f.__name__, f"nn.functional.{f.__name__}", normal(3, 2, 5, scale=3.0), f,
            lambda torch, x, axis, name=f.__name__: getattr(torch.nn.functional, name)(x, axis), grid={"axis": AXES},
        )
        for f in ROUND
    ),
    kinked("relu", "relu"),
    kinked("relu6", "relu6"),
    kinked("leaky_relu", "leaky_relu", negative_slope=0.25),
    kinked("hard_tanh", "hardtanh"),
    replace(kinked("hard_sigmoid", "hardsigmoid"), tolerance=SIXTH),
    kinked("hard_silu", "hardswish"),
    kinked("hard_shrink", "hardshrink"),
    kinked("soft_shrink", "softshrink"),
    kinked("threshold", "threshold", threshold=1.0, value=-3.0),
    kinked("elu", "elu", alpha=0.3),
    kinked("selu", "selu"),
]  # fmt: skip
IN_PLACE = "in-place form: JAX's arrays do not change"
ROWS = [
    Row(("relu",), ("relu",), "relu"),
    Row(("relu6",), ("relu6",), "relu6"),
    Row(("leaky_relu",), ("leaky_relu",), "leaky_relu", reason="Keras's slope is 0.2, that of its layer 0.3"),
    Row(("prelu",), ("layers.PReLU",), "prelu"),
    Row((), (), "relu_squared", reason="MLX's `relu2`"),
    Row((), (), "crelu", reason="TensorFlow's"),
    Row(("elu",), ("elu",), "elu"),
    Row(("celu",), ("celu",), "celu"),
    Row(("selu",), ("selu",), "selu"),
    Row(("gelu",), ("gelu",), "gelu", reason="the default is the tanh form, as in Flax; PyTorch's is the exact one"),
    Row(("silu",), ("silu", "swish"), "silu"),
    Row(("mish",), ("activations.mish",), "mish"),
    Row(("hardswish",), ("hard_silu", "hard_swish"), "hard_silu"),
    Row(("sigmoid",), ("sigmoid",), "sigmoid"),
    Row(("hardsigmoid",), ("hard_sigmoid",), "hard_sigmoid"),
    Row(("logsigmoid",), ("log_sigmoid",), "log_sigmoid"),
    Row((), ("sparse_sigmoid",), "sparse_sigmoid"),
    Row(("tanh",), ("tanh",), "tanh"),
    Row(("hardtanh",), ("hard_tanh",), "hard_tanh", reason="other bounds: `jnp.clip`"),
    Row(("softsign",), ("softsign",), "softsign"),
    Row(("softplus",), ("softplus",), "softplus", reason="without PyTorch's threshold: exact throughout"),
    Row((), ("sparse_plus",), "sparse_plus"),
    Row((), ("squareplus",), "squareplus"),
    Row(("hardshrink",), ("hard_shrink",), "hard_shrink"),
    Row(("softshrink",), ("soft_shrink",), "soft_shrink"),
    Row(("tanhshrink",), ("tanh_shrink",), "tanh_shrink"),
    Row(("threshold",), ("threshold",), "threshold"),
    Row((), (), "step", reason="MLX's, at threshold 0"),
    Row((), (), "snake"),
    Row((), ("activations.linear",), "identity"),
    Row(("glu",), ("glu",), "glu"),
    Row((), (), "geglu", reason="GLU variants, arXiv:2002.05202: no library has them as functions"),
    Row((), (), "reglu", reason="as above"),
    Row((), (), "swiglu", reason="as above"),
    Row((), ("tfa.layers.Maxout",), "maxout"),
    Row(("softmax",), ("softmax",), "softmax", reason="PyTorch's `Softmax2d` is this one, channels last"),
    Row(("log_softmax",), ("log_softmax",), "log_softmax"),
    Row(("softmin",), (), "softmin"),
    Row((), (), "spatial_softmax"),
    Row((), (), "logmeanexp", reason="`jax.nn.logmeanexp` is NaN for a row that is masked completely"),
    Row((), (), "log1mexp", reason="the second derivative of `jax.nn.log1mexp` is NaN for large x"),
    Row((), ("logsumexp",), "logsumexp", whose="jax.nn"),
    Row(("relu_", "elu_", "celu_", "selu_", "leaky_relu_", "hardtanh_", "threshold_"), reason=IN_PLACE),
]
