"""A line through numbers, a line between classes: `python examples/topics/regression.py docs/topics/regression.png`."""

import jax.numpy as jnp
import numpy as np
from _draw import BLUE, COLOURS, RED, panels, run
from matplotlib.figure import Figure

from jaxml import data, estimators


def draw() -> Figure:
    figure, (path, plane) = panels(2)
    diabetes = data.load("diabetes")
    x = diabetes.x / diabetes.x.std(0)
    alphas = np.logspace(-1, 5, 40)
    coefficients = np.array([estimators.LinearRegression(alpha=a).fit(x, diabetes.y).coef_ for a in alphas])
    for i, (name, own) in enumerate(zip(diabetes.feature_names, coefficients.T, strict=True)):
        path.plot(alphas, own, color=COLOURS[i % 6], ls="-" if i < 6 else "--", label=name)
    path.set(xscale="log", xlabel="penalty", title="diabetes: coefficients of ridge regression")
    path.legend(fontsize=6, frameon=False, ncols=2)
    print("R² without a penalty:", round(estimators.LinearRegression().fit(x, diabetes.y).score(x, diabetes.y), 3))
    cancer = data.load("breast_cancer")
    columns = [list(cancer.feature_names).index(name) for name in ("mean radius", "mean concave points")]
    pair = cancer.x[:, columns]
    model = estimators.LogisticRegression(C=np.inf).fit(data.Standardize().fit(pair).transform(pair), cancer.y)
    edges = [np.linspace(a.min(), a.max(), 120) for a in pair.T]
    grid = np.stack(np.meshgrid(*edges), axis=-1)
    scaled = np.asarray(data.Standardize().fit(pair).transform(jnp.asarray(grid.reshape(-1, 2), jnp.float32)))
    p = model.predict_proba(scaled)[:, 1].reshape(120, 120)
    plane.contourf(*edges, p, levels=np.linspace(0, 1, 11), cmap="RdBu", alpha=0.5)
    plane.contour(*edges, p, levels=[0.5], colors="black", linewidths=1)
    for label, colour in ((0, RED), (1, BLUE)):
        plane.scatter(*pair[cancer.y == label].T, s=5, color=colour, label=cancer.class_names[label])
    right = (model.predict(data.Standardize().fit(pair).transform(pair)) == cancer.y).mean()
    print(f"two columns of breast cancer: {100 * right:.1f} % right")
    plane.set(xlabel="mean radius", ylabel="mean concave points", title="breast cancer: P(benign)")
    plane.legend(fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    run(draw)
