"""Files that Keras itself has written, in each of its formats: every array finds its place, the logits are Keras's."""

import os
import sys

import jax
import numpy as np
import pytest
from flax import nnx

from jaxml import models, nn

pytestmark = [
    pytest.mark.peers,
    pytest.mark.loose_promotion,  # Keras's arithmetic
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file"),
]
SMALL = {"input_shape": (64, 64, 3), "weights": None, "classes": 7, "classifier_activation": None}


@pytest.fixture(scope="module")
def applications():
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "jax":
        pytest.skip(f"keras runs on {keras.backend.backend()} here")
    return keras.applications


def scrambled(network, rng):
    """Every variable drawn anew, statistics too; variances are positive, and signals keep their size."""
    for variable in network.weights:
        shape, name = tuple(variable.shape), variable.path
        if "variance" in name or "gamma" in name:
            drawn = rng.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            fan = np.prod(shape[:-1]) if "depthwise" not in name else np.prod(shape[:2])
            drawn = rng.normal(0, np.sqrt(2 / fan), shape)
        else:
            drawn = rng.normal(0, 0.1, shape)
        variable.assign(drawn.astype(np.float32))
    return network


# our name and options, Keras's constructor and options, the file's ending, whether outputs are compared
CASES = [
    ("mobilenet_v1_025", {}, "MobileNet", {"alpha": 0.25}, ".h5", True),
    ("mobilenet_v2_035", {}, "MobileNetV2", {"alpha": 0.35}, ".keras", True),
    ("mobilenet_v3_small", {}, "MobileNetV3Small", {"include_preprocessing": False}, ".weights.h5", True),
    ("resnet50", {}, "ResNet50", {}, ".weights.h5", False),
    ("resnet50", {"preactivation": True}, "ResNet50V2", {}, ".weights.h5", False),
]


@pytest.mark.parametrize(("name", "options", "constructor", "theirs", "ending", "compare"), CASES)
def test_file_of_keras(name, options, constructor, theirs, ending, compare, applications, tmp_path, rng):
    network = scrambled(getattr(applications, constructor)(**SMALL, **theirs), rng)
    path = tmp_path / f"w{ending}"
    network.save(path) if ending in (".keras", ".h5") else network.save_weights(path)
    model = models.create(name, rngs=nnx.Rngs(0), weights=path, num_classes=7, **options)
    assert model.preprocessing.labels is None
    if not compare:
        return
    x = rng.uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    apply, params, state = nn.functionalize(model)
    with jax.default_matmul_precision("highest"):
        got = np.asarray(jax.jit(lambda x: apply(params, state, x)[0])(x))
        wanted = np.asarray(jax.jit(lambda x: network(x, training=False))(x))
    np.testing.assert_allclose(got, wanted, atol=1e-4 * np.abs(wanted).max())


def test_no_keras_is_imported_to_read(tmp_path):
    """The reader needs h5py alone."""
    import subprocess

    code = "import sys, jaxml.models; print('keras' in sys.modules, 'h5py' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["False", "False"]
