"""How much of the error is the model's, how much the training set's, and how much the data's."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.diagnostics._checks import ArrayLike, check_classes, check_finite, check_some
from jaxml.diagnostics._figure import COLOURS, finish, ground
from jaxml.functional._checks import check_choice, check_equal, check_within
from jaxml.functional._dtypes import wide_dtype

LOSSES = ("squared", "zero_one")
Data = tuple[ArrayLike, ArrayLike]
PARTS = {"loss": "expected loss", "bias": "bias", "net_variance": "variance", "noise": "noise"}


class BiasVariance(NamedTuple):
    """The expected loss over training sets and its parts, means over the test points, ().

    loss: of a prediction, over training sets and test points.
    bias: of the main prediction, the squared difference to the best one, or whether it is another class.
    variance: how far the predictions scatter around the main one.
    net_variance: what that adds to the loss: for squares the same; of classes, the variance where the main prediction
        is right less the times that the right class comes up where it is not.
    noise: the loss of the best prediction; 0 where it is not known, and then in the bias.
    main: (M, ...), at each test point the mean prediction, or the commonest class.
    predictions: (rounds, M, ...), all of them.
    """

    loss: Array
    bias: Array
    variance: Array
    net_variance: Array
    noise: Array
    main: Array
    predictions: Array

    def plot(self, *, into: Any = None) -> Any:
        """A matplotlib `Figure`: the expected loss, and beside it bias, net variance and noise.

        into: matplotlib's axes to draw into, in place of a figure of its own; their figure is returned.

        Errors: `ImportError` without matplotlib (`jaxml-nn[bench]`).
        """
        figure, axes = ground("BiasVariance.plot", into)
        axes.bar(list(PARTS.values()), [float(getattr(self, part)) for part in PARTS], color=COLOURS[: len(PARTS)])
        axes.set(ylabel="loss")
        finish(axes)
        return figure


def plot_bias_variance(results: Mapping[Any, BiasVariance], *, over: str = "", into: Any = None) -> Any:
    """A matplotlib `Figure`: expected loss, bias, net variance and noise, a line each, over the names of `results`.

    Such as the degree of a polynomial, or the strength of a penalty: `{1: bias_variance(...), 3: ...}`.

    over: what the names are. into: matplotlib's axes to draw into; their figure is returned.

    Errors: `ValueError` for no results; `ImportError` without matplotlib (`jaxml-nn[bench]`).
    """
    if not results:
        raise ValueError("plot_bias_variance: results must not be empty")
    figure, axes = ground("plot_bias_variance", into)
    names = list(results)
    for colour, (part, label) in zip(COLOURS, PARTS.items(), strict=False):
        values = [float(getattr(result, part)) for result in results.values()]
        axes.plot(names, values, color=colour, lw=1.6, marker="o", ms=3.5, label=label)
    axes.set(xlabel=over, ylabel="loss")
    finish(axes)
    return figure


def bias_variance(
    key: Array,
    fit: Callable[..., Any],
    predict: Callable[..., Any],
    data: Data | Callable[[Array], Data],
    test: Data,
    *,
    rounds: int = 100,
    loss: str = "squared",
    optimal: ArrayLike | None = None,
) -> BiasVariance:
    """Fit to many training sets, and split the loss of the predictions f into what all share and what scatters.

    Of squared errors, with the mean prediction `f̄` and the best one `f*`, here 'main' and 'optimal':

        E (f - t)² = (f̄ - f*)² + E (f - f̄)² + E (t - f*)²        bias² + variance + noise

    Of the 0-1 loss, after Domingos, with the commonest class `f̄` and no noise:

        E [f ≠ t] = [f̄ ≠ t] + [f̄ = t] P(f ≠ f̄) - [f̄ ≠ t] P(f = t)        bias + net variance

    All rounds are one compiled call, a `vmap` of `fit` and `predict` over keys. A second call with the same functions
    and shapes compiles nothing.

    fit, predict: pure functions, `fit(key, x, y) -> params`, `predict(params, x) -> predictions`, of the shape of the
        test targets: numbers, or integer classes for "zero_one".
    data: (x, y), of which each round takes as many examples at random with replacement, a bootstrap sample; or
        `draw(key) -> (x, y)`, a fresh training set, where the distribution is known. Bootstrap samples share examples,
        and tell the bias of this training set, not that of the method.
    test: (x, t), points that are not fitted to.
    loss: "squared" or "zero_one".
    optimal: the best predictions (M, ...) at the test points, such as the function behind artificial data. Without
        them the targets are, and the noise is counted as bias. With them the squares above add up but for
        `2 mean((t - f*)(f* - f̄))`, which falls with the number of test points.

    Shapes: x (N, ...), y (N, ...), test x (M, ...), t (M, ...). Memory: `rounds` training sets and parameters at once.

    Errors: `ValueError` for no examples, other numbers of x and y, NaN, fewer than 2 rounds, an unknown loss and
    predictions or `optimal` of another shape than the targets; `TypeError` for classes that are no integers.

    References: Geman, Bienenstock and Doursat 1992, "Neural networks and the bias/variance dilemma"; Domingos 2000, "A
    unified bias-variance decomposition".

    >>> import jax, jax.numpy as jnp; from jaxml import diagnostics
    >>> fit, predict = lambda key, x, y: y.mean(), lambda mean, x: jnp.full(len(x), mean)
    >>> data, test = (jnp.zeros(4), jnp.arange(4.0)), (jnp.zeros(1), jnp.array([2.5]))
    >>> found = diagnostics.bias_variance(jax.random.key(0), fit, predict, data, test, rounds=1000)
    >>> [round(float(v), 1) for v in (found.bias, found.variance)]  # (1.5 - 2.5)², and 1.25 / 4
    [1.0, 0.3]
    """
    name = "bias_variance"
    check_within(name, "rounds", rounds, 2)
    check_choice(name, "loss", loss, LOSSES)
    draw = data if callable(data) else None
    given = () if callable(data) else _checked(name, ("x", "y"), data)
    x_test, targets = _checked(name, ("the test's x", "the test's targets"), test)
    best = targets if optimal is None else jnp.asarray(optimal)
    check_equal(name, "the shape of optimal", tuple(best.shape), tuple(targets.shape))
    if loss == "zero_one":
        check_classes(name, "the test's targets", targets, None)
        check_classes(name, "optimal", best, None)

    return _run(key, given, x_test, targets, best, fit=fit, predict=predict, draw=draw, rounds=rounds, loss=loss)


@partial(jax.jit, static_argnames=("fit", "predict", "draw", "rounds", "loss"))
def _run(
    key: Array,
    given: Any,
    x_test: Array,
    targets: Array,
    best: Array,
    *,
    fit: Callable[..., Any],
    predict: Callable[..., Any],
    draw: Callable[[Array], Data] | None,
    rounds: int,
    loss: str,
) -> BiasVariance:
    def one(key: Array) -> Array:
        key_data, key_fit = jax.random.split(key)
        x, y = _bootstrap(key_data, *given) if draw is None else draw(key_data)
        return predict(fit(key_fit, x, y), x_test)

    predictions = jax.vmap(one)(jax.random.split(key, rounds))
    _check_predictions("bias_variance", predictions, targets, loss)
    return (_squared if loss == "squared" else _zero_one)(predictions, targets, best)


def _checked(function: str, names: tuple[str, str], pair: Any) -> tuple[Array, Array]:
    named = dict(zip(names, pair, strict=True))
    check_some(function, **named)
    check_finite(function, **named)
    x, y = (jnp.asarray(a) for a in pair)
    return x, y


def _check_predictions(function: str, predictions: Any, targets: Array, loss: str) -> None:
    got = getattr(predictions, "shape", (0, type(predictions).__name__))[1:]
    check_equal(function, "the shape of what predict returns", got, tuple(targets.shape))
    if loss == "zero_one" and not jnp.issubdtype(predictions.dtype, jnp.integer):
        raise TypeError(
            f"{function}: predict must return integer classes for the loss 'zero_one', got {predictions.dtype}; "
            f"argmax(-1) makes them"
        )


def _bootstrap(key: Array, x: Array, y: Array) -> tuple[Array, Array]:
    rows = jax.random.randint(key, x.shape[:1], 0, x.shape[0])
    return x[rows], y[rows]


def _squared(predictions: Array, targets: Array, best: Array) -> BiasVariance:
    dtype = predictions.dtype if jnp.issubdtype(predictions.dtype, jnp.floating) else jnp.float32
    f, t, best = (a.astype(wide_dtype(dtype)) for a in (predictions, targets, best))
    main = f.mean(axis=0)
    loss, bias = jnp.square(f - t[None]).mean(), jnp.square(main - best).mean()
    variance, noise = jnp.square(f - main[None]).mean(), jnp.square(t - best).mean()
    return BiasVariance(loss, bias, variance, variance, noise, main, predictions)


def _zero_one(predictions: Array, targets: Array, best: Array) -> BiasVariance:
    t, best = (a.astype(predictions.dtype) for a in (targets, best))
    main = jax.scipy.stats.mode(predictions, axis=0).mode.astype(predictions.dtype)
    biased = (main != best).astype(jnp.float32)
    spread = (predictions != main[None]).mean(axis=0, dtype=jnp.float32)
    right = (predictions == best[None]).mean(axis=0, dtype=jnp.float32)
    net = (1 - biased) * spread - biased * right
    loss, noise = ((a != b).mean(dtype=jnp.float32) for a, b in ((predictions, t[None]), (t, best)))
    return BiasVariance(loss, biased.mean(), spread.mean(), net.mean(), noise, main, predictions)
