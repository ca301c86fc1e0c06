"""How RMSProp works, why Adam is usual: `python examples/topics/optimizers.py docs/topics/optimizers.png`."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from _draw import BLUE, COLOURS, RED, panels, run
from matplotlib.figure import Figure

import jaxml.functional as F
from benchmarks import _optimizers_report, _profiles, _results
from jaxml import data, descent, optim

SOLVED = 0.2
RULES = {
    "SGD": optim.sgd, "momentum": optim.momentum, "AdaGrad": optim.adagrad, "RMSProp": optim.rmsprop, "Adam": optim.adam
}  # fmt: skip
RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "2026-11-24-cpu-full.json"


def wine() -> tuple:
    """Logistic regression on wine with columns as they come, whose deviations go from 0.1 to 315."""
    found = data.load("wine")
    x, y = jnp.asarray(found.x - found.x.mean(0)), jnp.asarray(found.y)

    def loss(w: jax.Array) -> jax.Array:
        return F.softmax_cross_entropy_with_integer_labels(x @ w, y).mean()

    return loss, jnp.zeros((13, 3))


def problems() -> list[tuple]:
    """Logistic regression on three data sets, their columns as they come and standardised."""
    found = []
    for name in ("wine", "breast_cancer", "digits"):
        given = data.load(name)
        x = given.x.reshape(len(given.x), -1) * (16 if name == "digits" else 1)
        for scale in (1, np.maximum(x.std(0), 1e-3)):
            found.append((jnp.asarray((x - x.mean(0)) / scale, jnp.float32), jnp.asarray(given.y)))
    return found


@partial(jax.jit, static_argnums=0)
def last(rule: Any, x: jax.Array, y: jax.Array, grid: jax.Array) -> jax.Array:
    """The loss after 300 steps on all examples, at each rate."""

    def loss(w: jax.Array) -> jax.Array:
        return F.softmax_cross_entropy_with_integer_labels(x @ w, y).mean()

    start = jnp.zeros((x.shape[1], 10))
    return jax.lax.map(lambda rate: descent.follow(loss, start, rule(rate), steps=300).losses[-1], grid)


def draw() -> Figure:
    figure, (sizes, losses, profile, rates) = panels(2, rows=2)
    loss, start = wine()
    gradient = np.abs(np.asarray(jax.grad(loss)(start))).max(1)
    rules = ("SGD, rate 1e-5", optim.sgd(1e-5), RED), ("RMSProp, rate 1e-3", optim.rmsprop(1e-3), BLUE)
    for name, rule, colour in rules:
        way = descent.follow(loss, start, rule, steps=500)
        step = np.abs(np.diff(np.asarray(way.points[:101]), axis=0)).mean((0, 2))
        sizes.plot(gradient, step, "o", color=colour, label=name)
        losses.plot(np.asarray(way.losses), color=colour, label=name)
        print(f"{name}: mean steps from {step.min():.1e} to {step.max():.1e}, loss {float(way.losses[-1]):.3f}")
    print(f"gradients from {gradient.min():.1e} to {gradient.max():.1e}")
    sizes.set(xscale="log", yscale="log", xlabel="first gradient of a column", title="wine: mean step of its weight")
    sizes.legend(fontsize=8, frameon=False)
    losses.set(yscale="log", xlabel="steps", title="wine: loss")
    losses.legend(fontsize=8, frameon=False)
    result = next(s for s in _results.load(RESULTS).suites if s.name == "optimizers")
    ratios = _optimizers_report.ratios(result)
    taus = np.logspace(0, 1, 60)
    for (name, ratio), colour in zip(ratios.items(), COLOURS * 2, strict=False):
        shares = [100 * _profiles.profile(ratio, float(tau)) for tau in taus]
        profile.plot(taus, shares, color=colour, label=name, lw=2.5 if name == "adam" else 1.2)
        print(f"{name}: within twice the fewest steps on {100 * _profiles.profile(ratio, 2):.0f} %")
    profile.set(xscale="log", xticks=[1, 2, 5, 10], xticklabels=["1x", "2x", "5x", "10x"], ylim=(0, 101))
    profile.minorticks_off()
    profile.set(xlabel="steps over the fewest", title=f"% of {len(ratios['adam'])} problems and seeds")
    profile.legend(fontsize=7, frameon=False, loc="lower right")
    grid = np.logspace(-6, 1, 29)
    for (name, rule), colour in zip(RULES.items(), COLOURS, strict=False):
        solved = sum((np.asarray(last(rule, *problem, grid)) < SOLVED).astype(int) for problem in problems())
        rates.plot(grid, solved, color=colour, label=name, lw=2.5 if name == "Adam" else 1.2)
        print(f"{name}: {solved.max()} of 6 problems at one rate, {grid[solved == solved.max()].round(6)}")
    rates.set(
        xscale="log", xlabel="one rate for all", ylim=(-0.2, 6.4), title=f"problems of 6 below a loss of {SOLVED}"
    )
    rates.legend(fontsize=7, frameon=False, loc="upper left")
    return figure


if __name__ == "__main__":
    run(draw)
