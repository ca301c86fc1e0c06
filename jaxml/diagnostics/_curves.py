"""Scores on training and validation data, over the number of examples and over an option."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.data import k_fold
from jaxml.diagnostics._checks import ArrayLike, check_finite, check_some
from jaxml.diagnostics._figure import COLOURS, finish, ground

Score = Callable[[Any, Any], Any]
Splits = int | Iterable[tuple[Any, Any]]
Rows = list[tuple[np.ndarray, np.ndarray]]
Evaluate = Callable[[Rows, dict[str, Any]], np.ndarray]


class LearningCurve(NamedTuple):
    """Scores over the number of training examples: sizes (S,), train and validation (S, R), a column a split."""

    sizes: np.ndarray
    train: np.ndarray
    validation: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """The mean training score less the mean validation score, (S,): what more examples may still close."""
        return self.train.mean(axis=1) - self.validation.mean(axis=1)

    def plot(self, *, into: Any = None) -> Any:
        """A matplotlib `Figure`: both means over the size, and a band of one standard deviation over the splits.

        into: matplotlib's axes to draw into, in place of a figure of its own; their figure is returned.

        Errors: `ImportError` without matplotlib (`jaxml-nn[bench]`).
        """
        figure, axes = ground("LearningCurve.plot", into)
        _bands(axes, self.sizes, self.train, self.validation)
        axes.set(xlabel="training examples", ylabel="score")
        finish(axes)
        return figure


class ValidationCurve(NamedTuple):
    """Scores over the values of an option: its name, values (V), train and validation (V, R), a column a split."""

    parameter: str
    values: tuple[Any, ...]
    train: np.ndarray
    validation: np.ndarray

    @property
    def best(self) -> Any:
        """The value with the largest mean validation score, the first of several."""
        return self.values[int(self.validation.mean(axis=1).argmax())]

    def plot(self, *, into: Any = None) -> Any:
        """A matplotlib `Figure`, as of `LearningCurve`: on a logarithmic axis where the values span a hundredfold, and
        side by side where they are no numbers."""
        figure, axes = ground("ValidationCurve.plot", into)
        numbers = all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in self.values)
        at = np.asarray(self.values, np.float64) if numbers else np.arange(len(self.values))
        order = np.argsort(at)
        _bands(axes, at[order], self.train[order], self.validation[order])
        if not numbers:
            axes.set_xticks(at, [str(v) for v in self.values])
        elif at.min() > 0 and at.max() >= 100 * at.min():
            axes.set_xscale("log")
        axes.set(xlabel=self.parameter, ylabel="score")
        finish(axes)
        return figure


def learning_curve(
    model: Any,
    x: ArrayLike,
    y: ArrayLike,
    *,
    sizes: Sequence[float] | np.ndarray = (0.1, 0.325, 0.55, 0.775, 1.0),
    splits: Splits = 5,
    score: Score | None = None,
    seed: int = 0,
) -> LearningCurve:
    """The score on the examples fitted to and on others, for more and more examples.

    A gap between the two that narrows says that more examples help (variance); two that have met at a bad score, that
    they do not, and that the model or its inputs must change (bias).

    model: an estimator with scikit-learn's interface, cloned for each fit; or a pair of pure functions
        `(fit, predict)`, `fit(key, x, y) -> params`, `predict(params, x) -> outputs`, which are compiled once for each
        size and fit all splits at once by `vmap`.
    sizes: numbers of examples, or floats in (0, 1], shares of the smallest training part. The first so many of each
        training part are taken.
    splits: so many folds, shuffled by `seed`; or pairs of positions (training, validation), such as `data.k_fold` or
        scikit-learn's `KFold().split` give.
    score: `score(outputs, y) -> scalar`, larger being better, of the outputs of `predict`; of an estimator by default
        its own `score`.

    Shapes: x (N, ...), y (N, ...) -> sizes (S,), scores (S, R); sizes that come out alike are taken once.

    Errors: `ValueError` for no examples, other numbers of x and y, NaN in what pure functions are given, sizes below 1
    or above the training part, shares outside (0, 1], splits that are empty or point outside of the data, and a score
    that is no scalar; `TypeError` for a model that is neither of the two, and a pair without a score.

    Reference: Cortes et al. 1993, "Learning curves: asymptotic values and rate of convergence".

    >>> import numpy as np; from jaxml import diagnostics, estimators
    >>> x = np.arange(20.0)[:, None]
    >>> curve = diagnostics.learning_curve(estimators.LinearRegression(), x, 3 * x[:, 0], sizes=[4, 16])
    >>> curve.sizes.tolist(), curve.validation.shape, curve.validation.min().round(4).item()
    ([4, 16], (2, 5), 1.0)
    """
    name = "learning_curve"
    evaluate = _evaluator(name, model, x, y, score, seed)
    rows = _rows(name, len(x), splits, seed)
    counts = _counts(name, sizes, min(len(train) for train, _ in rows))
    scores = [evaluate([(train[:count], valid) for train, valid in rows], {}) for count in counts]
    return LearningCurve(counts, *np.moveaxis(np.asarray(scores), 2, 0))


def validation_curve(
    model: Any,
    x: ArrayLike,
    y: ArrayLike,
    *,
    parameter: str,
    values: Sequence[Any] | ArrayLike,
    splits: Splits = 5,
    score: Score | None = None,
    seed: int = 0,
) -> ValidationCurve:
    """The score on the examples fitted to and on others, for each of `values` of one option of the fit.

    Where both scores are bad the model underfits; where only the validation's is, it overfits.

    model, splits, score, seed: as in `learning_curve`. Of an estimator the option is set by
        `set_params(parameter=value)`; a pure function is called as `fit(key, x, y, parameter=value)`.
    values: a sequence, each compiled by itself, so that it may be a shape or a choice; or an array, of which the
        function, compiled once, gets one scalar after the other.

    Shapes: x (N, ...), y (N, ...) -> scores (V, R).

    Errors: as `learning_curve`, and `ValueError` for no values.

    >>> import numpy as np; from jaxml import diagnostics, estimators
    >>> x = np.arange(20.0)[:, None]
    >>> model, options = estimators.LinearRegression(), {"parameter": "alpha", "values": [0.0, 1e3]}
    >>> diagnostics.validation_curve(model, x, 3 * x[:, 0], **options).best
    0.0
    """
    name = "validation_curve"
    evaluate = _evaluator(name, model, x, y, score, seed)
    if len(values) == 0:
        raise ValueError(f"{name}: values must not be empty")
    kept = tuple(np.asarray(values).tolist() if isinstance(values, ArrayLike) else values)
    traced = isinstance(values, ArrayLike) and isinstance(model, tuple)
    rows = _rows(name, len(x), splits, seed)
    scores = [evaluate(rows, {parameter: value}) for value in (jnp.asarray(values) if traced else kept)]
    return ValidationCurve(parameter, kept, *np.moveaxis(np.asarray(scores), 2, 0))


def _evaluator(function: str, model: Any, x: Any, y: Any, score: Score | None, seed: int) -> Evaluate:
    """`evaluate(rows, options)`: the scores on training and validation rows, (R, 2)."""
    check_some(function, x=x, y=y)
    if isinstance(model, tuple) and len(model) == 2 and all(map(callable, model)):
        if score is None:
            raise TypeError(f"{function}: score must say how good the outputs of predict are: score(outputs, y)")
        check_finite(function, x=x, y=y)
        return _of_functions(function, *model, x, y, score, seed)
    if not all(hasattr(model, method) for method in ("fit", "predict", "get_params")):
        raise TypeError(
            f"{function}: model must be an estimator with fit, predict and get_params, or a pair of functions (fit, "
            f"predict), got {type(model).__name__}"
        )
    return _of_estimator(function, model, np.asarray(x), np.asarray(y), score)


def _of_estimator(function: str, model: Any, x: np.ndarray, y: np.ndarray, score: Score | None) -> Evaluate:
    from sklearn.base import clone

    def measure(fitted: Any, rows: np.ndarray) -> float:
        if score is None:
            return fitted.score(x[rows], y[rows])
        return _scalar(function, score(fitted.predict(x[rows]), y[rows]))

    def evaluate(pairs: Rows, options: dict[str, Any]) -> np.ndarray:
        found = []
        for train, valid in pairs:
            copy: Any = clone(model)
            fitted = copy.set_params(**options).fit(x[train], y[train])
            found.append([measure(fitted, rows) for rows in (train, valid)])
        return np.asarray(found, np.float64)

    return evaluate


def _of_functions(
    function: str, fit: Callable[..., Any], predict: Callable[..., Any], x: Any, y: Any, score: Score, seed: int
) -> Evaluate:
    x, y = jnp.asarray(x), jnp.asarray(y)

    def outputs(key: jax.Array, rows: jax.Array, x: jax.Array, y: jax.Array, options: dict[str, Any]) -> Any:
        return predict(fit(key, x[rows], y[rows], **options), x)

    over_splits = (0, 0, None, None, None)
    traced = jax.jit(jax.vmap(outputs, over_splits))

    def evaluate(pairs: Rows, options: dict[str, Any]) -> np.ndarray:
        keys = jax.random.split(jax.random.key(seed), len(pairs))
        run: Any = traced
        if not all(isinstance(value, jax.Array) for value in options.values()):
            static, options = options, {}
            run = jax.jit(jax.vmap(lambda key, rows, x, y, _: outputs(key, rows, x, y, static), over_splits))
        found = np.empty((len(pairs), 2))
        lengths = np.asarray([len(train) for train, _ in pairs])
        for length in np.unique(lengths):  # those of one length at once; folds have two at most
            group = np.flatnonzero(lengths == length)
            made = run(keys[group], jnp.asarray(np.stack([pairs[i][0] for i in group])), x, y, options)
            for place, i in enumerate(group):
                for column, rows in enumerate(pairs[i]):
                    seen = jax.tree.map(lambda a, place=place, rows=rows: a[place][rows], made)
                    found[i, column] = _scalar(function, score(seen, y[rows]))
        return found

    return evaluate


def _scalar(function: str, value: Any) -> float:
    if np.shape(value) != ():
        raise ValueError(f"{function}: score must return a scalar, got shape {np.shape(value)}; a mean makes one")
    return float(value)


def _rows(function: str, n: int, splits: Splits, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The positions of each split's two parts."""
    pairs = list(k_fold(n, k=splits, seed=seed)) if isinstance(splits, int) else list(splits)
    if not pairs:
        raise ValueError(f"{function}: splits must not be empty")
    rows = []
    for number, pair in enumerate(pairs):
        train, valid = (np.asarray(part) for part in pair)
        for what, part in (("training", train), ("validation", valid)):
            if part.ndim != 1 or len(part) == 0 or not np.issubdtype(part.dtype, np.integer):
                raise ValueError(
                    f"{function}: the {what} part of split {number} must be positions (n,), one or more, got "
                    f"{part.dtype} of shape {part.shape}"
                )
            if part.min() < 0 or part.max() >= n:
                raise ValueError(
                    f"{function}: the {what} part of split {number} must lie in [0, {n}), got {part.min()} to "
                    f"{part.max()}"
                )
        rows.append((train, valid))
    return rows


