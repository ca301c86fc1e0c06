"""`fit`: a model, data, a loss and an optimizer, and everything else that a training run needs."""

import contextlib
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import DTypeLike

from jaxml.data._dataset import Dataset
from jaxml.functional._checks import check_choice, check_positive
from jaxml.train._batches import Arrays, Stream, is_pair, source
from jaxml.train._callbacks import EarlyStopping, ReduceOnPlateau, check_best, values_of
from jaxml.train._checkpoint import Checkpoints
from jaxml.train._flat_step import Augment, FlatStep
from jaxml.train._loop import Plan, Run
from jaxml.train._optimizer import composed
from jaxml.train._placement import Placement, Rule
from jaxml.train._precision import in_dtype
from jaxml.train._processes import check_alike, joint_run
from jaxml.train._progress import progress_bar
from jaxml.train._result import Epoch, Result
from jaxml.train._signals import graceful
from jaxml.train._step import Apply, Loss, Metrics, is_classes, make_eval_step, make_train_step, pure
from jaxml.train._writers import Writers


def fit(
    model: Any,
    data: Any,
    *,
    loss: Loss,
    optimizer: optax.GradientTransformation,
    epochs: int | None = None,
    steps: int | None = None,
    steps_per_epoch: int | None = None,
    validation: Any = None,
    batch_size: int | None = None,
    metrics: Metrics | None = None,
    augment: Augment | None = None,
    callbacks: Sequence[Callable[[Epoch], bool | None]] = (),
    early_stopping: EarlyStopping | None = None,
    plateau: ReduceOnPlateau | None = None,
    best: str | None = None,
    clip_norm: float | None = None,
    accumulate: int = 1,
    ema: float | None = None,
    compute_dtype: DTypeLike | None = None,
    nonfinite: str = "stop",
    checkpoint_dir: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    keep: int = 3,
    resume: bool = False,
    log_dir: str | os.PathLike[str] | None = None,
    mesh: Mesh | None = None,
    sharding: str | Rule | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Result:
    """Train `model` on `data`; every epoch sees every example once, in a fresh order that `seed` fixes.

    model: an NNX module, or the `(apply, params, state)` that `nn.functionalize` makes of one, or such a triple
        written by hand. It is left as it is: take `params` and `state` from the result
        (`nnx.update(model, result.params, result.state)` writes them back).
    data: arrays `(x, y)`, or trees of arrays, or a `data.Dataset`; or an iterable of batches `(x, y)`, `(x, y, where)`
        or mappings of these names: a list, a PyTorch or Grain loader, which brings its own order and batch size.
        `data.Images` are read from disk batch by batch. An iterator gives its batches once: for more than one epoch it
        needs `steps_per_epoch`, and where it ends early the run does, with a warning.
    loss, metrics: `loss(outputs, y)`, one value per example; `metrics` maps names to such functions.
    augment: `augment(key, x)` changes the inputs of each training step, such as `data.Augment`; the key is made of the
        seed and the step's number.
    epochs, steps: how long, at least one of them. `steps_per_epoch` cuts an endless stream into epochs.
    validation: as data, but no iterator: measured with `train=False` after each epoch.
    batch_size: examples a step, 32 if there are so many. An incomplete last batch is filled up with examples that do
        not count, so that one compiled program serves them all.

    Deciding: `early_stopping` and `plateau` (which multiplies the updates) read the history; `best="val_loss"` keeps
    the best epoch's parameters in `result.best`, and its checkpoint; every callback gets an `Epoch` and stops the run
    by returning True.

    The step: `clip_norm` bounds the gradient's global norm; `accumulate` computes a batch in that many parts;
    `ema=0.999` averages the parameters over steps (validation uses the average, `result.average_params` returns it);
    `compute_dtype="bfloat16"` computes in half precision on float32 parameters, and "float16" scales the loss.
    `nonfinite`: "stop" raises at a loss that is not finite and names the first array that was not; "skip" leaves such
    steps out and counts them; "ignore" goes on.

    Nothing lost: with `checkpoint_dir` all of the run (parameters, state, optimizer, random keys, place in the data,
    history) is saved after each epoch and every `checkpoint_every` steps, in the background; the last `keep` and the
    best stay. `resume=True` goes on from the newest whole one, to the same bits as without interruption. SIGTERM and
    Ctrl-C save first. `log_dir`, by default `checkpoint_dir`, gets metrics.csv and metrics.jsonl, and TensorBoard's
    file where that is installed.

    Many devices: `mesh` with an axis `data`, over which the batch is cut, and if any `model`, over which parameters
    are; `sharding="fsdp"` cuts parameters and optimizer over `data` too, a function `(path, array) -> PartitionSpec`
    does as it says. In a run of several processes all call `fit` alike: with the same arrays, or each with a stream of
    its own part of every batch.

    The history's training figures are means over the epoch, while the parameters were changing; the validation's are
    those of the epoch's end. The figures of a step are read while later ones run, so the device does not wait.

    Errors, before anything is compiled: `ValueError` for x and y of different lengths, no data, values that are not
    finite, a batch larger than the data or that the mesh does not divide, options out of range, and labels that are no
    class of the outputs; `TypeError` for strings; `OSError` for a folder that cannot be written to. Later:
    `FloatingPointError` that names the step whose loss is not finite, `DamagedCheckpointError` where no checkpoint is
    whole.
    """
    data, validation = _pair(data), _pair(validation)
    _check_options(epochs, steps, checkpoint_every, keep, nonfinite)
    if not isinstance(metrics, Mapping | None):
        raise TypeError(f"fit: metrics must map names to functions of (outputs, y), got {type(metrics).__name__}")
    if not all(map(callable, callbacks)):
        raise TypeError(f"fit: callbacks must be functions of an Epoch, got {callbacks}")
    tx = composed(optimizer, clip_norm=clip_norm, plateau=plateau is not None, ema=ema, compute_dtype=compute_dtype)
    check_positive("fit", "accumulate", [accumulate])
    if resume and checkpoint_dir is None:
        raise ValueError("fit: resume needs the checkpoint_dir of the run to go on with")
    if best is not None:
        check_best(best)
    train_data = source("fit", "data", data, batch_size, steps_per_epoch, seed)
    _check_passes(train_data, epochs)
    placement = Placement(mesh, sharding)
    check_data = None if validation is None else _validation(validation, train_data, placement)
    for part in (train_data, check_data):
        if part is not None:
            placement.check_batch(part, accumulate if part is train_data else 1)

    apply, params, state = pure("fit", model)
    if compute_dtype is not None:
        apply = in_dtype(apply, compute_dtype)
    apply, shapes = _noting_outputs(apply)
    check_alike(
        {
            "options": repr((epochs, steps, steps_per_epoch, accumulate, checkpoint_every, train_data.config())),
            "parameters": (params, state),
            "data": train_data.first if train_data.whole else (),
        }
    )
    carry, shardings = placement.put(params, state, tx.init)
    make = make_train_step(
        apply, loss, tx, metrics=metrics, accumulate=accumulate, nonfinite="skip" if nonfinite == "skip" else "keep"
    )
    step = FlatStep(
        make,
        carry,
        placement.batch(train_data.first, train_data.whole),
        shardings=shardings,
        augment=augment,
        seed=seed,
    )
    for name, part in (("data", train_data), ("validation", check_data)):
        _check_labels(name, part, shapes[0])
    _check_monitors(step.metrics, check_data is not None, early_stopping, plateau, best)
    folder = checkpoint_dir if log_dir is None else log_dir
    run = Run(
        Plan(
            epochs,
            steps,
            checkpoint_every,
            early_stopping,
            plateau,
            callbacks,
            best,
            ema is not None,
            nonfinite == "stop",
        ),
        step,
        make_eval_step(apply, loss, metrics=metrics),
        train_data,
        check_data,
        placement,
        None if checkpoint_dir is None else Checkpoints(checkpoint_dir, keep=keep),
        Writers(folder) if folder is not None and jax.process_index() == 0 else None,
        step.leaves(carry),
    )
    with contextlib.ExitStack() as opened:
        opened.enter_context(joint_run(None if run.checkpoints is None else run.checkpoints.folder))
        stop = opened.enter_context(graceful(run.checkpoints is not None))
        if run.checkpoints is not None:
            opened.enter_context(run.checkpoints)
        if run.writers is not None:
            opened.callback(run.writers.close)
        _begin(run, resume)
        with progress_bar(progress and jax.process_index() == 0, run.total(), run.done) as advance:
            run.train(stop, advance)
    if run.checkpoints is not None and stop.signal is not None:  # between two epochs, or after the last
        stop.leave(run.checkpoints.folder, run.saved)
    return run.result()


def _check_options(epochs: int | None, steps: int | None, every: int | None, keep: int, nonfinite: str) -> None:
    if epochs is None and steps is None:
        raise ValueError("fit: epochs or steps must say how long to train")
    for name, value in (("epochs", epochs), ("steps", steps), ("checkpoint_every", every), ("keep", keep)):
        if value is not None:
            check_positive("fit", name, [value])
    check_choice("fit", "nonfinite", nonfinite, ("stop", "skip", "ignore"))


def _check_passes(data: Arrays | Stream, epochs: int | None) -> None:
    """An iterator is gone through once; an epoch is a pass unless `steps_per_epoch` says otherwise."""
    if isinstance(data, Stream) and data.once and data.steps is None and epochs is not None and epochs > 1:
        raise ValueError(
            f"fit: data must begin anew for each of the {epochs} epochs, which a {type(data.data).__name__} cannot: "
            f"give a list, or what begins anew with iter(), or cut its batches into epochs with steps_per_epoch"
        )


def _pair(data: Any) -> Any:
    """A `Dataset`'s inputs and targets; anything else as it is."""
    return (data.x, data.y) if isinstance(data, Dataset) else data


def _validation(data: Any, training: Arrays | Stream, placement: Placement) -> Arrays | Stream:
    if is_pair(data):
        size = training.size if training.whole else training.size // placement.own * placement.data
        return Arrays("fit", "validation", data, size, shuffle=False, multiple=placement.data)
    stream = source("fit", "validation", data, None, None, 0)
    if isinstance(stream, Stream) and stream.once:
        raise ValueError(
            f"fit: validation must begin anew after every epoch, which a {type(data).__name__} cannot: give a list"
        )
    return stream


def _check_monitors(
    measured: Sequence[str],
    validated: bool,
    early_stopping: EarlyStopping | None,
    plateau: ReduceOnPlateau | None,
    best: str | None,
) -> None:
    """What is to be watched will be in the history."""
    names = [name for name in measured if name != "examples"]
    names += [f"val_{name}" for name in names if validated and name != "skipped"]
    history = dict.fromkeys(names, ())
    for who, monitor in (
        ("EarlyStopping", early_stopping and early_stopping.monitor),
        ("ReduceOnPlateau", plateau and plateau.monitor),
        ("fit", best),
    ):
        if monitor is not None:
            values_of(who, monitor, history)


def _begin(run: Run, resume: bool) -> None:
    """From the newest checkpoint, or from nothing; never over another run's."""
    if run.checkpoints is None:
        return
    if resume:
        if not run.resume():
            warnings.warn(f"fit: there is no checkpoint in {run.checkpoints.folder} to resume; beginning", stacklevel=3)
    elif run.checkpoints.steps():
        raise ValueError(
            f"fit: {run.checkpoints.folder} holds checkpoints of an earlier run: "
            f"pass resume=True to go on with it, or take another folder"
        )


def _noting_outputs(apply: Apply) -> tuple[Apply, list[Any]]:
    """`apply`, and a list that gets the shapes of its outputs when it is traced."""
    shapes: list[Any] = []

    def run(params: Any, state: Any, x: Any, *, train: bool) -> tuple[Any, Any]:
        outputs, state = apply(params, state, x, train=train)
        shapes.append(jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), outputs))
        return outputs, state

    return run, shapes


def _check_labels(name: str, data: Arrays | Stream | None, outputs: Any) -> None:
    """Integer classes of arrays in memory are classes of the outputs."""
    if not isinstance(data, Arrays) or not is_classes(outputs, data.y):
        return
    bad = np.flatnonzero((data.y < 0) | (data.y >= outputs.shape[1]))
    if bad.size:
        raise ValueError(
            f"fit: {name}'s labels must be classes of the outputs, from 0 to {outputs.shape[1] - 1}, "
            f"got {data.y[bad[0]]} in example {bad[0]}"
        )
