"""The recipes of `jaxml train` train: seconds for a part of what docs/recipes.md reports."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

from jaxml import data, flops, models, nn
from jaxml.cli._app import app
from jaxml.cli._recipes import RECIPES, Recipe, recipe_for
from jaxml.cli._train_recipe import loss_for, model_for, optimizer_for
from jaxml.train import fit

pytestmark = pytest.mark.loose_promotion  # optax's schedules mix integers and floats


def train(*arguments):
    return CliRunner().invoke(app, ["train", *map(str, arguments)], env={"COLUMNS": "80"})


def test_digits_in_seconds(tmp_path):
    """The separable network, six epochs instead of twenty; guessing is right for a tenth."""
    arguments = ("--model", "cnn_separable", "--epochs", 6, "--learning-rate", 1e-2, "--out", tmp_path)
    found = json.loads(train("digits", *arguments, "--json", "--quiet").stdout)
    assert found["validation_examples"] >= 350
    assert found["last"]["val_accuracy"] >= 0.96, found["history"]["val_accuracy"]


def test_what_is_not_asked_for_is_the_recipes_and_is_written_down(tmp_path):
    """And what the user says goes before it."""
    assert train("iris", "--epochs", 1, "--out", tmp_path / "iris", "--quiet").exit_code == 0
    asked = json.loads((tmp_path / "iris" / "config.json").read_text())
    assert (asked["epochs"], asked["batch_size"], asked["learning_rate"], asked["weight_decay"]) == (1, 64, 3e-3, 0)
    assert recipe_for("iris") == Recipe()


def test_recipe_of_fashion_mnist():
    recipe = RECIPES["fashion_mnist"]
    assert recipe_for("fashion_mnist") is recipe
    name, module = model_for(recipe.model, (28, 28, 1), 10, 0, recipe.options)
    apply, params, state = nn.functionalize(module)
    x = jax.ShapeDtypeStruct((1, 28, 28, 1), "float32")
    assert name == "cnn_separable"
    assert nn.count_params(params) == 63_306
    assert flops.count(lambda x: apply(params, state, x)[0], x).macs == 4_150_848


def test_augmentation_of_a_recipe():
    """Shifted by so many pixels, and mirrored where it says so."""
    x = jnp.zeros((64, 9, 9, 1)).at[:, 4, 2].set(1)
    at = [np.argwhere(np.asarray(r.augment((9, 9, 1))(jax.random.key(0), x))[..., 0])[:, 1:] for r in
          (Recipe(), Recipe(shift=2), Recipe(shift=1, flip=True))]  # fmt: skip
    assert [len(places) for places in at] == [64] * 3
    assert set(at[0][:, 0]) == {3, 4, 5} and set(at[1][:, 0]) == {2, 3, 4, 5, 6}
    assert set(at[0][:, 1]) == {1, 2, 3} and set(at[2][:, 1]) == {1, 2, 3, 5, 6, 7}


@pytest.mark.slow
def test_fashion_mnist_in_part(optimized):
    """The recipe on a tenth of the images, four epochs in place of twelve: .81 where it was measured."""
    try:
        training, test = data.fashion_mnist()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    recipe, epochs = RECIPES["fashion_mnist"], 4
    _, module = model_for(recipe.model, (28, 28, 1), 10, 0, recipe.options)
    steps = epochs * 94
    result = fit(
        module,
        (training.x[:6000], training.y[:6000]),
        loss=loss_for("classification", None)[0],
        optimizer=optimizer_for("adamw", recipe.learning_rate, recipe.weight_decay, "cosine", steps),
        epochs=epochs,
        validation=(test.x[:2000], test.y[:2000]),
        batch_size=64,
        augment=recipe.augment((28, 28, 1)),
        progress=False,
    )
    assert result.history["val_accuracy"][-1] >= 0.77, result.history["val_accuracy"]


def test_recipe_of_translate():
    """One table of tokens; the encoder twice and the decoder once; bridge, attention, readout, bias of the logits."""
    found = models.info("seq2seq", num_classes=2000, num_embeddings=2000, **RECIPES["translate"].options).params
    recurrent = 3 * (3 * 256 * (256 + 256) + 2 * 3 * 256)
    assert found == 2000 * 256 + recurrent + (512 * 256 + 256) + 256 * 512 + (768 * 256 + 256) + 2000 == 2_157_520
