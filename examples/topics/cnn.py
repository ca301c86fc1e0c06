"""What convolution and pooling are for: `python examples/topics/cnn.py docs/topics/cnn.png`."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from _draw import BLUE, GREEN, RED, panels, run
from flax import nnx
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import data, models, nn, optim
from jaxml.train import fit


def trained(name: str, train: tuple, **options: Any) -> tuple[Any, Any]:
    model = models.create(name, rngs=nnx.Rngs(0), **options)
    found = fit(
        model,
        train,
        loss=F.softmax_cross_entropy_with_integer_labels,
        optimizer=optim.adam(2e-3),
        epochs=15,
        progress=False,
    )
    apply, _, _ = nn.functionalize(model)
    return jax.jit(partial(apply, found.params, found.state)), found.params


def draw() -> Figure:
    digits = data.load("digits")
    wide = np.pad(digits.x, ((0, 0), (2, 2), (2, 2), (0, 0)))  # 12x12: room to move
    train, held_out = data.split((wide, digits.y), fractions=(0.8, 0.2), stratify=digits.y, seed=0)
    nets = {
        "MLP": trained("mlp", train, in_features=144),
        "CNN, strides 1 2 2": trained("cnn", train, widths=(16, 32, 32), strides=(1, 2, 2)),
        "CNN, strides 1 1 1": trained("cnn", train, widths=(16, 32, 32), strides=(1, 1, 1)),
    }
    shifts = range(-2, 3)
    figure, (accuracy, maps) = panels(2)
    for (name, (apply, params)), colour in zip(nets.items(), (RED, BLUE, GREEN), strict=True):
        means = []
        for dx in shifts:
            moved = np.roll(held_out[0], dx, axis=2)
            means.append(100 * float((apply(moved)[0].argmax(1) == held_out[1]).mean()))
        weights = nn.count_params(params)
        accuracy.plot(list(shifts), means, "o-", color=colour, label=f"{name}, {weights:,} weights")
        print(name, weights, dict(zip(shifts, np.round(means, 1), strict=True)))
    accuracy.set(xlabel="held-out digits moved by so many pixels", title="% right", xticks=list(shifts))
    accuracy.legend(fontsize=8, frameon=False)
    image = jnp.asarray(held_out[0][:1])
    edges = jnp.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
    kernels = jnp.stack([edges, edges.T, jnp.full((3, 3), 1 / 9)], axis=-1)[:, :, None]
    convolved = F.conv2d(image, kernels)
    pooled = jnp.repeat(jnp.repeat(F.max_pool2d(F.relu(convolved), window=2), 2, axis=1), 2, axis=2)
    rows = [[image[0, :, :, 0]] * 3, list(jnp.moveaxis(convolved[0], -1, 0)), list(jnp.moveaxis(pooled[0], -1, 0))]
    tiles = [[np.pad(np.asarray(a) / np.abs(a).max(), 1) for a in row] for row in rows]
    maps.imshow(np.block(tiles), cmap="RdBu", vmin=-1, vmax=1)
    maps.set(title="digit; 3 kernels; ReLU and pooling", xticks=[])
    maps.axis("off")
    return figure


if __name__ == "__main__":
    run(draw)
