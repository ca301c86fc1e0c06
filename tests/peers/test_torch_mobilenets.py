"""MobileNetV2 and V3 against PyTorch, layer by layer, with random weights and running statistics."""

import jax
import numpy as np
import pytest
from flax import nnx

from jaxml import models, nn

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
from tests.peers import _compared, _torch_mobilenets  # noqa: E402

pytestmark = pytest.mark.peers
FIELDS = {"w": "weight", "b": "bias", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}


def torchvision_names(config, version):
    """Of our layers, by their path."""
    last = len(config.blocks) + 1
    names = {"head": f"classifier.{1 if version == 2 else 3}", "hidden": "classifier.0"}
    for ours, theirs in (("stem", "features.0"), ("last", f"features.{last}")):
        names |= {f"{ours}/conv": f"{theirs}.0", f"{ours}/norm": f"{theirs}.1"}
    for n, block in enumerate(config.blocks):
        ours, theirs = f"blocks/{n}", f"features.{n + 1}.{'conv' if version == 2 else 'block'}"
        place = 0
        for layer in ("expand", "depthwise") if block.hidden != block.in_features else ("depthwise",):
            names |= {f"{ours}/{layer}": f"{theirs}.{place}.0", f"{ours}/{layer}_norm": f"{theirs}.{place}.1"}
            place += 1
        if block.squeezed:
            squeeze = f"{ours}/squeeze_excite"
            names |= {f"{squeeze}/reduce": f"{theirs}.{place}.fc1", f"{squeeze}/expand": f"{theirs}.{place}.fc2"}
            place += 1
        two = (f"{theirs}.{place}", f"{theirs}.{place + 1}") if version == 2 else (
            f"{theirs}.{place}.0", f"{theirs}.{place}.1",
        )  # fmt: skip
        names |= dict(zip((f"{ours}/project", f"{ours}/project_norm"), two, strict=True))
    return names


def state_dict(names, *trees):
    """`params` and `state`, by torchvision's names and in its layouts."""
    found = {}
    for tree in trees:
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            *layer, field = (str(getattr(key, "key", getattr(key, "idx", key))) for key in path)
            if layer == ["dropout"]:
                continue
            value = np.asarray(leaf)
            value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
            found[f"{names['/'.join(layer)]}.{FIELDS[field]}"] = torch.tensor(value.copy())
    return found


CASES = {
    "v2": (2, models.MobileNetV2, models.MobileNetV2Config(num_classes=7), (7,)),
    "v2_035": (2, models.MobileNetV2, models.MobileNetV2Config.width_035(num_classes=7), (7, 0.35)),
    "v3_small": (3, models.MobileNetV3, models.MobileNetV3Config.small(num_classes=7), ("small", 7)),
    "v3_large": (3, models.MobileNetV3, models.MobileNetV3Config.large(num_classes=7), ("large", 7)),
}


@pytest.mark.parametrize("case", CASES)
def test_mobilenet(case, rng):
    """An odd size too, where paddings differ most: 75 is halved to 38, 19, 10, 5 and 3."""
    version, family, config, arguments = CASES[case]
    model = family(config, rngs=nnx.Rngs(0))
    _compared.randomise(model, rng)
    _, params, state = nn.functionalize(model)
    twin = (_torch_mobilenets.MobileNetV2 if version == 2 else _torch_mobilenets.MobileNetV3)(*arguments)
    missing = twin.load_state_dict(state_dict(torchvision_names(config, version), params, state), strict=False)
    assert not missing.unexpected_keys and all("num_batches" in key for key in missing.missing_keys)
    x = rng.standard_normal((2, 75, 64, 3)).astype(np.float32)
    with torch.no_grad():
        theirs = twin.eval().activations(torch.tensor(x.transpose(0, 3, 1, 2)))
    wanted = {name: y.numpy().transpose(0, 2, 3, 1) if y.ndim == 4 else y.numpy() for name, y in theirs.items()}
    assert set(wanted) == {*model.tap_names, "logits"}
    _compared.assert_near(_compared.activations(model, x), wanted)


@pytest.mark.parametrize(("build", "count"), [
    (lambda: _torch_mobilenets.MobileNetV2(), 3_504_872),
    (lambda: _torch_mobilenets.MobileNetV3("small"), 2_542_856),
    (lambda: _torch_mobilenets.MobileNetV3("large"), 5_483_032),
])  # fmt: skip
def test_the_twins_are_torchvisions(build, count):
    """Their published numbers of parameters."""
    with torch.device("meta"):
        assert sum(p.numel() for p in build().parameters()) == count
