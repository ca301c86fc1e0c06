"""The learning-rate range test: one short training over growing rates, and the rate at which the loss falls fastest."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array

from jaxml.data._dataset import Dataset
from jaxml.data._image_folder import Images
from jaxml.functional._checks import check_above, check_within
from jaxml.train._batches import as_pair
from jaxml.train._step import Loss, pure
from jaxml.tuning._plot import figure_and_axes

# A function of a rate, or of a schedule of rates, such as `optim.adam`.
MakeOptimizer = Callable[[Any], optax.GradientTransformation]


class LearningRateRange(NamedTuple):
    """What a range test of T steps saw; all are arrays, so that it goes through `jax.vmap`.

    rates: of each step, (T,). losses: of each step's batch, before the step, (T,).
    smoothed: their exponential moving average, corrected for its start, (T,).
    used: how many steps came before the loss diverged, T where it did not, ().
    suggestion: the rate where the smoothed loss falls fastest, (); NaN where it never fell.
    """

    rates: Array
    losses: Array
    smoothed: Array
    used: Array
    suggestion: Array

    def __str__(self) -> str:
        """The suggestion in words, and where the loss was least and diverged."""
        _check_one("str", self)
        rates, smoothed, used = np.asarray(self.rates), np.asarray(self.smoothed), int(self.used)
        if not np.isfinite(self.suggestion):
            return f"no learning rate to suggest: the loss did not fall from {rates[0]:.3g} on; test lower rates"
        least = int(smoothed[:used].argmin())
        text = f"learning rate {float(self.suggestion):.3g}: there the loss falls fastest; it is least at "
        text += f"{rates[least]:.3g}"
        return text + (f" and diverges at {rates[used]:.3g}" if used < len(rates) else ", and did not diverge")

    def plot(self, *, into: Any = None) -> Any:
        """A matplotlib `Figure`: the losses over the rates before divergence, smoothed, and the suggestion.

        into: matplotlib's axes to draw into, in place of a figure of its own; their figure is returned.

        Errors: `ValueError` for the results of several tests at once; `ImportError` without matplotlib, which
        `jaxml-nn[tune]` installs.
        """
        _check_one("plot", self)
        figure, (axes,) = figure_and_axes("plot", into)
        used = max(int(self.used), 1)
        rates, losses, smoothed = (np.asarray(a, np.float64)[:used] for a in self[:3])
        axes.plot(rates, losses, color="#b8b8b8", lw=0.8, label="loss of a batch")
        axes.plot(rates, smoothed, color="#0072B2", lw=1.6, label="smoothed")
        if np.isfinite(self.suggestion):
            at = float(self.suggestion)
            axes.axvline(at, color="#D55E00", lw=1.2, ls="--", label=f"falls fastest at {at:.2g}")
        low, high = min(losses.min(), smoothed.min()), smoothed.max()  # of the last losses one may be far above
        if np.isfinite([low, high]).all() and low < high:
            axes.set_ylim(low - 0.05 * (high - low), high + 0.1 * (high - low))
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
        axes.legend(frameon=False)
        return figure


def learning_rate_range(
    key: Array,
    loss: Callable[[Any, Any], Array],
    data: Any,
    params: Any,
    *,
    optimizer: MakeOptimizer,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    batch_size: int = 32,
    smoothing: float = 0.9,
) -> LearningRateRange:
    """The learning-rate range test of a loss: T `steps` of training whose rate grows from `lowest` to `highest`.

        eta_t = lowest (highest / lowest)^(t / (T - 1))
        s_t = (1 - b) Σ_{i <= t} b^(t - i) l_i / (1 - b^(t + 1)),  b = smoothing
        suggestion = eta at the least d s / d log eta

    Each step sees `batch_size` examples drawn without replacement, epoch by epoch. The loss has diverged at the first
    step where s is not finite, or above its lowest value so far by more than |l_0|; nothing from there on is used, nor
    the first tenth of the steps for the suggestion, where s is the average of a few. One compiled `lax.scan`, to be put
    through `jit`, or `vmap` over keys.

    loss: `loss(params, batch)`, a mean over the examples, the first axis of every array of `data`.
    optimizer: a function of the rate, such as `optim.adam` or `partial(optim.sgd, momentum=0.9)`.

    Cost: T steps of training, and memory for all of `data`.

    Raises:
        ValueError: rates that are not above 0 or do not grow, `steps` below 10, a `batch_size` that is not in [1, the
            number of examples], a `smoothing` outside [0, 1).
        TypeError: an optimizer that has its rate already.

    Reference: Smith 2015, "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186, section 3.3.

    >>> from jaxml import optim
    >>> x = jnp.linspace(-1.0, 1.0, 64)
    >>> error = lambda w, batch: ((batch[0] * w - batch[1]) ** 2).mean()
    >>> found = learning_rate_range(jax.random.key(0), error, (x, 3 * x), jnp.float32(0.0), optimizer=optim.sgd)
    >>> bool(0.1 < found.suggestion < 3), found.losses.shape
    (True, (100,))
    """
    name = "learning_rate_range"
    _check(name, optimizer, lowest, highest, steps, smoothing)
    n = jax.tree.leaves(data)[0].shape[0]
    check_within(name, "batch_size", batch_size, 1, n)

    def objective(params: Any, state: None, batch: Any) -> tuple[Array, None]:
        return loss(params, batch), state

    plan = _Plan(optimizer, lowest, highest, steps, batch_size, smoothing)
    return _test(plan, objective, key, params, None, data)


def find_learning_rate(
    model: Any,
    data: Any,
    *,
    loss: Loss,
    optimizer: MakeOptimizer,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    batch_size: int | None = None,
    smoothing: float = 0.9,
    seed: int = 0,
) -> LearningRateRange:
    """`learning_rate_range` of what `fit` takes: a model, data and a loss of its outputs.

    model, loss: as for `fit`; the model is left as it is. data: arrays `(x, y)`, or trees of arrays, or a
        `data.Dataset`, in memory. batch_size: examples a step, 32 if there are so many.
    optimizer: a function of the rate, such as `optim.adam` or `partial(optim.sgd, momentum=0.9)`.

    Raises:
        ValueError: as `learning_rate_range`, and for data that `fit` does not take.
        TypeError: an optimizer that has its rate already; data that are not in memory.

    Reference: Smith 2015, arXiv:1506.01186, section 3.3.
    """
    name = "find_learning_rate"
    _check(name, optimizer, lowest, highest, steps, smoothing)
    data = (data.x, data.y) if isinstance(data, Dataset) else data
    x, y = as_pair(name, "data", data)
    if isinstance(x, Images):
        raise TypeError(f"{name}: data must be arrays in memory, got images on disk; np.asarray(data.x[:1000]) is some")
    n = len(jax.tree.leaves(x)[0])
    batch_size = min(32, n) if batch_size is None else batch_size
    check_within(name, "batch_size", batch_size, 1, n)
    apply, params, state = pure(name, model)

    def objective(params: Any, state: Any, batch: Any) -> tuple[Array, Any]:
        outputs, state = apply(params, state, batch[0], train=True)
        return loss(outputs, batch[1]).mean(), state

    plan = _Plan(optimizer, lowest, highest, steps, batch_size, smoothing)
    return _test(plan, objective, jax.random.key(seed), params, state, (x, y))


class _Plan(NamedTuple):
    optimizer: MakeOptimizer
    lowest: float
    highest: float
    steps: int
    batch_size: int
    smoothing: float


def _test(
    plan: _Plan, objective: Callable[..., tuple[Array, Any]], key: Array, params: Any, state: Any, data: Any
) -> LearningRateRange:
    @jax.jit
    def test(key: Array, params: Any, state: Any, data: Any) -> LearningRateRange:
        rates = jnp.geomspace(plan.lowest, plan.highest, plan.steps)
        rows = _rows(key, len(jax.tree.leaves(data)[0]), plan.batch_size, plan.steps)
        losses = _losses(objective, plan.optimizer(lambda step: rates[step]), params, state, data, rows)
        return _summary(rates, losses, plan.smoothing)

    return test(key, *jax.tree.map(jnp.asarray, (params, state, data)))


def _rows(key: Array, n: int, batch_size: int, steps: int) -> Array:
    """The examples of each step, (steps, batch_size): every epoch goes through n in an order of its own."""
    batches = n // batch_size
    orders = jax.vmap(lambda k: jax.random.permutation(k, n))(jax.random.split(key, -(-steps // batches)))
    return orders[:, : batches * batch_size].reshape(-1, batch_size)[:steps]


def _losses(
    objective: Callable[..., tuple[Array, Any]],
    rule: optax.GradientTransformation,
    params: Any,
    state: Any,
    data: Any,
    rows: Array,
) -> Array:
    """The loss of each step's batch, before the step."""

    def step(carry: Any, chosen: Array) -> tuple[Any, Array]:
        params, state, opt_state = carry
        batch = jax.tree.map(lambda a: a[chosen], data)
        (value, state), gradient = jax.value_and_grad(objective, has_aux=True)(params, state, batch)
        updates, opt_state = rule.update(gradient, opt_state, params)
        return (optax.apply_updates(params, updates), state, opt_state), value

    return lax.scan(step, (params, state, rule.init(params)), rows)[1]


