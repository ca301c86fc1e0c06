"""What exploring is worth: `python examples/topics/bandits.py docs/topics/reinforcement-learning.png`."""

import jax
import jax.numpy as jnp
import numpy as np
from _draw import COLOURS, panels, run
from matplotlib.figure import Figure

from jaxml import rl


def draw() -> Figure:
    means = jnp.array([0.3, 0.4, 0.5, 0.6, 0.7])
    key, options = jax.random.key(0), {"steps": 3000, "runs": 400}
    ways = {
        "greedy": rl.epsilon_greedy(key, means, eps=0.0, **options),
        "ε-greedy, ε = 0.1": rl.epsilon_greedy(key, means, eps=0.1, **options),
        "UCB1": rl.ucb1(key, means, **options),
        "Thompson sampling": rl.thompson_sampling(key, means, **options),
    }
    figure, (regret, best) = panels(2)
    for (name, runs), colour in zip(ways.items(), COLOURS, strict=False):
        mean = np.asarray(runs.regret.mean(0))
        regret.plot(mean[::20], color=colour, label=name)
        share = np.asarray((runs.actions == 4).mean(0)).reshape(-1, 50).mean(1)
        best.plot(np.arange(25, 3000, 50), 100 * share, color=colour)
        print(f"{name}: regret after 3000 draws {mean[-1]:.0f}, the best arm in the last 50 {100 * share[-1]:.0f} %")
    regret.set_xticks([0, 50, 100, 150], ["0", "1000", "2000", "3000"])
    regret.set(xlabel="draws", title="what the best arm would have given more")
    regret.legend(fontsize=8, frameon=False)
    best.set(xlabel="draws", ylim=(0, 100), title="% of 400 runs at the best of 5 arms")
    return figure


if __name__ == "__main__":
    run(draw)
