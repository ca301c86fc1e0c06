"""Faces or not, from 40 photographs: a MobileNet trained on ImageNet, held fixed, and a new head.

    python examples/transfer_faces.py mobilenet_v2 --weights mobilenet_v2-b0353104.pth

The photographs are scikit-image's `lfw_subset.npy`: 200 grey crops of 25x25 pixels, 100 faces and 100 that are none.
Each split trains on 40 of them, as many of either kind, and is scored on the other 160; beside it stands logistic
regression on the pixels. docs/transfer.md says where the weights come from.
"""

import argparse
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from sklearn.linear_model import LogisticRegression

import jaxml.functional as F
from jaxml import data, models, nn, optim
from jaxml.train import fit


def photographs() -> tuple[np.ndarray, np.ndarray]:
    """The crops as bytes (200, 25, 25), and whether each is a face. Read from the package's own folder."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise SystemExit("transfer_faces: the photographs come with scikit-image; install it")
    crops = np.load(Path(spec.origin).parent / "data" / "lfw_subset.npy")
    return np.round(255 * crops).astype(np.uint8), np.repeat([1, 0], 100).astype(np.int32)


def transferred(source: nnx.Module, train: tuple, test: tuple, *, epochs: int, seed: int) -> float:
    """The accuracy on `test` of a new head on `source`, held fixed, after training on `train`."""
    model = models.transfer(source, 2, rngs=nnx.Rngs(seed))
    result = fit(
        model,
        train,
        loss=F.softmax_cross_entropy_with_integer_labels,
        optimizer=optim.adamw(3e-3, weight_decay=1e-2),
        epochs=epochs,
        batch_size=len(train[1]),  # all of them in every step
        seed=seed,
        progress=False,
    )
    apply, _, _ = nn.functionalize(model)
    logits, _ = jax.jit(apply)(result.params, result.state, test[0])
    return float((logits.argmax(axis=1) == test[1]).mean())


def run(
    name: str, weights: str, *, ignore: str | tuple = (), size: int = 96, splits: int = 5, epochs: int = 40
) -> list[tuple[float, float]]:
    """For each split the accuracies of the pixels' logistic regression and of the new head."""
    crops, y = photographs()
    source = models.create(name, weights=weights, ignore=ignore, rngs=nnx.Rngs(0))
    x = replace(source.preprocessing, resize=None, size=size)(list(crops))  # the whole crop: faces reach its edges
    pixels = crops.reshape(len(crops), -1) / 255
    found = []
    for seed in range(splits):
        (train, y_train), (test, y_test) = data.split((np.arange(200), y), fractions=(0.2, 0.8), stratify=y, seed=seed)
        baseline = LogisticRegression(max_iter=5000).fit(pixels[train], y_train).score(pixels[test], y_test)
        accuracy = transferred(source, (x[train], y_train), (x[test], y_test), epochs=epochs, seed=seed)
        print(f"split {seed}: {len(train)} for training; pixels {baseline:.1%}, transfer {accuracy:.1%}", flush=True)
        found.append((float(baseline), accuracy))
    means = np.mean(found, axis=0)
    print(f"mean of {splits}: pixels {means[0]:.1%}, transfer {means[1]:.1%}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", help="a name of jaxml.models, such as mobilenet_v2")
    parser.add_argument("--weights", required=True, help="the file with its pretrained weights")
    parser.add_argument("--ignore", default=(), help="a pattern of names in the file to pass over")
    parser.add_argument("--size", type=int, default=96, help="side that the crops are brought to")
    parser.add_argument("--splits", type=int, default=5, help="how many times 40 of the 200 are drawn, seeds 0 and on")
    parser.add_argument("--epochs", type=int, default=40)
    asked = parser.parse_args()
    run(asked.model, asked.weights, ignore=asked.ignore, size=asked.size, splits=asked.splits, epochs=asked.epochs)