def _summary(rates: Array, losses: Array, smoothing: float) -> LearningRateRange:
    steps = len(rates)

    def average(mean: Array, value: Array) -> tuple[Array, Array]:
        mean = smoothing * mean + (1 - smoothing) * value
        return mean, mean

    means = lax.scan(average, jnp.zeros_like(losses[0]), losses)[1]
    smoothed = means / (1 - smoothing ** jnp.arange(1, steps + 1).astype(means.dtype))
    gone = ~jnp.isfinite(smoothed) | (smoothed > lax.cummin(smoothed) + jnp.abs(losses[0]))
    used = jnp.where(gone.any(), gone.argmax(), steps)
    # The rates are even in log eta: the differences of neighbours are the slopes, but for a constant.
    at = jnp.arange(1, steps - 1)
    slopes = jnp.where((at >= steps // 10) & (at + 1 < used), smoothed[2:] - smoothed[:-2], jnp.inf)
    suggestion = jnp.where(slopes.min() < 0, rates[1 + slopes.argmin()], jnp.nan)
    return LearningRateRange(rates, losses, smoothed, used, suggestion)


def _check(
    function: str, optimizer: MakeOptimizer, lowest: float, highest: float, steps: int, smoothing: float
) -> None:
    if hasattr(optimizer, "update") or not callable(optimizer):
        raise TypeError(
            f"{function}: optimizer must be a function of the learning rate, such as optim.adam or "
            f"partial(optim.sgd, momentum=0.9), got {type(optimizer).__name__}"
        )
    check_above(function, "lowest", lowest, 0)
    check_above(function, "highest", highest, lowest)
    check_within(function, "steps", steps, 10)
    if not 0 <= smoothing < 1:
        raise ValueError(f"{function}: smoothing must be at least 0 and below 1, got {smoothing}")


def _check_one(function: str, found: LearningRateRange) -> None:
    if found.losses.ndim != 1:
        raise ValueError(
            f"{function}: losses must have 1 axis (T,), got {found.losses.shape}; of several tests "
            f"jax.tree.map(lambda a: a[0], ranges) is the first"
        )
