"""One trial of `jaxml tune`: a training as `jaxml train` does it, which reports every epoch and may be pruned."""

import math
from collections.abc import Callable
from typing import Any

from jaxml.cli._tune_plan import Plan
from jaxml.cli._tune_study import EPOCHS, REASON


def sampler_for(seed: int, ticket: int) -> Any:
    """Optuna's, with a seed of its own for each trial: a study that goes on does not draw its first settings again, and
    no two workers draw the same."""
    import numpy as np
    import optuna

    state = int(np.random.SeedSequence([seed, ticket]).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=state, constant_liar=True)


def run_trial(study: Any, plan: Plan, ticket: int, began: Callable[[int], None] = lambda number: None) -> Any:
    """One more trial of the study; returns it as it ended. `ticket` is the number of trials before it; `began(number)`
    is called once it is in the storage."""
    study.sampler = sampler_for(plan.asked["seed"], ticket)
    ended: list[Any] = []

    def objective(trial: Any) -> float:
        began(trial.number)
        return value_of(trial, plan)

    study.optimize(objective, n_trials=1, catch=(RuntimeError, MemoryError), callbacks=[lambda s, t: ended.append(t)])
    return ended[0]


def value_of(trial: Any, plan: Plan) -> float:
    """Train with the trial's values; the metric after the last epoch.

    Errors: Optuna's `TrialPruned`, for a trial that is worse than others so far, and for one whose loss is not finite:
    it is told from the others by the attribute that says why.
    """
    import optuna

    from jaxml.cli._recipes import recipe_for
    from jaxml.cli._train_job import job_for
    from jaxml.cli._train_recipe import optimizer_for

    asked = {**plan.asked, **plan.space.suggest(trial)}
    job = job_for(plan.source, asked, recipe_for(plan.source))
    rule = optimizer_for(
        asked["optimizer"], asked["learning_rate"], asked["weight_decay"], asked["schedule"], job.steps
    )
    pruned = False

    def report(epoch: Any) -> bool:
        nonlocal pruned
        value = epoch.figures[plan.metric]
        if not math.isfinite(value):
            raise FloatingPointError(f"{plan.metric} is {value} after epoch {epoch.epoch}")
        trial.report(value, epoch.epoch)
        trial.set_user_attr(EPOCHS, epoch.epoch)
        pruned = epoch.epoch < asked["epochs"] and bool(trial.should_prune())
        return pruned

    try:
        result = job.fit(asked, rule, callbacks=[report], progress=False)
    except FloatingPointError as error:
        trial.set_user_attr(REASON, str(error))
        raise optuna.TrialPruned(str(error)) from error
    except (RuntimeError, MemoryError) as error:  # such as a device out of memory
        trial.set_user_attr(REASON, str(error).split("\n")[0])
        raise
    if pruned:
        raise optuna.TrialPruned
    return result.history[plan.metric][-1]
