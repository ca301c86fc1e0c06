"""What the comparisons of whole networks share: random weights and statistics, and how near is near."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxml import nn

TOLERANCE = 1e-4  # of the largest entry of each activation


def randomise(model: nnx.Module, rng: np.random.Generator) -> None:
    """Every parameter and running statistic its own, of a size that keeps signals as they are, so that none can stand
    in another's place unseen."""
    for _, module in nnx.iter_modules(model):
        if isinstance(module, nn.BatchNorm):
            count = module.mean[...].shape
            ranges = {"scale": (0.5, 1.0), "bias": (-0.3, 0.3), "mean": (-0.3, 0.3), "var": (0.5, 1.5)}
            for name, limits in ranges.items():
                getattr(module, name).set_value(jnp.asarray(rng.uniform(*limits, count), jnp.float32))
        elif isinstance(module, nn.Conv | nn.DepthwiseConv | nn.Linear) and module.b is not None:
            module.b.set_value(jnp.asarray(rng.uniform(-0.3, 0.3, module.b[...].shape), jnp.float32))


def activations(model: nnx.Module, x: np.ndarray, *, train: bool = False) -> dict[str, np.ndarray]:
    """All that the model has by name, and the logits."""
    apply, params, state = nn.functionalize(model)
    run = jax.jit(lambda params, state, x: apply(params, state, x, train=train, taps=model.tap_names)[0])
    logits, taps = run(params, state, jnp.asarray(x))
    return {name: np.asarray(value) for name, value in (taps | {"logits": logits}).items()}


def assert_near(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    """Layer by layer, the first that differs is named."""
    assert set(theirs) <= set(ours) and len(theirs) > 5
    for name, want in theirs.items():
        got = ours[name]
        assert got.shape == want.shape, name
        assert np.abs(want).max() > 1e-2, f"{name} says nothing"
        error = np.abs(got - want).max() / np.abs(want).max()
        assert error < TOLERANCE, f"{name}: {error:.1e} of the largest entry"
