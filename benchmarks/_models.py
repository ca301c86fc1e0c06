"""Suite `models`: whole networks, separable against standard, in inference and in training; their twins in Flax beside
them, and PyTorch's and Keras's on request."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array

from benchmarks import _flax_peers, _keras_peers, _models_report, _torch_peers
from benchmarks._families import CLASSES, FAMILIES, MODES, STOCK
from benchmarks._measure import Candidate, compiled, measure
from benchmarks._random import network, normal
from benchmarks._results import Row
from benchmarks._settings import Settings
from benchmarks._training import step_candidate
from benchmarks._types import Suite, Task
from jaxml import flops, models, nn

SPEEDUPS = (
    ("separable", "standard"),
    ("stock", "standard"),
    ("separable", "stock"),
    ("jaxml", "stock"),
    ("jaxml", "torch"),
    ("separable", "torch-separable"),
    ("torch-standard", "standard"),
    ("torch-separable", "standard"),
    ("separable", "keras-separable"),
    ("keras-separable", "standard"),
)


def tasks(settings: Settings) -> list[Task]:
    families = [name for name, family in FAMILIES.items() if settings.size in family.batch]
    return [(f"{name} {mode}", partial(compare, name, mode)) for name in families for mode in MODES]


def compare(name: str, mode: str, settings: Settings) -> Row:
    """One family in one mode: every network of it in the same rounds."""
    family, training = FAMILIES[name], MODES[mode]
    batch = settings.examples(**family.batch)
    shape = family.shape(settings)
    (x,) = normal(settings.seed, [(batch, *shape)], settings.dtype)
    counts = {who: _counts(*network, (batch, *shape), settings.dtype) for who, network in family.networks.items()}
    labels = jnp.arange(batch) % counts[family.last].pop("classes")
    facts: dict[str, Any] = {"family": name, "mode": mode, "batch": batch, "shape": list(shape)}
    for who, figures in counts.items():
        facts |= {f"{what}_{who}": value for what, value in figures.items() if what != "classes"}
    if len(counts) > 1:
        facts["saving"] = facts["macs_standard"] / facts["macs_separable"]
    row = Row(f"{name} {mode}", facts)
    candidates: dict[str, Callable[[], Candidate]] = {
        who: partial(_candidate, partial(_jaxml, *network), training, x, labels, settings.seed)
        for who, network in family.networks.items()
    }
    candidates[STOCK] = partial(
        _candidate, _flax_peers.twin(*family.networks[family.last], settings.dtype), training, x, labels, settings.seed
    )
    if settings.peers and name == "mobilenet_v1":
        candidates |= _torch_peers.networks(x, labels, CLASSES, training=training)
        candidates |= _keras_peers.mobilenet(x, labels, CLASSES, training=training)
    elif settings.peers and name in _torch_peers.NETWORKS:
        candidates |= _torch_peers.network(name, x, labels, CLASSES, training=training)
    measure(row, "network", candidates, settings, speedups=SPEEDUPS, patience=family.patience)
    if "saving" in facts and (speedup := row.speedup("network", "separable", "standard")) is not None:
        row.facts["network_share"] = speedup / facts["saving"]
    return row


def _jaxml(name: str, options: dict[str, Any]) -> nnx.Module:
    return models.create(name, rngs=nnx.Rngs(0), **options)


def _candidate(build: Callable[[], Any], training: bool, x: Array, labels: Array, seed: int) -> Candidate:
    # Parameters stay float32 whatever x is: jaxml's modules compute in x's dtype, as mixed-precision training does.
    apply, params, state = network(build, seed)
    if training:
        return step_candidate(apply, params, state, optax.sgd(1e-3), x, labels)
    return compiled(lambda params, state, x: apply(params, state, x)[0], params, state, x)


def _counts(name: str, options: dict[str, Any], shape: tuple[int, ...], dtype: str) -> dict[str, Any]:
    """Parameters; MACs and activations of one example; FLOPs a byte of a batch. Nothing is run."""
    apply, params, state = nn.abstract(partial(_jaxml, name, options))
    x = jax.ShapeDtypeStruct(shape, dtype)
    cost = flops.count(lambda params, state, x: apply(params, state, x)[0], params, state, x)
    logits = jax.eval_shape(lambda params, state, x: apply(params, state, x)[0], params, state, x)
    return {
        "params": nn.count_params(params),
        "macs": cost.macs // shape[0],
        "activations": cost.activations // shape[0],
        "classes": logits.shape[-1],
    }


SUITE = Suite("models", "Whole networks", tasks, _models_report.tables, _models_report.summary)