def _counts(function: str, sizes: Any, largest: int) -> np.ndarray:
    """Numbers of examples, rising, without doubles."""
    given = np.asarray(sizes)
    if given.ndim != 1 or len(given) == 0:
        raise ValueError(f"{function}: sizes must be a sequence of one number or more, got {sizes}")
    if np.issubdtype(given.dtype, np.floating):
        if not ((given > 0) & (given <= 1)).all():
            raise ValueError(f"{function}: sizes that are shares must lie in (0, 1], got {given.tolist()}")
        given = np.clip((given * largest).astype(int), 1, largest)
    elif not ((given >= 1) & (given <= largest)).all():
        raise ValueError(
            f"{function}: sizes must lie between 1 and the {largest} examples of the smallest training part, got "
            f"{given.tolist()}"
        )
    return np.unique(given)


def _bands(axes: Any, at: np.ndarray, train: np.ndarray, validation: np.ndarray) -> None:
    for colour, name, scores in zip(COLOURS, ("training", "validation"), (train, validation), strict=False):
        mean, std = scores.mean(axis=1), scores.std(axis=1)
        axes.plot(at, mean, color=colour, lw=1.6, marker="o", ms=3.5, label=name)
        axes.fill_between(at, mean - std, mean + std, color=colour, alpha=0.15, lw=0)
