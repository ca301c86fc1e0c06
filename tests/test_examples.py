"""The examples run, and reach what the manual says of them."""

import importlib.util
from pathlib import Path

import pytest
from _real_weights import weights

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.loose_promotion  # a reader runs JAX as it comes
def test_faces_from_forty_photographs():
    """On ImageNet's MobileNetV1 >= 98 % of 160 photographs, where the pixels give about 91 %."""
    if importlib.util.find_spec("skimage") is None:
        pytest.skip("the photographs come with scikit-image, which is not installed")
    path, ignore = str(weights("mobilenet_v1")), "final_training_ops/*"  # of the package's own two classes
    found = example("transfer_faces").run("mobilenet_v1", path, ignore=ignore, splits=3)
    pixels, transfer = (sum(column) / len(found) for column in zip(*found, strict=True))
    assert transfer >= 0.98 and pixels <= 0.94, found
