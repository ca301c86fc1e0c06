"""The pictures of docs/diagnosis.md.

    python examples/diagnosis.py docs

draws docs/diagnosis-*.png and prints the numbers that the page gives.
"""

import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import scale

import jaxml.functional as F
from jaxml import data, diagnostics, estimators, models, nn
from jaxml.train import fit


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Of 8x8 images in [0, 1] the entries, and the classes."""
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y.astype(np.int32)


def classes() -> tuple[diagnostics.ConfusionMatrix, diagnostics.Calibration, diagnostics.Calibration, float]:
    """Naive Bayes on 900 digits: confusions and calibration on 497 others, before and after a temperature that 400
    further ones give."""
    x, y = digits()
    bayes = GaussianNB(var_smoothing=0.1).fit(x[:900], y[:900])
    logits = jnp.asarray(bayes.predict_joint_log_proba(x[900:]), jnp.float32)
    temperature = diagnostics.temperature_scaling(logits[:400], y[900:1300])
    logits, y = logits[400:], y[1300:]
    found = diagnostics.confusion_matrix(logits.argmax(axis=1), y)
    before = diagnostics.calibration(jax.nn.softmax(logits), y)
    after = diagnostics.calibration(jax.nn.softmax(logits / temperature), y)
    return found, before, after, float(temperature)


def curves() -> tuple[diagnostics.LearningCurve, diagnostics.ValidationCurve]:
    """Logistic regression on 569 tumours: more examples, and more freedom."""
    x, y = load_breast_cancer(return_X_y=True)
    x = scale(x)
    splits = list(data.k_fold(len(x), k=5, stratify=y))
    model = estimators.LogisticRegression()
    sizes = [20, 40, 80, 160, 300, 454]
    return (
        diagnostics.learning_curve(model, x, y, sizes=sizes, splits=splits),
        diagnostics.validation_curve(model, x, y, parameter="C", values=np.logspace(-5, 4, 10), splits=splits),
    )


def polynomials(degrees: tuple[int, ...], rounds: int) -> dict[int, diagnostics.BiasVariance]:
    """Least squares through 15 noisy points of a sine, of several degrees, on as many training sets as `rounds`."""

    def truth(x: Any) -> Any:
        return jnp.sin(2 * jnp.pi * x[:, 0])

    def noisy(key: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        return x, truth(x) + 0.3 * jax.random.normal(key, x.shape[:1])

    def draw(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        return noisy(key, jnp.linspace(0, 1, 15)[:, None])

    def of_degree(degree: int) -> diagnostics.BiasVariance:
        def powers(x: jax.Array) -> jax.Array:
            return (2 * x - 1) ** jnp.arange(1, degree + 1)[None]

        def fit(key: jax.Array, x: jax.Array, y: jax.Array) -> Any:
            return estimators.least_squares(powers(x), y[:, None])[:2]

        def predict(params: Any, x: jax.Array) -> jax.Array:
            w, b = params
            return (powers(x) @ w + b[None])[:, 0]

        test = noisy(jax.random.key(1), jnp.linspace(0, 1, 201)[:, None])
        key = jax.random.key(0)
        return diagnostics.bias_variance(key, fit, predict, draw, test, rounds=rounds, optimal=truth(test[0]))

    return {degree: of_degree(degree) for degree in degrees}


def overfitted() -> diagnostics.Overfitting:
    """A network of 128 hidden units on 200 digits, a fifth of whose labels are wrong."""
    x, y = digits()
    wrong = np.random.default_rng(0).uniform(size=len(y)) < 0.2
    noisy = np.where(wrong, (y + 1) % 10, y)
    model = models.create("mlp", rngs=nnx.Rngs(0), num_classes=10, in_features=64, hidden=(128,))
    result = fit(
        model,
        (x[:200], noisy[:200]),
        loss=F.softmax_cross_entropy_with_integer_labels,
        optimizer=optax.sgd(0.1, momentum=0.9),
        epochs=60,
        validation=(x[900:], noisy[900:]),
        progress=False,
    )
    return diagnostics.overfitting(result.history)


class Block(nnx.Module):
    """`sigmoid(x w + b)`, or with a skip connection `x + scale relu(x w + b)`."""

    def __init__(self, features: int, scale: float | None, rngs: nnx.Rngs):
        self.linear, self.scale = nn.Linear(features, features, rngs=rngs), scale

    def __call__(self, x: jax.Array) -> jax.Array:
        z = self.linear(x)
        return F.sigmoid(z) if self.scale is None else x + self.scale * F.relu(z)


class Deep(nnx.Module):
    """Blocks on top of one another, between two linear maps. What skip connections go around is scaled by
    depth^(-1/2), so that the sum of all blocks does not grow with their number."""

    def __init__(self, depth: int, features: int, skip: bool, rngs: nnx.Rngs):
        self.stem = nn.Linear(64, features, rngs=rngs)
        self.blocks = nnx.List([Block(features, depth**-0.5 if skip else None, rngs) for _ in range(depth)])
        self.head = nn.Linear(features, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def layers(
    depth: int, features: int
) -> tuple[dict[str, diagnostics.GradientFlow], dict[str, diagnostics.ActivationStatistics]]:
    """What flows through two networks of digits at their random start."""
    x, y = (jnp.asarray(a[:256]) for a in digits())
    flows, activations = {}, {}
    for name, skip in {"sigmoid": False, "ReLU and skip connections": True}.items():
        model = Deep(depth, features, skip, nnx.Rngs(0))
        flows[name] = diagnostics.gradient_flow(
            model, x, loss=lambda logits: F.softmax_cross_entropy_with_integer_labels(logits, y).mean()
        )
        activations[name] = diagnostics.activation_statistics(model, x)
    return flows, activations


def side_by_side(left: Any, right: Any, *titles: str) -> Any:
    """A figure with what both functions draw into the axes they are given."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4), dpi=90, layout="constrained")
    for draw, axes, title in zip((left, right), figure.subplots(1, 2), titles, strict=True):
        draw(axes)
        axes.set_title(title, loc="left", fontsize=10)
    return figure


