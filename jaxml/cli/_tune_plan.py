"""What `jaxml tune` is asked for, checked before anything is trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxml.cli._tune_space import KINDS, Space, axis

PRUNERS, SCHEDULES = ("median", "hyperband"), ("cosine", "constant")


@dataclass(frozen=True)
class Plan:
    """What all trials of a study have in common.

    asked: the options of `jaxml train`, of which those of `space` come from each trial. metric: the figure of the
    history that decides, and `maximize` whether more of it is better.
    """

    source: str
    data: str
    asked: Mapping[str, Any]
    space: Space
    metric: str
    maximize: bool

    def described(self) -> dict[str, Any]:
        """What may not change while a study goes on."""
        return {"data": self.source, **self.asked, **{name: one.text for name, one in self.space.axes.items()}}


def plan_for(source: str, given: Mapping[str, Any]) -> Plan:
    """The plan of these options of `jaxml tune`.

    Errors: `ValueError` for options that do not fit the data or each other, and for a space without a choice.
    """
    from jaxml.cli._recipes import recipe_for
    from jaxml.cli._train_job import OF_OTHERS, OF_TRANSLATE, job_for
    from jaxml.cli._train_recipe import RecipeError, optimizer_for
    from jaxml.functional._checks import check_choice

    check_choice("tune", "--pruner", given["pruner"], PRUNERS)
    if not 0 < given["validation"] < 1:
        raise RecipeError(f"--validation must lie strictly between 0 and 1, got {given['validation']}")
    recipe = recipe_for(source)
    texts = {name: given[name] for name in KINDS}
    texts["batch_size"] = texts["batch_size"] or str(recipe.batch_size)
    texts["model"] = texts["model"] or recipe.model
    axes = {name: axis(name, text) for name, text in texts.items() if text is not None}
    for name in axes["schedule"].values:
        check_choice("tune", "--schedule", name, SCHEDULES)
    for rule in axes["optimizer"].values:
        optimizer_for(rule, max(axes["learning_rate"].values), max(axes["weight_decay"].values), "constant", 1)
    asked = {
        **OF_TRANSLATE,
        **{name: given[name] for name in (*OF_OTHERS, "validation", "size", "compute_dtype", "seed")},
        "epochs": given["epochs"] or recipe.epochs,
    }
    largest = max(axes["batch_size"].values)
    models = axes["model"].values if "model" in axes else (None,)
    jobs = [job_for(source, {**asked, "model": name, "batch_size": largest}, recipe) for name in models]
    if largest > jobs[0].examples[0]:
        raise RecipeError(f"--batch-size: there are {jobs[0].examples[0]} examples to learn from, got {largest}")
    space = Space({"model": axis("model", jobs[0].model), **axes})
    _ = space.searched
    accuracy = jobs[0].task == "classification"
    return Plan(source, jobs[0].data, asked, space, "val_accuracy" if accuracy else "val_loss", accuracy)
