"""Groups and codes without labels: `python examples/topics/unsupervised.py docs/topics/unsupervised.png`."""

import numpy as np
from _draw import BLUE, RED, panels, run
from matplotlib.figure import Figure

from jaxml import data, estimators

SHOWN = (0.005, 0.01, 0.02, 0.05)  # squared errors
CODES = (2, 4, 8, 16)


def errors() -> dict[str, list[float]]:
    """The mean squared error of a pixel, of 0 to 1, on held-out digits, by the size of the code."""
    digits = data.load("digits")
    train, held_out = data.split(digits.x.reshape(-1, 64), fractions=(0.8, 0.2), seed=0)
    found: dict[str, list[float]] = {"PCA": [], "autoencoder": []}
    for size in CODES:
        pca = estimators.PCA(size).fit(train)
        network = estimators.Autoencoder(
            size, hidden=(128, 64), activation="gelu", learning_rate=2e-3, max_iter=150, random_state=0
        ).fit(train)
        for name, model in (("PCA", pca), ("autoencoder", network)):
            restored = model.inverse_transform(model.transform(held_out))
            found[name].append(float(np.square(restored - held_out).mean()))
    return found


def draw() -> Figure:
    digits = data.load("digits")
    x = digits.x.reshape(-1, 64)
    groups = estimators.KMeans(10, n_init=3, random_state=0).fit(x)
    plane = estimators.PCA(2).fit(x)
    figure, (cloud, restored) = panels(2)
    cloud.scatter(*plane.transform(x).T, c=groups.labels_, cmap="tab10", s=4)
    names = [np.bincount(digits.y[groups.labels_ == k]).argmax() for k in range(10)]
    for name, center in zip(names, plane.transform(groups.cluster_centers_), strict=True):
        cloud.annotate(str(name), center, fontsize=13, weight="bold", ha="center", va="center")
    agree = np.mean([names[k] == y for k, y in zip(groups.labels_, digits.y, strict=True)])
    print(f"k-means: {100 * agree:.1f} % of the digits lie in the group named after them")
    cloud.set(xlabel="first component", ylabel="second", title="10 groups, named by what most are")
    for (name, found), colour in zip(errors().items(), (RED, BLUE), strict=True):
        print(name, dict(zip(CODES, np.round(found, 4), strict=True)))
        restored.plot(CODES, found, "o-", color=colour, label=name)
    restored.set(
        xscale="log", xticks=CODES, xticklabels=CODES, yscale="log", yticks=SHOWN, yticklabels=SHOWN,
        xlabel="numbers in the code",
        title="held-out digits: squared error of a pixel",
    )  # fmt: skip
    restored.minorticks_off()
    restored.legend(fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    run(draw)