def draw_classes(folder: Path) -> None:
    found, before, after, temperature = classes()

    def right(axes: Any) -> None:
        before.plot(name="before", into=axes)
        after.plot(name="after", into=axes)

    titles = "Naive Bayes on digits", f"Before and after a temperature of {temperature:.2f}"
    side_by_side(lambda axes: found.plot(into=axes), right, *titles).savefig(folder / "diagnosis-classes.png")
    print(f"accuracy {float(found.accuracy):.3f}, T {temperature:.2f}")
    for name, one in (("before", before), ("after", after)):
        print(f"{name:7} ECE {float(one.ece):.3f} MCE {float(one.mce):.3f} Brier {float(one.brier):.3f}")


def draw_curves(folder: Path) -> None:
    learning, validation = curves()
    titles = "Logistic regression, C = 1", "The same of all examples"
    figure = side_by_side(lambda axes: learning.plot(into=axes), lambda axes: validation.plot(into=axes), *titles)
    figure.savefig(folder / "diagnosis-curves.png")
    for size, gap in zip(learning.sizes, learning.gap, strict=True):
        print(f"{size:4} examples: gap {gap:.3f}")
    print("best C", validation.best, validation.validation.mean(axis=1).round(3))


def draw_bias_variance(folder: Path) -> None:
    results = polynomials(tuple(range(1, 10)), 500)
    x = np.linspace(0, 1, 201)

    def left(axes: Any) -> None:
        for degree, colour in ((1, "#0072B2"), (9, "#D55E00")):
            axes.plot(x, np.asarray(results[degree].predictions[:15]).T, color=colour, lw=0.5, alpha=0.6)
            axes.plot(x, np.asarray(results[degree].main), color=colour, lw=2, label=f"degree {degree} and its mean")
        axes.plot(x, np.sin(2 * np.pi * x), color="black", lw=1.5, ls="--", label="truth")
        axes.set(ylim=(-2.2, 2.2), xlabel="x", ylabel="prediction")
        axes.legend(frameon=False, fontsize=8)

    def right(axes: Any) -> None:
        diagnostics.plot_bias_variance(results, over="degree", into=axes)

    titles = "Fits to 15 of 500 training sets", "The parts of the squared error"
    side_by_side(left, right, *titles).savefig(folder / "diagnosis-bias-variance.png")
    for degree, result in results.items():
        parts = (result.loss, result.bias, result.variance, result.noise)
        print(f"degree {degree}: loss, bias², variance, noise", *(f"{float(part):.3f}" for part in parts))


def draw_overfitting(folder: Path) -> None:
    found = overfitted()
    found.plot().savefig(folder / "diagnosis-overfitting.png", dpi=90)
    print(found)


def draw_layers(folder: Path) -> None:
    flows, activations = layers(20, 64)

    def left(axes: Any) -> None:
        for name, flow in flows.items():
            flow.plot(path="blocks/*/w", name=name, into=axes)

    def right(axes: Any) -> None:
        for name, found in activations.items():
            found.plot(path="blocks/*[0-9]", name=name, into=axes)

    titles = "Norm of the gradient of each block's weights", "What the blocks return"
    side_by_side(left, right, *titles).savefig(folder / "diagnosis-layers.png")
    for name, flow in flows.items():
        at = [i for i, path in enumerate(flow.paths) if path.startswith("blocks/") and path.endswith("/w")]
        print(f"{name}: block 1 {float(flow.gradient[at[0]]):.1e}, block 20 {float(flow.gradient[at[-1]]):.1e}")


if __name__ == "__main__":
    for draw in (draw_classes, draw_curves, draw_bias_variance, draw_overfitting, draw_layers):
        draw(Path(sys.argv[1]))
