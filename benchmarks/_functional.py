"""Suite `functional`: no function of the library slower than the form that one writes by hand."""

from benchmarks import (
    _functional_activations,
    _functional_classes,
    _functional_layers,
    _functional_metric,
    _functional_norms,
    _functional_pooling,
    _functional_regression,
    _functional_report,
)
from benchmarks._functional_case import CACHED, LARGE, Case, task, title
from benchmarks._settings import Settings
from benchmarks._types import Suite, Task

CASES: dict[str, Case] = {
    case.name: case
    for module in (
        _functional_activations,
        _functional_regression,
        _functional_classes,
        _functional_metric,
        _functional_pooling,
        _functional_norms,
        _functional_layers,
    )
    for case in module.CASES
}
# A row or two of each kind, for the default run.
SHORT = (
    "gelu, tanh",
    "l1_loss",
    "binary_cross_entropy",
    "softmax_cross_entropy",
    "cosine_similarity",
    "max_pool2d",
    "layer_norm",
    "dropout",
    "dot_product_attention",
    "grid_sample",
)
# Those that a full run times beyond the cache too: memory decides there, and each takes seconds.
BEYOND = (
    "gelu, tanh",
    "softmax",
    "mse_loss",
    "l1_loss",
    "huber_loss",
    "quantile_loss",
    "hinge_loss",
    "binary_cross_entropy",
    "dice_loss",
    "softmax_cross_entropy",
    "cross entropy, integer labels",
    "kl_divergence",
    "linear_cross_entropy",
    "normalize",
    "cosine_similarity",
    "pairwise_distance",
    "triplet_margin_loss",
    "max_pool2d",
    "lp_pool2d",
    "adaptive_max_pool2d, 8",
    "layer_norm",
    "dropout",
    "dot_product_attention",
    "grid_sample",
)


def tasks(settings: Settings) -> list[Task]:
    names = settings.pick(tiny=("l1_loss", "dropout"), quick=SHORT, full=tuple(CASES))
    beyond = settings.pick(tiny=(), quick=(), full=BEYOND)
    chosen = [(CASES[name], size) for name in names for size in (CACHED, LARGE) if size == CACHED or name in beyond]
    return [(title(case, size), task(case, size)) for case, size in chosen]


SUITE = Suite(
    "functional",
    "Functions against the forms written by hand",
    tasks,
    _functional_report.tables,
    _functional_report.summary,
)
