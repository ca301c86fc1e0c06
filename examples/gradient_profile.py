"""What gates and skip connections do for the gradient, at random starting values.

    python examples/gradient_profile.py docs/gradient-profile.svg

draws the picture of docs/gradient-profile.md: the gradient at every step of an RNN, a GRU and an LSTM of which the last
output is read, and at every layer of a deep network with and without skip connections.
"""

import sys

import jax
from flax import nnx

import jaxml.functional as F
from jaxml import diagnostics, nn


class Block(nnx.Module):
    """`tanh(x w + b)`, added to x or not."""

    def __init__(self, features: int, skip: bool, rngs: nnx.Rngs):
        self.linear, self.skip = nn.Linear(features, features, rngs=rngs), skip

    def __call__(self, x: jax.Array) -> jax.Array:
        y = F.tanh(self.linear(x))
        return x + y if self.skip else y


class Deep(nnx.Module):
    """Blocks on top of one another."""

    def __init__(self, depth: int, features: int, skip: bool, rngs: nnx.Rngs):
        self.blocks = nnx.List([Block(features, skip, rngs) for _ in range(depth)])

    def __call__(self, x: jax.Array) -> jax.Array:
        for block in self.blocks:
            x = block(x)
        return x


def over_time(steps: int, features: int) -> dict[str, diagnostics.GradientProfile]:
    """Of the mean of the last output of 16 sequences of noise."""
    x = jax.random.normal(jax.random.key(0), (16, steps, 8))
    layers = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
    return {
        name: diagnostics.gradient_profile(
            layer(8, features, rngs=nnx.Rngs(0)), x, loss=lambda output: output[0][:, -1].mean()
        )
        for name, layer in layers.items()
    }


def over_depth(depth: int, features: int) -> dict[str, diagnostics.GradientProfile]:
    """Of the mean output for 16 rows of noise."""
    x = jax.random.normal(jax.random.key(1), (16, features))
    nets = {"plain": False, "with skip connections": True}
    return {
        name: diagnostics.gradient_profile(Deep(depth, features, skip, nnx.Rngs(0)), x, loss=lambda y: y.mean())
        for name, skip in nets.items()
    }


def main(path: str) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.hashsalt"] = "jaxml"  # the same file from the same numbers
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    times, depths = over_time(60, 64), over_depth(50, 64)
    diagnostics.plot_gradient_profile(times, into=left)
    diagnostics.plot_gradient_profile(depths, over="layers", path="blocks/*[0-9]", into=right)
    left.set_title("60 steps, the last output is read", loc="left")
    right.set_title("50 layers of tanh", loc="left")
    figure.savefig(path, metadata={"Date": None})
    for name, profile in times.items():
        (norms,) = profile.steps[name]
        print(f"{name:24} step 1 {norms[0]:.1e}  step 30 {norms[29]:.1e}  step 60 {norms[-1]:.1e}")
    for name, profile in depths.items():
        print(f"{name:24} layer 1 {profile.layers['blocks/0']:.1e}  layer 50 {profile.layers['blocks/49']:.1e}")


if __name__ == "__main__":
    main(sys.argv[1])
