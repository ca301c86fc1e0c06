"""The update rules against torch.optim, over several steps."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxml import optim

torch = pytest.importorskip("torch", reason="PyTorch is not installed: live comparison of the optimizers skipped")
pytestmark = pytest.mark.peers

SGD, ADAGRAD, RMSPROP, ADAM = "SGD", "Adagrad", "RMSprop", "Adam"
CASES = [
    (SGD, {"lr": 0.1, "momentum": 0.9}, lambda: optim.momentum(0.1)),
    (SGD, {"lr": 0.1}, lambda: optim.momentum(0.1, momentum=0.0)),
    (SGD, {"lr": 0.1, "momentum": 0.5, "nesterov": True}, lambda: optim.momentum(0.1, momentum=0.5, nesterov=True)),
    (SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.9}, lambda: optim.momentum(0.1, dampening=0.9)),
    (ADAGRAD, {"lr": 0.1}, lambda: optim.adagrad(0.1)),
    (
        ADAGRAD,
        {"lr": 0.1, "initial_accumulator_value": 0.2, "eps": 1e-2},
        lambda: optim.adagrad(0.1, initial_accumulator=0.2, eps=1e-2),
    ),
    (ADAGRAD, {"lr": 0.1, "lr_decay": 0.3}, lambda: optim.adagrad(lambda t: 0.1 / (1 + 0.3 * t.astype(float)))),
    (RMSPROP, {"lr": 0.01}, lambda: optim.rmsprop(0.01)),
    (RMSPROP, {"lr": 0.01, "alpha": 0.8, "momentum": 0.7}, lambda: optim.rmsprop(0.01, decay=0.8, momentum=0.7)),
    (
        RMSPROP,
        {"lr": 0.01, "centered": True, "eps": 1e-3, "momentum": 0.5},
        lambda: optim.rmsprop(0.01, centered=True, eps=1e-3, momentum=0.5),
    ),
    (ADAM, {"lr": 0.01}, lambda: optim.adam(0.01)),
    (ADAM, {"lr": 0.01, "betas": (0.5, 0.7), "eps": 1e-3}, lambda: optim.adam(0.01, b1=0.5, b2=0.7, eps=1e-3)),
    (
        ADAM,
        {"lr": 0.01, "weight_decay": 0.1},
        lambda: optax.chain(optax.add_decayed_weights(0.1), optim.adam(0.01)),
    ),
]  # fmt: skip


def gradients(shape):
    g = np.random.default_rng(1).normal(size=(8, *shape))
    g[:, 0] *= 1e-6
    g[:2, 1] = 0
    return g


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-11), ("float32", 3e-6)])
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{c[1]}")
def test_torch_style_is_torch(case, dtype, rtol):
    name, options, build = case
    start = np.random.default_rng(0).normal(size=6).astype(dtype)
    w = torch.tensor(start.copy(), requires_grad=True)
    peer = getattr(torch.optim, name)([w], **options)
    with jax.enable_x64(dtype == "float64"):
        tx, ours = build(), jnp.asarray(start)
        state = tx.init(ours)
        for g in gradients(start.shape):
            w.grad = torch.tensor(g.astype(dtype))
            peer.step()
            updates, state = tx.update(jnp.asarray(g, dtype), state, ours)
            ours = optax.apply_updates(ours, updates)
            moved = np.abs(w.detach().numpy() - start).max()
            np.testing.assert_allclose(np.asarray(ours), w.detach().numpy(), rtol=rtol, atol=rtol * moved)
