"""Supervised learning on the digits: `python examples/topics/supervised.py docs/topics/supervised.png`."""

import jax
import numpy as np
from _draw import BLUE, RED, panels, run
from flax import nnx
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import data, models, nn, optim
from jaxml.train import fit


def draw() -> Figure:
    digits = data.load("digits")
    train, held_out = data.split((digits.x, digits.y), fractions=(0.8, 0.2), stratify=digits.y, seed=0)
    model = models.create("mlp", rngs=nnx.Rngs(0))
    loss = F.softmax_cross_entropy_with_integer_labels
    result = fit(model, train, loss=loss, optimizer=optim.adam(1e-3), epochs=20, validation=held_out, progress=False)
    logits, _ = jax.jit(nn.functionalize(model)[0])(result.params, result.state, held_out[0])
    guess = np.asarray(logits.argmax(1))
    history = {name: np.asarray(values) for name, values in result.history.items()}
    print("held-out accuracy after 1, 5 and 20 epochs:", history["val_accuracy"][[0, 4, 19]].round(4))
    figure, (curve, pictures) = panels(2)
    epochs = np.arange(1, 21)
    curve.plot(epochs, 100 * (1 - history["accuracy"]), color=RED, label="training digits, as it learns")
    curve.plot(epochs, 100 * (1 - history["val_accuracy"]), color=BLUE, label=f"{len(guess)} held-out digits")
    curve.set(yscale="log", xlabel="epochs", title="% wrong")
    curve.legend(fontsize=8, frameon=False)
    wrong = np.flatnonzero(guess != held_out[1])[:6]
    shown = np.concatenate([wrong, np.flatnonzero(guess == held_out[1])[: 18 - len(wrong)]])
    tiles = [np.pad(1 - held_out[0][i, :, :, 0], 1, constant_values=1) for i in shown]
    pictures.imshow(np.block([[t for t in tiles[i : i + 6]] for i in (0, 6, 12)]), cmap="gray")
    for place, i in enumerate(shown):
        colour = BLUE if guess[i] == held_out[1][i] else RED
        pictures.text(place % 6 * 10 + 0.2, place // 6 * 10 + 2.6, guess[i], color=colour, fontsize=9, weight="bold")
    pictures.set(title=f"guesses; {(guess != held_out[1]).sum()} of {len(guess)} are wrong")
    pictures.axis("off")
    return figure


if __name__ == "__main__":
    run(draw)
