"""Agents on CartPole-v1 from five seeds each: their curves, and the greedy policies' returns over 100 episodes.

python examples/cart_pole.py docs/cart-pole.svg
python examples/cart_pole.py ppo.svg --agents PPO --first 200 --seeds 60
"""

import argparse
import time

import gymnax
import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from jaxml import rl

POINTS = 100
AGENTS = {"PPO": rl.ppo, "DQN": rl.dqn, "A2C": rl.a2c, "REINFORCE": rl.reinforce}


def train(agent, first, seeds):
    """The results of all seeds, one leading axis, and the mean return of each seed's greedy policy."""
    env, env_params = gymnax.make("CartPole-v1")
    keys = jax.vmap(jax.random.key)(jnp.arange(first, first + seeds))
    results = jax.vmap(lambda key: agent(key, env, env_params))(keys)
    scores = jax.vmap(lambda result, key: rl.evaluate(key, result.policy, env, env_params))(results, keys)
    return results, scores.mean(1)


def curves(results):
    """Steps, and the returns of each seed by them, averaged over at most `POINTS` spans of updates."""
    steps, returns = np.asarray(results.steps[0]), np.asarray(results.returns)
    span = -(-len(steps) // POINTS)
    kept = len(steps) // span * span
    return steps[span - 1 : kept : span], np.nanmean(returns[:, :kept].reshape(len(returns), -1, span), axis=2)


def draw(found):
    rows = -(-len(found) // 2)
    figure = Figure(figsize=(9, 3.2 * rows), dpi=120, layout="constrained")
    panels = figure.subplots(rows, min(len(found), 2), sharey=True, squeeze=False)
    for axes, (name, results) in zip(panels.flat, found.items(), strict=True):
        steps, returns = curves(results)
        for curve in returns:
            axes.plot(steps, curve, color="#0072B2", alpha=0.35, lw=1)
        axes.plot(
            steps, np.nanmean(returns, axis=0), color="#0072B2", lw=2, label=f"{name}, mean of {len(returns)} seeds"
        )
        axes.axhline(475, color="#D55E00", lw=1, ls="--", label="solved: 475")
        axes.set(xlabel="steps in all environments", ylim=(0, 510))
        axes.locator_params(axis="x", nbins=5)
        axes.grid(color="#e4e4e4")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower right")
    figure.supylabel("mean return of the episodes that ended")
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("svg")
    parser.add_argument("--agents", nargs="+", choices=AGENTS, default=list(AGENTS))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=5)
    chosen = parser.parse_args()
    found = {}
    for name in chosen.agents:
        wall, cpu = time.perf_counter(), time.process_time()
        found[name], scores = jax.block_until_ready(train(AGENTS[name], chosen.first, chosen.seeds))
        print(f"{name}: wall {time.perf_counter() - wall:.1f} s, CPU {time.process_time() - cpu:.1f} s")
        print(f"mean return of each seed's greedy policy, {(scores >= 475).sum()} of {len(scores)} solved:")
        print([round(score, 1) for score in scores.tolist()], flush=True)
    matplotlib.rcParams["svg.hashsalt"] = "jaxml"
    draw(found).savefig(chosen.svg, metadata={"Date": None})
