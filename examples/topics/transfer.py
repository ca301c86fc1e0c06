"""Layers learned on other digits: `python examples/topics/transfer.py docs/topics/transfer-learning.png`."""

from typing import Any

import jax
import numpy as np
from _draw import BLUE, GREEN, RED, panels, run
from flax import nnx
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import data, models, nn, optim
from jaxml.train import fit

EXAMPLES = (1, 5, 20)
LOSS = F.softmax_cross_entropy_with_integer_labels


def trained(model: Any, x: np.ndarray, y: np.ndarray, steps: int) -> Any:
    found = fit(
        model, (x, y), loss=LOSS, optimizer=optim.adam(3e-3), steps=steps, batch_size=min(64, len(y)), progress=False
    )
    nnx.update(model, found.params, found.state)
    return model


def draw() -> Figure:
    digits = data.load("digits")
    low = digits.y < 5
    x, y = digits.x[~low], digits.y[~low] - 5
    rest = np.arange(400, len(y))
    ways: dict[str, dict[int, list[float]]] = {}
    for seed in range(2):
        options = {"rngs": nnx.Rngs(seed), "num_classes": 5, "hidden": (64,)}
        source = trained(models.create("mlp", **options), digits.x[low], digits.y[low], 300)
        order = np.random.default_rng(seed).permutation(400)
        for n in EXAMPLES:
            chosen = np.concatenate([order[y[order] == k][:n] for k in range(5)])
            untrained = {
                "from nothing": models.create("mlp", **options),
                "layers of 0 to 4 kept, new head": models.transfer(source, 5, rngs=nnx.Rngs(0)),
                "the same, all layers trained on": models.transfer(source, 5, freeze=None, rngs=nnx.Rngs(0)),
            }
            for name, model in untrained.items():
                trained(model, x[chosen], y[chosen], 150)
                apply, params, state = nn.functionalize(model)
                guess = jax.jit(apply)(params, state, x[rest])[0].argmax(1)
                ways.setdefault(name, {}).setdefault(n, []).append(float((guess == y[rest]).mean()))
    figure, (axes,) = panels(1, width=5)
    for (name, found), colour in zip(ways.items(), (RED, BLUE, GREEN), strict=True):
        means = [100 * np.mean(found[n]) for n in EXAMPLES]
        axes.plot(EXAMPLES, means, "o-", color=colour, label=name)
        print(name, dict(zip(EXAMPLES, np.round(means, 1), strict=True)))
    axes.set(xscale="log", xticks=EXAMPLES, xticklabels=EXAMPLES, xlabel="examples of each of the digits 5 to 9")
    axes.minorticks_off()
    axes.set(title=f"% right of {len(rest)} other digits 5 to 9, mean of 2 seeds")
    axes.legend(fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    run(draw)
