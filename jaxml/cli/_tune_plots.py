"""The pictures of a study, Optuna's own, as PNG files."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxml.cli._tune_plan import Plan


def draw(study: Any, plan: Plan, folder: Path) -> list[str]:
    """Draw what the trials so far allow, and return the files' names; none without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return []
    matplotlib.use("agg", force=False)
    from optuna.trial import TrialState
    from optuna.visualization import matplotlib as plots

    name = plan.metric.replace("_", " ")
    complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    pictures: dict[str, Callable[[], Any]] = {}
    if complete:
        pictures["history"] = lambda: plots.plot_optimization_history(study, target_name=name)
        pictures["epochs"] = lambda: _epochs(plots.plot_intermediate_values(study), name)
    if len(complete) > 1:
        pictures["parallel"] = lambda: plots.plot_parallel_coordinate(study, target_name=name)
    if len(complete) > 3 and len(plan.space.searched) > 1:
        pictures["importance"] = lambda: plots.plot_param_importances(study, target_name=name)
    return [_save(make, folder / f"{picture}.png") for picture, make in pictures.items()]


def _epochs(axes: Any, name: str) -> Any:
    """Labelled in our words; a legend of many trials would be longer than the picture."""
    axes.set(title="Every trial's epochs", xlabel="epoch", ylabel=name)
    axes.xaxis.get_major_locator().set_params(integer=True)
    legend = axes.get_legend()
    if legend is not None and len(axes.get_lines()) > 12:
        legend.remove()
    return axes


def _save(make: Callable[[], Any], path: Path) -> str:
    from matplotlib import pyplot

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = make()
        axes.figure.set_size_inches(8, 4.5)
        axes.figure.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close("all")
    return path.name
