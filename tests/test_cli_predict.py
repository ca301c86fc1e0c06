"""`jaxml predict`: what it prints, what it says of images that cannot be read, what it refuses."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from PIL import Image
from typer.testing import CliRunner

from jaxml import models, nn
from jaxml.cli._app import app
from jaxml.cli._predict_images import Classifier, chunks, read_labels

LABELS = ("zero", "one", "two", "three", "four", "five", "six", "seven")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A linear model that names the brightest column of an 8x8 image: logit k is the sum of column k."""
    model = models.create("linear", rngs=nnx.Rngs(0), num_classes=8)
    model.head.w[...] = jnp.asarray(np.tile(np.eye(8), (8, 1)), jnp.float32)
    model.head.b[...] = jnp.zeros(8)
    model.preprocessing = models.Preprocessing(
        size=8, resize=None, mean=(0.0,), std=(1.0,), channels="L", interpolation="nearest", labels=LABELS
    )
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    models.save_weights(model, path)
    return path


def image(path, column, size=(8, 8), mode="L"):
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:, column] = 255
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).convert(mode).save(path)
    return path


def run(weights, *arguments):
    given = ["predict", "linear", *map(str, arguments), "--weights", str(weights), "--num-classes", "8"]
    return CliRunner().invoke(app, given, env={"COLUMNS": "200"})


def test_table(weights, tmp_path):
    result = run(weights, image(tmp_path / "a.png", 3), image(tmp_path / "b.png", 6, (80, 40), "RGBA"), "--top", "2")
    assert result.exit_code == 0, result.output
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines() if "│" in line]
    (first, second, third, fourth) = rows
    share = np.exp(8) / (np.exp(8) + 7)
    assert first == [str(tmp_path / "a.png"), "3", "three", f"{share:.3f}"]
    assert third == [str(tmp_path / "b.png"), "6", "six", f"{share:.3f}"]
    assert second[0] == fourth[0] == "" and second[3] == f"{(1 - share) / 7:.3f}"
    assert "images/s" not in result.stdout


