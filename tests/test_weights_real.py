"""Real weights on real photographs: the listed class, with the listed probability."""

import json

import pytest
from flax import nnx
from typer.testing import CliRunner

from jaxml import models
from jaxml.cli._app import app
from tests._photographs import LISTED, TOLERANCE, create, look
from tests._real_weights import photograph, weights

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", LISTED)
def test_top_1(name):
    found, listed = look(name), LISTED[name].photographs
    print(found)
    assert [place for _, place, _ in found] == [place for _, place, _ in listed]
    assert [p for *_, p in found] == pytest.approx([p for *_, p in listed], abs=TOLERANCE)


def test_on_the_command_line():
    """Where batch norms are folded."""
    photographs = LISTED["mobilenet_v2"].photographs
    files = [str(photograph(file)) for file, *_ in photographs]
    given = ["predict", "mobilenet_v2", *files, "--weights", str(weights("mobilenet_v2")), "--json"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    best = [found["predictions"][0] for found in json.loads(result.stdout)["results"]]
    assert [row["class"] for row in best] == [place for _, place, _ in photographs]
    assert [row["probability"] for row in best] == pytest.approx([p for *_, p in photographs], abs=TOLERANCE)


def test_what_a_frozen_graph_has_beside_its_network():
    with pytest.raises(ValueError, match=r"2 unused, the model has none such: final_training_ops/"):
        models.create("mobilenet_v1", rngs=nnx.Rngs(0), weights=weights("mobilenet_v1"))


def test_resnet50_of_keras():
    """A folder of TensorFlow.js; its names say Keras's first ResNet50, which has eps 1e-3."""
    model = create("resnet50")
    assert (model.config.variant, model.config.eps) == ("keras", 1e-3)
    with pytest.raises(
        ValueError, match=r"has keras names, and such weights are for a model made with variant='keras'"
    ):
        models.create("resnet50", rngs=nnx.Rngs(0), weights=weights("resnet50").parent, variant="torchvision")


def test_mobilenet_v2_of_torchvision():
    """A pickle of before torch 1.6."""
    model = create("mobilenet_v2")
    assert (model.config.variant, model.preprocessing.resize) == ("torchvision", 256)
