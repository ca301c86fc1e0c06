"""What one update costs a parameter: each preset in every style, Optax's own optimizer and PyTorch's."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import optax
from flax import nnx

from benchmarks import _torch_optimizers
from benchmarks._measure import Candidate, measure, numpy_leaves, roofline
from benchmarks._memory import require_for
from benchmarks._random import network, normal
from benchmarks._results import Row
from benchmarks._settings import Settings
from benchmarks._types import Task
from jaxml import models, optim, timing

PART = "update"
RATE = 1e-3
STYLES = ("torch", "keras", "optax")
Optimizer = Callable[..., optax.GradientTransformation]
# jaxml's preset, and Optax's optimizer of the same rule.
PRESETS: dict[str, tuple[Optimizer, Optimizer]] = {
    "momentum": (optim.momentum, partial(optax.sgd, momentum=0.9)),
    "adagrad": (optim.adagrad, optax.adagrad),
    "rmsprop": (optim.rmsprop, optax.rmsprop),
    "adam": (optim.adam, optax.adam),
    "adamw": (optim.adamw, optax.adamw),
    "nadam": (optim.nadam, optax.nadam),
}
USUAL = ("momentum", "adagrad", "rmsprop", "adam")
OWN, PEER = "optax", "pytorch"  # names of the candidates that are not jaxml's
# The trees of parameters: a large one, bound by memory, and a small one, where calling costs.
TREES: dict[str, tuple[str, dict[str, Any]]] = {
    "mobilenet_v1": ("mobilenet_v1", {}),
    "mlp": ("mlp", {}),
}


def tasks(settings: Settings) -> list[Task]:
    # MobileNet's program takes seconds to compile: a quick run has the cheapest rule and the dearest.
    large = settings.pick(tiny=(), quick=("momentum", "adam"), full=tuple(PRESETS))
    small = settings.pick(tiny=USUAL, quick=USUAL, full=tuple(PRESETS))
    chosen = [("mobilenet_v1", optimizer) for optimizer in large] + [("mlp", optimizer) for optimizer in small]
    return [(f"update {optimizer}, {tree}", partial(_row, optimizer, tree)) for tree, optimizer in chosen]


def _row(optimizer: str, tree: str, settings: Settings) -> Row:
    params, grads = arrays(*TREES[tree], settings)
    leaves = jax.tree.leaves(params)
    styles = settings.pick(tiny=STYLES, quick=STYLES[:1], full=STYLES)  # they differ by a constant or two
    preset, own = PRESETS[optimizer]
    made = {f"jaxml-{style}": preset(RATE, style=style) for style in styles} | {OWN: own(RATE)}
    state = jax.eval_shape(made["jaxml-torch"].init, params)
    facts = {
        "part": PART,
        "optimizer": optimizer,
        "tree": tree,
        "arrays": len(leaves),
        "params": sum(leaf.size for leaf in leaves),
        "bytes": 2 * _bytes(params) + 2 * _bytes(state) + _bytes(grads),  # parameters and slots are read and written
    }
    row = Row(f"update {optimizer}, {tree}", facts)
    candidates = {name: partial(candidate, tx, params, grads) for name, tx in made.items()}
    if settings.peers:
        floor = partial(roofline, _update(made["jaxml-torch"]), _shapes((params, state, grads)))
        candidates[PEER] = partial(_torch_optimizers.candidate, optimizer, RATE, params, grads, floor)
    speedups = [(f"jaxml-{style}", slow) for style in styles for slow in (OWN, PEER)]
    measure(row, "update", candidates, settings, speedups=speedups)
    return row


def arrays(name: str, options: dict[str, Any], settings: Settings) -> tuple[Any, Any]:
    """Parameters of the network in the dtype of the run, and gradients for them."""
    _, params, _ = network(lambda: models.create(name, rngs=nnx.Rngs(0), **options), settings.seed)
    leaves, tree = jax.tree.flatten(params)
    shapes = [leaf.shape for leaf in leaves]
    grads = normal(settings.seed + 1, shapes, settings.dtype)
    return tree.unflatten([leaf.astype(settings.dtype) for leaf in leaves]), tree.unflatten(grads)


def candidate(tx: optax.GradientTransformation, params: Any, grads: Any) -> Candidate:
    """One update after the other with the same gradients, parameters and state donated; returns the parameters."""
    update = _update(tx)
    carry = (jax.tree.map(lambda p: p.copy(), params), tx.init(params))  # the first call takes them away
    done = timing.compile(update, *carry, grads, donate_argnums=(0, 1))
    require_for(update, *carry, grads, temp_bytes=done.temp_bytes)
    shapes = _shapes((*carry, grads))

    def call() -> Any:
        nonlocal carry
        carry = jax.block_until_ready(done.call(*carry, grads))
        return carry[0]

    seconds = done.trace_seconds + done.compile_seconds
    return Candidate(call, numpy_leaves, seconds, done.temp_bytes, partial(roofline, update, shapes))


def _update(tx: optax.GradientTransformation) -> Callable[..., Any]:
    def update(params: Any, state: Any, grads: Any) -> tuple[Any, Any]:
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return update


def _shapes(tree: Any) -> Any:
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), tree)


def _bytes(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
