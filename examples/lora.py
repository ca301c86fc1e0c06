"""Digits 5 to 9 from a network that learned 0 to 4, by factors of low rank: `python examples/lora.py docs/lora.png`.

A new head alone, factors of rank 1 to 16 beside the frozen layers with it, and all of the network: how much of either
is trained, and how many of the digits that training did not see are right.
"""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import data, models, nn, optim
from jaxml.train import fit

RANKS = (1, 4, 16)
EXAMPLES = 20  # of each digit from 5 to 9
LOSS = F.softmax_cross_entropy_with_integer_labels


def trained(model: Any, x: np.ndarray, y: np.ndarray, steps: int, rate: float = 3e-3) -> Any:
    """The model after `steps` steps of Adam."""
    batch = min(64, len(y))
    found = fit(model, (x, y), loss=LOSS, optimizer=optim.adam(rate), steps=steps, batch_size=batch, progress=False)
    nnx.update(model, found.params, found.state)
    return model


def right(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    """The share of right answers, in percent."""
    apply, params, state = nn.functionalize(model)
    return 100 * float((jax.jit(apply)(params, state, jnp.asarray(x))[0].argmax(1) == y).mean())


def compare(seeds: int = 5) -> dict[str, tuple[int, list[float]]]:
    """For each way to adapt: how many parameters are trained, and the percentage right for each seed."""
    digits = data.load("digits")
    low = digits.y < 5
    x, y = digits.x[~low], digits.y[~low] - 5
    rest = slice(400, None)
    found: dict[str, tuple[int, list[float]]] = {}
    for seed in range(seeds):
        source = models.create("mlp", rngs=nnx.Rngs(seed), num_classes=5)
        trained(source, digits.x[low], digits.y[low], 300)
        order = np.random.default_rng(seed).permutation(400)
        few = np.concatenate([order[y[order] == k][:EXAMPLES] for k in range(5)])
        head = models.transfer(source, 5, rngs=nnx.Rngs(100 + seed))
        ways = {"the head alone": head, "all of it": nn.unfreeze(head, "")}
        for rank in RANKS:
            adapted = nn.lora(head, "^layers/", rank=rank, alpha=2.0 * rank, rngs=nnx.Rngs(200 + seed))
            ways[f"rank {rank}"] = nn.unfreeze(adapted, "^head/")
        for name, model in ways.items():
            count = nn.count_params(nn.functionalize(model)[1])
            trained(model, x[few], y[few], 200)
            found.setdefault(name, (count, []))[1].append(right(model, x[rest], y[rest]))
    return found


def main(path: str) -> None:
    """Draw it, and print the table of docs/transfer.md."""
    found = sorted(compare().items(), key=lambda way: way[1][0])
    figure = Figure(figsize=(5, 3.1), dpi=100, layout="constrained")
    axes = figure.subplots()
    counts = [count for _, (count, _) in found]
    means = [float(np.mean(scores)) for _, (_, scores) in found]
    for name, (count, scores) in found:
        axes.plot([count] * len(scores), scores, "o", color="#56B4E9", markersize=4)
        print(f"| {name} | {count:,} | {np.mean(scores):.1f} | {min(scores):.1f} | {max(scores):.1f} |")
    axes.plot(counts, means, "o-", color="#0072B2")
    axes.set(xscale="log", xticks=counts, xlabel="trained parameters")
    axes.set_xticklabels([f"{count:,}\n{name}" for name, (count, _) in found], fontsize=7)
    axes.minorticks_off()
    axes.grid(color="#e4e4e4")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"% right of other digits 5 to 9, {EXAMPLES} examples of each; seeds and mean", fontsize=9)
    figure.savefig(path)


if __name__ == "__main__":
    main(sys.argv[1])
