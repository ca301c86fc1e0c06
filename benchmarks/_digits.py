"""Suite `digits`: the small network and its separable twin trained on real images, scikit-learn's digits."""

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

import jaxml.functional as F
from benchmarks import _why
from benchmarks._measure import Candidate, measure
from benchmarks._random import network
from benchmarks._results import Row, SuiteResult
from benchmarks._settings import Settings
from benchmarks._tables import MISSING, Table, count, milliseconds, percent, times
from benchmarks._training import step_candidate
from benchmarks._types import Suite, Task
from jaxml import flops, models, nn, optim
from jaxml.train import fit

MODELS = {"standard": "cnn", "separable": "cnn_separable"}
STEP = "training step"
TEST_SHARE = 0.25


def tasks(settings: Settings) -> list[Task]:
    seeds = range(settings.seed, settings.seed + settings.pick(tiny=1, quick=1, full=5))
    epochs = settings.pick(tiny=1, quick=6, full=30)
    trained = [(f"seed {seed}", partial(_train, seed, epochs)) for seed in seeds]
    return [*trained, (STEP, _time)]


def load(settings: Settings) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images and labels, test images and labels. One fixed split, so that seeds differ in training alone."""
    digits = importlib.import_module("sklearn.datasets").load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    x = (digits.images[order, :, :, None] / 16).astype(jnp.dtype(settings.dtype))
    y = digits.target[order].astype(np.int32)
    held_out = round(TEST_SHARE * len(y))
    return x[held_out:], y[held_out:], x[:held_out], y[:held_out]


def _train(seed: int, epochs: int, settings: Settings) -> Row:
    """Both networks from the same seed, through the same batches in the same order."""
    x, y, x_test, y_test = load(settings)
    size = settings.examples(tiny=64, quick=64, full=64)
    facts: dict[str, Any] = {"seed": seed, "epochs": epochs, "batch": size, "train": len(y), "test": len(y_test)}
    curves: dict[str, list[float]] = {}
    for who, name in MODELS.items():
        result = fit(
            models.create(name, rngs=nnx.Rngs(seed)),
            (x, y),
            loss=F.softmax_cross_entropy_with_integer_labels,
            optimizer=optim.adam(1e-3),
            epochs=epochs,
            validation=(x_test, y_test),
            batch_size=size,
            seed=seed,
            progress=False,
        )
        curves[who] = list(result.history["val_accuracy"])
        facts[f"accuracy_{who}"] = curves[who][-1]
    return Row(f"seed {seed}", facts | {"curves": curves})


def _time(settings: Settings) -> Row:
    x, y, *_ = load(settings)
    size = min(settings.examples(tiny=64, quick=64, full=64), len(y))
    images, labels = jnp.asarray(x[:size]), jnp.asarray(y[:size])
    row = Row(STEP, {"batch": size, **_counts()})

    def build(name: str, implementation: str | None) -> Candidate:
        made = network(lambda: models.create(name, rngs=nnx.Rngs(0), implementation=implementation), settings.seed)
        return step_candidate(*made, optim.adam(1e-3), images, labels)

    candidates: dict[str, Callable[[], Candidate]] = {
        "standard": partial(build, "cnn", None),
        "separable": partial(build, "cnn_separable", None),
        "stock": partial(build, "cnn_separable", "xla"),
    }
    pairs = (("separable", "standard"), ("stock", "standard"), ("separable", "stock"))
    measure(row, "step", candidates, settings, speedups=pairs)
    speedup = row.speedup("step", "separable", "standard")
    if speedup is not None:
        row.facts["step_share"] = speedup / row.facts["saving"]
    return row


def _counts() -> dict[str, Any]:
    """Parameters from the networks themselves; MACs of one image from the closed forms of their blocks."""
    facts: dict[str, Any] = {}
    for who, name in MODELS.items():
        model: Any = models.create(name, rngs=nnx.Rngs(0))
        config = model.config
        size, channels, macs = config.image_size, config.in_channels, 0
        for index, (width, stride) in enumerate(zip(config.widths, config.strides, strict=True)):
            out = -(-size // stride)
            layer = flops.separable if config.separable and index else flops.conv
            macs += layer(1, size, out, channels, width, kernel=3).macs
            size, channels = out, width
        facts[f"macs_{who}"] = macs + flops.linear(1, channels, config.num_classes).macs
        facts[f"params_{who}"] = nn.count_params(nn.functionalize(model)[1])
    return facts | {"saving": facts["macs_standard"] / facts["macs_separable"]}


def _parts(result: SuiteResult) -> tuple[list[Row], Row | None]:
    """The trained rows, and the timed one."""
    trained = [row for row in result.rows if "curves" in row.facts]
    return trained, next((row for row in result.rows if row.times), None)


def tables(result: SuiteResult) -> list[Table]:
    trained, timed = _parts(result)
    drawn = []
    if trained:
        facts = trained[0].facts
        cells = [
            [row.name, percent(row.facts["accuracy_standard"], 1), percent(row.facts["accuracy_separable"], 1)]
            for row in trained
        ]
        if len(trained) > 1:
            means = [np.mean([row.facts[f"accuracy_{who}"] for row in trained]) for who in MODELS]
            cells.append(["mean", *(percent(float(mean), 1) for mean in means)])
        images = f"{facts['train']} training, {facts['test']} test images"
        caption = f"{images}, {facts['epochs']} epochs of Adam, batch {facts['batch']}."
        drawn.append(Table("Test accuracy on digits", ("", "standard", "separable"), cells, caption))
    if timed is not None:
        cells = []
        for who in ("standard", "separable", "stock"):
            form = "separable" if who == "stock" else who
            speedup = timed.speedup("step", who, "standard")
            cells.append(
                [
                    who,
                    count(timed.facts[f"params_{form}"]),
                    count(timed.facts[f"macs_{form}"]),
                    milliseconds(timed.median(f"step.{who}")),
                    times(speedup),
                    MISSING if speedup is None else percent(speedup / timed.facts["saving"]),
                    percent(timed.share(f"step.{who}")),
                ]
            )
        columns = ("network", "params", "MACs", "ms", "vs standard", "share of saving", "of roof")
        caption = "ms: of one step. MACs: of one image. stock: the separable network on XLA's own convolutions."
        drawn.append(Table(f"Training step, batch {timed.facts['batch']}", columns, cells, caption))
        drawn += _why.table([timed], [("step", "")])
    return drawn


def summary(result: SuiteResult) -> list[str]:
    trained, timed = _parts(result)
    if not trained or timed is None or timed.speedup("step", "separable", "standard") is None:
        return []
    standard, separable = (np.mean([row.facts[f"accuracy_{who}"] for row in trained]) for who in MODELS)
    return [
        f"digits: separable network {percent(float(separable), 1)} right, standard {percent(float(standard), 1)}; "
        f"{times(timed.facts['saving'])} fewer MACs, training step "
        f"{times(timed.speedup('step', 'separable', 'standard'))} faster"
    ]


SUITE = Suite("digits", "Real images: both networks trained on scikit-learn's digits", tasks, tables, summary)
