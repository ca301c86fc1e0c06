"""The four pictures of docs/descent.md: `python examples/descent.py FILE.png`."""

import sys

import jax.numpy as jnp
from matplotlib.figure import Figure

from jaxml import descent, optim


def main(path: str) -> None:
    """Draw rates, a local minimum, and the rules in a valley and at a saddle."""
    figure = Figure(figsize=(11, 8.2), layout="constrained")
    (rates, valleys), (valley, saddle) = figure.subplots(2, 2)

    bowl = descent.ELLIPSE
    start = jnp.asarray(bowl.start)
    ways = {f"rate {r}": descent.gd(bowl.value, start, learning_rate=r, steps=30) for r in (0.01, 0.1, 0.19, 0.21)}
    descent.plot_descents(bowl, ways, into=rates)

    two = descent.TWO_VALLEYS
    start = jnp.asarray(two.start)
    ways = {
        name: descent.gd(two.value, start, learning_rate=0.05, steps=300, momentum=m)
        for name, m in (("gradient descent", 0.0), ("momentum 0.9", 0.9))
    }
    descent.plot_descents(two, ways, into=valleys)

    for surface, axes, rate, steps in ((descent.ROSENBROCK, valley, 1e-3, 400), (descent.SADDLE, saddle, 1e-2, 120)):
        rules = {
            "gradient descent": optim.sgd(rate if surface is descent.ROSENBROCK else 5e-2),
            "momentum": optim.momentum(rate),
            "AdaGrad": optim.adagrad(0.5),
            "RMSProp": optim.rmsprop(1e-2),
            "Adam": optim.adam(5e-2),
        }
        ways = {n: descent.follow(surface.value, jnp.asarray(surface.start), r, steps=steps) for n, r in rules.items()}
        descent.plot_descents(surface, ways, into=axes)
        for name, way in ways.items():
            print(f"{surface.name}, {name}: {float(way.losses[-1]):.4g}")
    figure.savefig(path)


if __name__ == "__main__":
    main(sys.argv[1])
