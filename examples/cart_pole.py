"""PPO and DQN on CartPole-v1 from five seeds each: their curves, and the greedy policies' returns over 100 episodes.

python examples/cart_pole.py docs/cart-pole.svg
"""

import sys
import time

import gymnax
import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from jaxml import rl

SEEDS, POINTS = 5, 100
AGENTS = {"PPO": rl.ppo, "DQN": rl.dqn}


def train(agent):
    """The results of all seeds, one leading axis, and the mean return of each seed's greedy policy."""
    env, env_params = gymnax.make("CartPole-v1")
    keys = jax.vmap(jax.random.key)(jnp.arange(SEEDS))
    results = jax.vmap(lambda key: agent(key, env, env_params))(keys)
    scores = jax.vmap(lambda result, key: rl.evaluate(key, result.policy, env, env_params))(results, keys)
    return results, scores.mean(1)


def curves(results):
    """Steps, and the returns of each seed by them, averaged over at most `POINTS` spans of updates."""
    steps, returns = np.asarray(results.steps[0]), np.asarray(results.returns)
    span = -(-len(steps) // POINTS)
    kept = len(steps) // span * span
    return steps[span - 1 : kept : span], np.nanmean(returns[:, :kept].reshape(SEEDS, -1, span), axis=2)


def draw(found):
    figure = Figure(figsize=(9, 3.6), dpi=120, layout="constrained")
    panels = figure.subplots(1, len(found), sharey=True)
    for axes, (name, results) in zip(panels, found.items(), strict=True):
        steps, returns = curves(results)
        for curve in returns:
            axes.plot(steps, curve, color="#0072B2", alpha=0.35, lw=1)
        axes.plot(steps, np.nanmean(returns, axis=0), color="#0072B2", lw=2, label=f"{name}, mean of {SEEDS} seeds")
        axes.axhline(475, color="#D55E00", lw=1, ls="--", label="solved: 475")
        axes.set(xlabel="steps in all environments", ylim=(0, 510))
        axes.locator_params(axis="x", nbins=5)
        axes.grid(color="#e4e4e4")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower right")
    panels[0].set_ylabel("mean return of the episodes that ended")
    return figure


if __name__ == "__main__":
    found = {}
    for name, agent in AGENTS.items():
        wall, cpu = time.perf_counter(), time.process_time()
        found[name], scores = jax.block_until_ready(train(agent))
        print(f"{name}: wall {time.perf_counter() - wall:.1f} s, CPU {time.process_time() - cpu:.1f} s")
        print("mean return of each seed's greedy policy:", scores.tolist())
    matplotlib.rcParams["svg.hashsalt"] = "jaxml"
    draw(found).savefig(sys.argv[1], metadata={"Date": None})
