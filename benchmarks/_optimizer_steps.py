"""How many steps an optimizer takes to a target: all seeds and learning rates in one compiled call."""

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from benchmarks._optimizer_problems import PROBLEMS, Data, Problem, batches, initial, load
from benchmarks._results import Row
from benchmarks._settings import Settings
from benchmarks._types import Task
from jaxml import optim, timing
from jaxml.train import make_eval_step, make_train_step

PART = "steps"
# The same for every optimizer: two to a decade, from 1e-4 to 10, so that how many of them work can be compared.
RATES = [float(f"{10 ** (k / 2):.3g}") for k in range(-8, 3)]
OPTIMIZERS: dict[str, Callable[[Any], optax.GradientTransformation]] = {
    "descent": partial(optim.momentum, momentum=0.0),
    "momentum": optim.momentum,
    "adagrad": optim.adagrad,
    "rmsprop": optim.rmsprop,
    "adam": optim.adam,
}
QUICK = ("breast cancer, logistic", "diabetes, linear", "digits, MLP")


def tasks(settings: Settings) -> list[Task]:
    problems = settings.pick(tiny=QUICK[1:2], quick=QUICK, full=tuple(PROBLEMS))
    return [(f"{name}: {optimizer}", partial(_row, name, optimizer)) for name in problems for optimizer in OPTIMIZERS]


def _row(name: str, optimizer: str, settings: Settings) -> Row:
    problem = PROBLEMS[name]
    seeds = range(settings.seed, settings.seed + settings.pick(tiny=2, quick=3, full=problem.seeds))
    steps = settings.pick(tiny=20, quick=problem.steps, full=problem.steps)
    grid = settings.pick(tiny=RATES[2::4], quick=RATES, full=RATES)
    apply, *start_from = _prepare(name, seeds, steps, settings.dtype)
    program = _program(problem, apply, OPTIMIZERS[optimizer])
    args = (*start_from, jnp.asarray(grid, jnp.float32))
    done = timing.compile(program, *args)
    start = time.perf_counter()
    losses = np.asarray(jax.block_until_ready(done.call(*args)))
    finite = losses[np.isfinite(losses)]
    facts = {
        "part": PART,
        "problem": name,
        "optimizer": optimizer,
        "target": problem.target,
        "budget": steps,
        "batch": problem.batch,
        "every": problem.every,
        "seeds": list(seeds),
        "rates": grid,
        "steps": first_below(losses, problem.target, problem.every),
        "lowest_loss": float(finite.min()) if finite.size else None,
        "seconds": time.perf_counter() - start,
        "compile_seconds": done.trace_seconds + done.compile_seconds,
    }
    return Row(f"{name}: {optimizer}", facts)


@lru_cache(maxsize=1)  # the optimizers of one problem come one after the other
def _prepare(name: str, seeds: range, steps: int, dtype: str) -> tuple[Callable[..., Any], Data, Any, Any, Array]:
    """The pure model, the examples, and for every seed its weights, state and batches."""
    problem = PROBLEMS[name]
    data = load(problem, dtype)
    orders = [batches(problem, len(data.x), steps // problem.every, problem.every, seed) for seed in seeds]
    apply, params, state = initial(problem, seeds)
    return apply, data, params, state, jnp.asarray(np.stack(orders))


def _program(problem: Problem, apply: Callable[..., Any], optimizer: Callable[[Any], Any]) -> Callable[..., Array]:
    """Validation losses (rates, seeds, looks) of every run."""
    evaluate = make_eval_step(apply, problem.loss)

    def run(data: Data, params: Any, state: Any, order: Array, rate: Array) -> Array:
        tx = optimizer(rate)
        step = make_train_step(apply, problem.loss, tx)

        def learn(carry: Any, batch: Array) -> tuple[Any, None]:
            *carry, _ = step(*carry, (data.x[batch], data.y[batch]))
            return tuple(carry), None

        def look(carry: Any, block: Array) -> tuple[Any, Array]:
            carry, _ = lax.scan(learn, carry, block)
            return carry, evaluate(*carry[:2], (data.x_held_out, data.y_held_out))["loss"]

        return lax.scan(look, (params, state, tx.init(params)), order)[1]

    of_seeds = jax.vmap(run, (None, 0, 0, 0, None))
    return jax.vmap(of_seeds, (None, None, None, None, 0))


def first_below(losses: np.ndarray, target: float, every: int) -> list[list[int | None]]:
    """Steps until the loss was first at `target` or below, for each rate and seed; None for never, as for NaN."""
    reached = losses <= target
    first = np.where(reached.any(-1), (reached.argmax(-1) + 1) * every, 0)
    return [[int(n) or None for n in seeds] for seeds in first]
