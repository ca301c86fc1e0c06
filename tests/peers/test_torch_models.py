"""Whole networks against PyTorch, layer by layer, with random weights and running statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxml import models, nn

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
from tests.peers import _compared, _torch_models  # noqa: E402

pytestmark = pytest.mark.peers
FIELDS = {"w": "weight", "b": "bias", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}


def torchvision_names(config):
    """Of our layers, by their path."""
    names = {"stem": "conv1", "stem_norm": "bn1", "head": "fc"}
    places = [(stage, i) for stage, depth in enumerate(config.depths, 1) for i in range(depth)]
    for n, (stage, i) in enumerate(places):
        for c in range(2 if config.block == "basic" else 3):
            names[f"blocks/{n}/convs/{c}"] = f"layer{stage}.{i}.conv{c + 1}"
            names[f"blocks/{n}/norms/{c}"] = f"layer{stage}.{i}.bn{c + 1}"
        names[f"blocks/{n}/projection"] = f"layer{stage}.{i}.downsample.0"
        names[f"blocks/{n}/projection_norm"] = f"layer{stage}.{i}.downsample.1"
    return names


def state_dict(config, *trees):
    """`params`, `state`, or gradients, by torchvision's names and in its layouts."""
    names, found = torchvision_names(config), {}
    for tree in trees:
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            *layer, field = (str(getattr(key, "key", getattr(key, "idx", key))) for key in path)
            if layer == ["dropout"]:
                continue
            value = np.asarray(leaf)
            value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
            found[f"{names['/'.join(layer)]}.{FIELDS[field]}"] = torch.tensor(value.copy())
    return found


def twins(layers, rng, num_classes=10):
    config = models.ResNetConfig.imagenet(layers, num_classes=num_classes)
    model = models.ResNet(config, rngs=nnx.Rngs(0))
    _compared.randomise(model, rng)
    _, params, state = nn.functionalize(model)
    twin = _torch_models.ResNet(layers, num_classes)
    missing = twin.load_state_dict(state_dict(config, params, state), strict=False)
    assert not missing.unexpected_keys and all("num_batches" in key for key in missing.missing_keys)
    return model, twin


@pytest.mark.parametrize("layers", [18, 50])
def test_resnet(layers, rng):
    """Odd sizes too, where paddings differ most: 75 is halved to 38, 19, 10, 5 and 3."""
    model, twin = twins(layers, rng)
    x = rng.standard_normal((2, 75, 64, 3)).astype(np.float32)
    with torch.no_grad():
        theirs = twin.eval().activations(torch.tensor(x.transpose(0, 3, 1, 2)))
    wanted = {name: y.numpy().transpose(0, 2, 3, 1) if y.ndim == 4 else y.numpy() for name, y in theirs.items()}
    _compared.assert_near(_compared.activations(model, x), wanted)


def test_training_step_of_resnet(rng):
    """Logits, gradient and moved statistics in training mode; PyTorch's momentum is 1 - ours, its variance unbiased."""
    model, twin = twins(18, rng, num_classes=5)
    x, labels = rng.standard_normal((8, 64, 64, 3)).astype(np.float32), np.arange(8) % 5
    apply, params, state = nn.functionalize(model)

    @jax.jit
    def step(params, state):
        def loss(params):
            logits, new = apply(params, state, jnp.asarray(x), train=True)
            return -jax.nn.log_softmax(logits)[jnp.arange(8), labels].mean(), (logits, new)

        return jax.value_and_grad(loss, has_aux=True)(params)

    (_, (logits, moved)), grads = step(params, state)
    theirs = twin.train()(torch.tensor(x.transpose(0, 3, 1, 2)))
    torch.nn.functional.cross_entropy(theirs, torch.tensor(labels)).backward()
    np.testing.assert_allclose(logits, theirs.detach().numpy(), rtol=1e-3, atol=1e-3)
    ours = state_dict(model.config, grads)
    for name, parameter in twin.named_parameters():
        scale = parameter.grad.abs().max().item()
        assert (ours[name] - parameter.grad).abs().max().item() < 2e-3 * scale, name
    statistics = state_dict(model.config, moved)
    assert len(statistics) == 40
    for name, buffer in twin.named_buffers():
        if name.endswith("running_mean"):
            np.testing.assert_allclose(statistics[name], buffer, rtol=1e-3, atol=1e-3, err_msg=name)


def test_nearness_is_noticed_to_be_missing():
    """The tester, tested."""
    theirs = {f"blocks/{i}": np.ones((2, 3)) for i in range(6)}
    _compared.assert_near(theirs, theirs)
    with pytest.raises(AssertionError, match=r"^blocks/4: 1\.0e-03 of the largest entry"):
        _compared.assert_near(theirs | {"blocks/4": np.ones((2, 3)) + 1e-3}, theirs)
