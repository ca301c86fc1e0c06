"""Files that torch.save has written: every array, and back again."""

import collections
import importlib

import jax
import numpy as np
import pytest
from flax import nnx

from jaxml import models, nn
from jaxml.models._weights._read import read

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")
pytestmark = pytest.mark.peers


def tensors(generator):
    """Views, shared storages, parameters, scalars, and every dtype that is read."""
    base = torch.randn(6, 8, generator=generator)
    return collections.OrderedDict(
        plain=base,
        turned=base.T,
        part=base[2:5, 1::3],
        parameter=torch.nn.Parameter(torch.randn(3, generator=generator)),
        scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 4),
        half=base.half(),
        bfloat=base.bfloat16(),
        double=base.double(),
        count=torch.tensor(7),
        bytes=torch.arange(5, dtype=torch.uint8),
    )


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_equal_to_what_was_saved(zipped, protocol, tmp_path):
    saved = tensors(torch.Generator().manual_seed(0))
    path = tmp_path / "w.pth"
    torch.save(saved, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    got = read(path)
    assert list(got) == list(saved)
    for key, tensor in saved.items():
        assert str(tensor.dtype).removeprefix("torch.") == got[key].dtype.name
        np.testing.assert_array_equal(got[key].astype(np.float64), tensor.detach().double().numpy())


def test_checkpoint_of_a_training_script(tmp_path):
    """The state_dict is found beside the state of an optimizer, which is left alone."""
    network = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    network(torch.randn(5, 4)).sum().backward()
    optimizer.step()
    path = tmp_path / "c.pth"
    torch.save({"epoch": 3, "state_dict": network.state_dict(), "optimizer": optimizer.state_dict()}, path)
    got = read(path)
    assert set(got) == set(network.state_dict())
    np.testing.assert_array_equal(got["0.weight"], network[0].weight.detach().numpy())


@pytest.mark.parametrize("zipped", [True, False])
def test_whole_module_is_refused_by_name(zipped, tmp_path):
    path = tmp_path / "m.pth"
    torch.save(torch.nn.Linear(2, 2), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"the pickle names torch\.nn\.modules\.linear\.Linear.*Save the state_dict"):
        read(path)


def test_linear_model_there_and_back(tmp_path):
    """A state_dict with our own names, as whoever ports by hand may write it."""
    model = models.create("linear", rngs=nnx.Rngs(0), num_classes=3)
    torch.save({"head.w": torch.ones(64, 3), "head.b": torch.zeros(3)}, tmp_path / "w.pth")
    assert models.load_weights(model, tmp_path / "w.pth").naming == "own"
    np.testing.assert_array_equal(model.head.w[...], np.ones((64, 3)))


# our name, the twin's module, class and arguments, whether outputs are compared as well
TWINS = {
    "resnet18": ("_torch_models", "ResNet", (18, 7), True),
    "resnet50": ("_torch_models", "ResNet", (50, 7), False),
    "mobilenet_v2_035": ("_torch_mobilenets", "MobileNetV2", (7, 0.35), True),
    "mobilenet_v3_small": ("_torch_mobilenets", "MobileNetV3", ("small", 7), True),
    "mobilenet_v3_large": ("_torch_mobilenets", "MobileNetV3", ("large", 7), False),
}


def scrambled(twin, generator):
    """Every array drawn anew, statistics too; signals keep their size."""
    with torch.no_grad():
        for key, tensor in twin.state_dict().items():
            if tensor.ndim > 1:
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * (2 / tensor[0].numel()) ** 0.5)
            elif key.endswith("running_var") or (key.endswith("weight") and tensor.ndim == 1):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.is_floating_point() and tensor.ndim:
                tensor.uniform_(-0.3, 0.3, generator=generator)
    return twin.eval()


@pytest.mark.parametrize("name", TWINS)
def test_state_dict_there_and_back(name, tmp_path):
    """torch.save, create(weights=), save_weights, load_state_dict: the same arrays; and the same logits in between."""
    module, kind, arguments, compare = TWINS[name]
    make = getattr(importlib.import_module(f"tests.peers.{module}"), kind)
    twin = scrambled(make(*arguments), torch.Generator().manual_seed(0))
    torch.save(twin.state_dict(), tmp_path / "w.pth")
    model = models.create(name, rngs=nnx.Rngs(0), weights=tmp_path / "w.pth", num_classes=7)
    assert model.preprocessing.resize == 256
    models.save_weights(model, tmp_path / "w.safetensors")
    back = make(*arguments)
    back.load_state_dict(safetensors_torch.load_file(tmp_path / "w.safetensors"), strict=True)
    wanted = twin.state_dict()
    for key, tensor in back.state_dict().items():
        assert torch.equal(tensor, wanted[key]) or key.endswith("num_batches_tracked"), key
    if compare:
        x = np.random.default_rng(0).standard_normal((2, 75, 64, 3)).astype(np.float32)
        apply, params, state = nn.functionalize(model)
        got = np.asarray(jax.jit(lambda x: apply(params, state, x)[0])(x))
        with torch.no_grad():
            logits = twin(torch.tensor(x.transpose(0, 3, 1, 2))).numpy()
        np.testing.assert_allclose(got, logits, atol=1e-4 * np.abs(logits).max())
