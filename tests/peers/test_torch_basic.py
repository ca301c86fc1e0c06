"""Live comparison with PyTorch: values and gradients, at kinks and ties too."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
pytestmark = pytest.mark.peers
T = torch.nn.functional
# Channels last to PyTorch's channels first.
FIRST = {3: (0, 2, 1), 4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}
LAST = {3: (0, 2, 1), 4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}


def compare(ours, theirs, x, rng, tolerance=2e-6):
    """Value, and gradient for random output weights, of two functions of one NumPy array."""
    y, pull = jax.vjp(ours, jnp.asarray(x))
    weights = rng.standard_normal(y.shape).astype(np.float32)
    leaf = torch.tensor(x, requires_grad=True)
    want = theirs(leaf)
    want.backward(torch.tensor(weights))
    np.testing.assert_allclose(y, want.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(pull(jnp.asarray(weights))[0], leaf.grad.numpy(), rtol=tolerance, atol=tolerance)


ACTIVATIONS = {
    "relu": (F.relu, T.relu),
    "relu6": (F.relu6, T.relu6),
    "sigmoid": (F.sigmoid, torch.sigmoid),
    "tanh": (F.tanh, torch.tanh),
    "softplus": (F.softplus, T.softplus),
    "log_sigmoid": (F.log_sigmoid, T.logsigmoid),
    "silu": (F.silu, T.silu),
    "gelu": (partial(F.gelu, approximate=True), partial(T.gelu, approximate="tanh")),
    "gelu_exact": (partial(F.gelu, approximate=False), T.gelu),
    "mish": (F.mish, T.mish),
    "elu": (partial(F.elu, alpha=0.7), partial(T.elu, alpha=0.7)),
    "selu": (F.selu, T.selu),
    "celu": (partial(F.celu, alpha=0.7), partial(T.celu, alpha=0.7)),
    "leaky_relu": (F.leaky_relu, T.leaky_relu),
    "hard_tanh": (F.hard_tanh, T.hardtanh),
    "hard_sigmoid": (F.hard_sigmoid, T.hardsigmoid),
    "hard_silu": (F.hard_silu, T.hardswish),
    "glu": (F.glu, T.glu),
    "softmax": (F.softmax, partial(T.softmax, dim=-1)),
    "log_softmax": (F.log_softmax, partial(T.log_softmax, dim=-1)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name, rng):
    """On random numbers, and at the kinks, where the derivative is a choice."""
    kinks = np.array([[-6, -3, -1, 0, 0, 1, 3, 6]])
    x = np.concatenate([3 * rng.standard_normal((4, 8)), kinks]).astype(np.float32)
    compare(*ACTIVATIONS[name], x, rng)


def channels_last(pool, **options):
    """PyTorch's pool between the two layouts."""
    return lambda x: pool(x.permute(FIRST[x.ndim]), **options).permute(LAST[x.ndim])


@pytest.mark.parametrize("values", ["random", "ties"])
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(("window", "stride", "padding"), [(2, None, 0), (3, 2, 1), (3, 1, 1), (2, 3, 0)])
def test_pools(window, stride, padding, n, values, rng):
    """Maxima (of zeros from a relu also) and both averages."""
    x = rng.standard_normal((2, *(7, 6, 5)[:n], 3)).astype(np.float32)
    if values == "ties":
        x = np.maximum(np.round(x), 0)
    ours = {"window": window, "stride": stride, "padding": padding}
    theirs = {"kernel_size": window, "stride": stride, "padding": padding}
    compare(partial(getattr(F, f"max_pool{n}d"), **ours), channels_last(getattr(T, f"max_pool{n}d"), **theirs), x, rng)
    for include in (False, True):
        avg = partial(getattr(F, f"avg_pool{n}d"), **ours, count_include_pad=include)
        compare(avg, channels_last(getattr(T, f"avg_pool{n}d"), **theirs, count_include_pad=include), x, rng)


def test_linear(rng):
    x, w, b = (rng.standard_normal(s).astype(np.float32) for s in ((2, 3, 5), (5, 4), (4,)))
    compare(
        lambda x: F.linear(x, jnp.asarray(w), jnp.asarray(b)),
        lambda x: T.linear(x, torch.tensor(w.T), torch.tensor(b)),
        x,
        rng,
    )


def test_losses(rng):
    """The mean of ours is PyTorch's mean."""
    x = rng.standard_normal((3, 4, 5)).astype(np.float32)
    t = rng.random((3, 4, 5)).astype(np.float32)
    compare(lambda x: F.mse_loss(x, jnp.asarray(t)).mean(), lambda x: T.mse_loss(x, torch.tensor(t)), x, rng)
    bce = partial(T.binary_cross_entropy_with_logits, target=torch.tensor(t))
    compare(lambda x: F.binary_cross_entropy(x, jnp.asarray(t)).mean(), bce, x, rng)
    p = t / t.sum(1, keepdims=True)
    compare(
        lambda x: F.softmax_cross_entropy(x, jnp.asarray(p), axis=1).mean(),
        lambda x: T.cross_entropy(x, torch.tensor(p)),
        x,
        rng,
    )
    labels = rng.integers(0, 4, (3, 5))
    integer = partial(F.softmax_cross_entropy_with_integer_labels, labels=jnp.asarray(labels), axis=1)
    compare(lambda x: integer(x).mean(), lambda x: T.cross_entropy(x, torch.tensor(labels)), x, rng)
