"""Live comparison with PyTorch: convolutions and batch normalisation, values and every gradient."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
pytestmark = pytest.mark.peers
T = torch.nn.functional


def compare(ours, theirs, arrays, rng, tolerance=2e-5):
    """Value, and gradients of all arrays for random output weights; `theirs` works in JAX's layouts."""
    y, pull = jax.vjp(ours, *map(jnp.asarray, arrays))
    weights = rng.standard_normal(y.shape).astype(np.float32)
    leaves = [torch.tensor(a, requires_grad=True) for a in arrays]
    want = theirs(*leaves)
    want.backward(torch.tensor(weights))
    np.testing.assert_allclose(y, want.detach().numpy(), rtol=tolerance, atol=tolerance)
    for got, leaf in zip(pull(jnp.asarray(weights)), leaves, strict=True):
        np.testing.assert_allclose(got, leaf.grad.numpy(), rtol=tolerance, atol=tolerance)


def channels_last(n, **options):
    """PyTorch's n-d convolution with JAX's image and kernel layouts."""
    conv = getattr(T, f"conv{n}d")

    def call(x, w, b):
        y = conv(x.movedim(-1, 1), w.movedim((-1, -2), (0, 1)), b, **options)
        return y.movedim(1, -1)

    return call


@pytest.mark.parametrize(
    "options",
    [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "padding": 2}, {"stride": 2, "dilation": 2, "padding": 3}],
    ids=str,
)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_conv(n, groups, options, rng):
    shapes = ((2, *(7, 6, 8)[:n], 4), (*(3, 2, 3)[:n], 4 // groups, 6), (6,))
    arrays = [rng.standard_normal(s).astype(np.float32) for s in shapes]
    ours = partial(getattr(F, f"conv{n}d"), groups=groups, **({"padding": 0} | options))
    compare(ours, channels_last(n, groups=groups, **options), arrays, rng)


@pytest.mark.parametrize("implementation", F.depthwise_implementations())
@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize(("stride", "dilation", "padding"), [(1, 1, 1), (2, 1, 1), (1, 2, 2), (2, 2, 3)])
def test_depthwise(stride, dilation, padding, multiplier, implementation, rng):
    """The order of output channels too: c*multiplier + q."""
    shapes = ((2, 9, 8, 3), (3, 3, 1, 3 * multiplier), (3 * multiplier,))
    arrays = [rng.standard_normal(s).astype(np.float32) for s in shapes]
    options = {"stride": stride, "dilation": dilation, "padding": padding}
    ours = partial(F.depthwise_conv2d, implementation=implementation, **options)
    compare(ours, channels_last(2, groups=3, **options), arrays, rng)


@pytest.mark.parametrize("shape", [(6, 3), (4, 5, 3), (2, 5, 4, 3)])
def test_batch_norm(shape, rng):
    """Training and evaluation; PyTorch's momentum is one minus ours, its running variance n/(n-1) of ours."""
    x, scale, bias = (rng.standard_normal(s).astype(np.float32) for s in (shape, (3,), (3,)))
    mean, var = rng.standard_normal(3).astype(np.float32), rng.random(3).astype(np.float32) + 0.5
    for train in (True, False):

        def ours(x, scale, bias, train=train):
            return F.batch_norm(x, jnp.asarray(mean), jnp.asarray(var), scale, bias, train=train, momentum=0.9)[0]

        moved = torch.tensor(mean), torch.tensor(var)

        def theirs(x, scale, bias, train=train, moved=moved):
            y = T.batch_norm(x.movedim(-1, 1), *moved, scale, bias, training=train, momentum=0.1, eps=1e-5)
            return y.movedim(1, -1)

        compare(ours, theirs, (x, scale, bias), rng)
        _, new_mean, new_var = F.batch_norm(
            jnp.asarray(x), jnp.asarray(mean), jnp.asarray(var), train=train, momentum=0.9
        )
        n = x.size // 3
        np.testing.assert_allclose(new_mean, moved[0].numpy(), rtol=1e-5, atol=1e-6)
        unbiased = var * 0.9 + (np.asarray(new_var) - 0.9 * var) * n / (n - 1) if train else var
        np.testing.assert_allclose(unbiased, moved[1].numpy(), rtol=1e-5, atol=1e-6)
