"""A network that learns its examples by heart: `python examples/topics/overfitting.py docs/topics/overfitting.png`."""

import numpy as np
from _draw import BLUE, GREEN, RED, panels, run
from flax import nnx
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import data, models, optim
from jaxml.train import fit

EPOCHS = 150


def history(dropout: float, weight_decay: float) -> dict[str, np.ndarray]:
    """Losses on 6 % of the digits and on the others, of an MLP of 26,000 weights."""
    digits = data.load("digits")
    train, held_out = data.split((digits.x, digits.y), fractions=(0.06, 0.94), stratify=digits.y, seed=0)
    found = fit(
        models.create("mlp", rngs=nnx.Rngs(0), dropout=dropout),
        train,
        loss=F.softmax_cross_entropy_with_integer_labels,
        optimizer=optim.adamw(2e-3, weight_decay=weight_decay, decay_mask=optim.decay_mask),
        epochs=EPOCHS,
        validation=held_out,
        progress=False,
    )
    return {name: np.asarray(values) for name, values in found.history.items()}


def draw() -> Figure:
    figure, (losses, kinds) = panels(2)
    plain = history(0.0, 0.0)
    losses.plot(plain["loss"], color=BLUE, label="the digits it learns from")
    losses.plot(plain["val_loss"], color=RED, label="other digits")
    stop = int(plain["val_loss"].argmin())
    losses.axvline(stop, color="#777777", ls="--", lw=1)
    losses.annotate("stop here", (stop, 1e-3), fontsize=8, xytext=(4, 0), textcoords="offset points")
    losses.set(yscale="log", xlabel="epochs", title="6 % of the digits: loss")
    losses.legend(fontsize=8, frameon=False)
    settings = {
        "nothing against it": (0.0, 0.0, RED), "dropout 0.5": (0.5, 0.0, BLUE), "weight decay 1": (0.0, 1.0, GREEN)
    }  # fmt: skip
    for name, (dropout, decay, colour) in settings.items():
        found = history(dropout, decay)
        kinds.plot(found["val_loss"], color=colour, label=name)
        least, last = found["val_loss"].min(), found["val_loss"][-1]
        print(f"{name}: least {least:.3f} at epoch {found['val_loss'].argmin() + 1}, last {last:.3f}, "
              f"accuracy {found['val_accuracy'][-1]:.4f}, training loss {found['loss'][-1]:.2g}")  # fmt: skip
    kinds.set(xlabel="epochs", ylim=(0, None), title="loss on other digits")
    kinds.set_ylim(0, 1)
    kinds.legend(fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    run(draw)