def test_json_and_five_classes(weights, tmp_path):
    result = run(weights, image(tmp_path / "a.png", 1), "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    (found,) = said["results"]
    assert said["model"] == "linear" and said["images_per_second"] is None
    assert [row["class"] for row in found["predictions"]] == [1, 0, 2, 3, 4]
    assert found["predictions"][0]["label"] == "one"
    assert sum(row["probability"] for row in found["predictions"]) < 1


def test_corrupt_image_is_reported_and_the_rest_go_on(weights, tmp_path):
    whole = image(tmp_path / "a.png", 2, (200, 200))
    broken = tmp_path / "broken.png"
    broken.write_bytes(whole.read_bytes()[:60])
    (tmp_path / "text.png").write_text("no image")
    order = [broken, whole, tmp_path / "text.png", tmp_path / "nothing.png"]
    result = run(weights, *order, "--batch-size", "1")
    assert result.exit_code == 1
    assert "two" in result.stdout
    for said in (
        "broken.png cannot be read as an image",
        "text.png cannot be read as an image",
        "nothing.png is not there",
    ):
        assert said in result.stderr
    result = run(weights, *order, "--json", "--batch-size", "3")
    assert result.exit_code == 1
    found = json.loads(result.stdout)["results"]
    assert [r["image"] for r in found] == [str(p) for p in order]
    assert ["error" in r for r in found] == [True, False, True, True]
    assert found[1]["predictions"][0]["class"] == 2
    only = run(weights, broken)
    assert only.exit_code == 1 and "linear" not in only.stdout


def test_folder_says_the_speed(weights, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    for column in range(7):
        image((inner if column % 2 else tmp_path) / f"{column}.png", column)
    (tmp_path / "notes.txt").write_text("not an image")
    result = run(weights, tmp_path, "--batch-size", "3")
    assert result.exit_code == 0, result.output
    assert "7 of 7 images" in result.stdout and "images/s, the first batch, which compiles, apart" in result.stdout
    said = json.loads(run(weights, tmp_path, "--batch-size", "3", "--json").stdout)
    assert said["images_per_second"] > 0
    assert [len(r["predictions"]) for r in said["results"]] == [1] * 7
    for r in said["results"]:
        assert r["image"].endswith(f"{r['predictions'][0]['class']}.png")


def test_labels_of_a_file(weights, tmp_path):
    path = image(tmp_path / "a.png", 4)
    lines = tmp_path / "labels.txt"
    lines.write_text("\n".join("abcdefgh") + "\n\n")
    assert json.loads(run(weights, path, "--labels", lines, "--json").stdout)["results"][0]["predictions"][0] == {
        "class": 4, "label": "e", "probability": pytest.approx(np.exp(8) / (np.exp(8) + 7), rel=1e-4),
    }  # fmt: skip
    table = tmp_path / "labels.json"
    for content in (
        list("abcdefgh"),
        {str(k): ["n0", v] for k, v in enumerate("abcdefgh")},
        dict(enumerate("abcdefgh")),
    ):
        table.write_text(json.dumps(content))
        assert read_labels(table, 8) == tuple("abcdefgh")
    table.write_text(json.dumps({"1": "a", "2": "b"}))
    with pytest.raises(
        ValueError, match=r"labels\.json cannot be read as .*its keys must be 0, 1, 2, \.\.\., they are 1, 2"
    ):
        read_labels(table, 2)
    for content, message in [
        (b"{", "labels.json cannot be read as names of classes: Expecting"),
        (b"\xff", "labels.json cannot be read as names of classes: 'utf-8'"),
        (b"5", "it must be a list or an object, it is 5"),
        (b'"ab"', "it must be a list or an object, it is 'ab'"),
        (b'{"a": 1}', "its keys must be 0, 1, 2, ..., they are a, ..."),
    ]:
        table.write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(message)):
            read_labels(table, 2)


def test_batch_norms_are_folded(tmp_path, rng):
    """No statistics are left in what runs, and the probabilities are the network's own."""
    model = models.create("cnn_separable", rngs=nnx.Rngs(0), widths=(4, 6), strides=(1, 2))
    for _, norm in nnx.iter_modules(model):
        if isinstance(norm, nn.BatchNorm):
            norm.mean[...] = jnp.asarray(rng.normal(size=norm.mean.shape), jnp.float32)
            norm.var[...] = jnp.asarray(rng.uniform(0.5, 2, norm.var.shape), jnp.float32)
    model.preprocessing = models.Preprocessing(size=8, resize=None, mean=(0.5,), std=(0.2,), channels="L")
    models.save_weights(model, tmp_path / "w.safetensors")
    options = {"widths": (4, 6), "strides": (1, 2)}
    classifier = Classifier("cnn_separable", str(tmp_path / "w.safetensors"), ignore=(), **options)
    assert len(jax.tree.leaves(classifier._state)) == 1  # the count of dropout's keys
    path = image(tmp_path / "a.png", 3, (20, 30))
    (found,) = classifier.classify([classifier.read(path)], 2, 10, None)
    expected = jax.nn.softmax(model(jnp.asarray(model.preprocessing(path))))[0]
    for row in found["predictions"]:
        assert row["probability"] == pytest.approx(float(expected[row["class"]]), rel=1e-5)
    assert len({round(row["probability"], 4) for row in found["predictions"]}) > 5


def test_the_next_batch_is_read_ahead(tmp_path):
    read = []
    batches = chunks([tmp_path / str(i) for i in range(7)], 3, lambda path: read.append(path.name) or (path, "x"))
    first = next(batches)
    assert [path.name for path, _ in first] == ["0", "1", "2"]
    assert len(first) == 3 and len(read) <= 6
    assert [len(chunk) for chunk in batches] == [3, 1] and sorted(read) == [str(i) for i in range(7)]


def words(result):
    return " ".join(result.output.replace("│", " ").split())


def test_refusals(weights, tmp_path):
    path = image(tmp_path / "a.png", 0)
    cases = [
        (["predict", "lineer", path, "--weights", weights], "did you mean 'linear'?"),
        (["predict", "linear", path, "--weights", tmp_path / "no.pth"], "no.pth are not there; no network is made"),
        (["predict", "linear", path], "linear needs --weights: a file, a folder, or hub:owner/repo"),
        (["predict", "linear", tmp_path / "empty", "--weights", weights, "--num-classes", "8"], "holds no image"),
        (
            ["predict", "linear", path, "--weights", weights, "--ignore", "head.*", "--num-classes", "3"],
            "--ignore leaves head.b, head.w of linear without weights, and nothing is predicted with random ones",
        ),
        (["predict", "linear", path, "--weights", weights], "does not fit LinearModel; nothing was changed"),
        (
            ["predict", "linear", path, "--weights", weights, "--num-classes", "8", "--labels", tmp_path / "l.txt"],
            "it has 2",
        ),
    ]
    (tmp_path / "empty").mkdir()
    (tmp_path / "l.txt").write_text("a\nb\n")
    for arguments, message in cases:
        result = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "300"})
        assert result.exit_code == 2 and message in words(result), result.output


def test_weights_that_do_not_say_how_images_are_prepared(tmp_path):
    models.save_weights(models.create("linear", rngs=nnx.Rngs(0), num_classes=8), tmp_path / "w.safetensors")
    result = run(tmp_path / "w.safetensors", image(tmp_path / "a.png", 0))
    assert result.exit_code == 2 and "do not say how an image is prepared for linear" in words(result)


def test_weights_for_images_of_other_channels(tmp_path):
    model = models.create("cnn_separable", rngs=nnx.Rngs(0), in_channels=1)
    model.preprocessing = models.Preprocessing(size=8, resize=None)
    models.save_weights(model, tmp_path / "w.safetensors")
    given = ["predict", "cnn_separable", image(tmp_path / "a.png", 0), "--weights", tmp_path / "w.safetensors"]
    result = CliRunner().invoke(app, list(map(str, given)), env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert "prepare images of 3 channels (RGB), cnn_separable takes 1" in words(result)
