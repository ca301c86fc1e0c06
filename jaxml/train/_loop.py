"""The training loop: steps, epochs, validation, checkpoints, and when to stop."""

import itertools
import math
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from jaxml.train._average import average_params
from jaxml.train._batches import Arrays, Stream
from jaxml.train._callbacks import EarlyStopping, ReduceOnPlateau, best_epoch
from jaxml.train._checkpoint import Checkpoints, DamagedCheckpointError
from jaxml.train._flat_step import FlatStep, first_not_finite
from jaxml.train._optimizer import changing_rate, with_factor
from jaxml.train._placement import Placement
from jaxml.train._progress import Advance
from jaxml.train._result import Best, Epoch, Result
from jaxml.train._signals import Stop
from jaxml.train._tally import Tally
from jaxml.train._writers import Writers

AHEAD = 2  # steps started before the figures of the first of them are read: the device never waits for the host
# Of fast steps several are read at once: to wait for each, and to be woken, costs as much as the rest of the loop. No
# more than this time's steps, so that neither the bar lags nor batches pile up on the device.
READ_EVERY, AT_ONCE = 2e-3, 16


@dataclass
class Plan:
    """What was asked for, checked."""

    epochs: int | None
    steps: int | None
    checkpoint_every: int | None
    early_stopping: EarlyStopping | None
    plateau: ReduceOnPlateau | None
    callbacks: Sequence[Callable[[Epoch], bool | None]]
    best: str | None
    ema: bool
    stop_if_not_finite: bool


@dataclass
class Run:
    """A run between two steps. `epoch`, `taken` (batches of the epoch), `done` (steps in all), `tally` and `history`
    are what a checkpoint keeps besides the arrays."""

    plan: Plan
    step: FlatStep
    evaluate: Callable[..., Any]
    source: Arrays | Stream
    validation: Arrays | Stream | None
    placement: Placement
    checkpoints: Checkpoints | None
    writers: Writers | None
    leaves: list[Any]
    epoch: int = 0
    taken: int = 0
    done: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    best: Best | None = None
    best_step: int | None = None
    seconds: list[float] = field(default_factory=list)
    compile_seconds: float = 0.0
    stopped: str | None = None
    saved: int = -1

    # ------------------------------------------------------------------------------------------ the loop

    def train(self, stop: Stop, advance: Advance) -> None:
        """Epochs until the plan is fulfilled, or something says stop."""
        self.stopped = self._reason_to_stop(None) if self.epoch else None
        while self.stopped is None and not self._fulfilled() and stop.signal is None:
            self._train_epoch(stop, advance)
            if self.taken == 0 and self.source.over:
                self.stopped = self._data_ended()
                break
            partial = self._steps_left() == 0 and not self.source.ended(self.taken)
            if partial:
                self.save()  # to be continued where it is, should more steps be asked for
            self.stopped = self._finish_epoch(keep=not partial)

    def _train_epoch(self, stop: Stop, advance: Advance) -> None:
        pending: deque[jax.Array] = deque()
        last = time.perf_counter()

        def read(leave: int) -> None:
            """The figures of all steps but the newest `leave`."""
            nonlocal last
            count = len(pending) - leave
            for _ in range(count):
                self._read(pending.popleft(), len(pending), advance)
            now = time.perf_counter()
            self.seconds += [(now - last) / max(count, 1)] * count
            last = now

        batches = self.source.epoch(self.epoch, self.taken)
        for batch in itertools.islice(batches, self._steps_left()):
            batch = self.placement.batch(batch, self.source.whole)
            if not self.compile_seconds:  # the first call compiles
                start = time.perf_counter()
                self.leaves, packed = self.step(self.leaves, batch, self.done)
                self.compile_seconds = time.perf_counter() - start
                last = time.perf_counter()
            else:
                self.leaves, packed = self.step(self.leaves, batch, self.done)
            self.taken, self.done = self.taken + 1, self.done + 1
            pending.append(packed)
            if len(pending) >= AHEAD + self._at_once():
                read(leave=AHEAD)
            due = self.plan.checkpoint_every is not None and self.done % self.plan.checkpoint_every == 0
            leaving = stop.requested(self.done)
            if due or leaving:
                read(leave=0)
                self.save()
            if leaving:
                if self.checkpoints is not None:
                    self.checkpoints.wait()
                stop.leave(None if self.checkpoints is None else self.checkpoints.folder, self.done)
        read(leave=0)

    def _at_once(self) -> int:
        """How many steps to read together, by the time that the last ones took."""
        return max(1, min(AT_ONCE, int(READ_EVERY / max(self.seconds[-1], 1e-6)))) if self.seconds else 1

    def _read(self, packed: jax.Array, behind: int, advance: Advance) -> None:
        """Wait for a step's figures, and keep them."""
        figures = self.step.figures(packed)
        self.tally.add(figures)
        if not math.isfinite(figures["loss"]) and self.plan.stop_if_not_finite:
            of = f" of {self.source.steps}" if self.source.steps else ""
            where = f"step {self.done - behind} (epoch {self.epoch + 1}, batch {self.taken - behind}{of})"
            raise FloatingPointError(f"fit: loss is {figures['loss']} at {where}; {self.step.culprit(packed)}")
        total = f"/{self.plan.epochs}" if self.plan.epochs else ""
        advance(f"epoch {self.epoch + 1}{total}", figures)

    def _finish_epoch(self, keep: bool) -> str | None:
        """Validation, the history's new row, and what follows from it; returns why to stop, if it is so."""
        params, state, opt_state = self.step.carry(self.leaves)
        figures = self.tally.means()
        if self.validation is not None:
            figures |= self._validate(average_params(opt_state) if self.plan.ema else params, state)
        rate = changing_rate(opt_state)
        figures |= {} if rate is None else {"learning_rate": rate}
        for name in {**self.history, **figures}:  # a resumed run may measure other things than before
            self.history.setdefault(name, [math.nan] * self.epoch).append(figures.get(name, math.nan))
        if self.plan.plateau is not None:
            opt_state = with_factor(opt_state, self.plan.plateau(self.history))
            self.leaves = self.step.leaves((params, state, opt_state))
        if self.plan.best is not None and best_epoch(self.plan.best, self.history) == self.epoch:
            kept = average_params(opt_state) if self.plan.ema else params
            value = self.history[self.plan.best][-1]
            self.best = Best(self.epoch + 1, value, *jax.tree.map(jnp.copy, (kept, state)))
            self.best_step = self.done
        self.epoch, self.taken, self.tally = self.epoch + 1, 0, Tally()
        if self.writers is not None:  # before the checkpoint: killed between them, the row is written twice, not never
            self._write_history(self.writers)
        if keep:
            self.save()
        return self._reason_to_stop(Epoch(self.epoch, self.done, figures, self.history, params, state, opt_state))

    def _write_history(self, writers: Writers) -> None:
        try:
            writers.write(self.history)
        except OSError as error:
            if self.checkpoints is None:
                raise
            self.checkpoints.wait()  # a disk without room for either: that the checkpoint is lost is the graver news
            raise OSError(f"{error}; {self.checkpoints.there()}") from error

    def _validate(self, params: Any, state: Any) -> dict[str, float]:
        assert self.validation is not None
        tally = Tally()
        for batch in self.validation.epoch(0):
            measured = self.evaluate(params, state, self.placement.batch(batch, self.validation.whole))
            tally.add({name: float(value) for name, value in jax.device_get(measured).items()})
        return {f"val_{name}": value for name, value in tally.means().items()}

    def _reason_to_stop(self, epoch: Epoch | None) -> str | None:
        if epoch is not None and any([callback(epoch) for callback in self.plan.callbacks]):
            return "callback"
        if self.plan.early_stopping is not None and self.plan.early_stopping(self.history):
            return "early stopping"
        return None

    # ------------------------------------------------------------------------------------------ how far it is

    def _data_ended(self) -> str:
        asked = f"{self.plan.epochs} epochs" if self.plan.steps is None else f"{self.plan.steps} steps"
        warnings.warn(
            f"fit: data ended after {self.done} steps, in epoch {self.epoch} of the run, before the {asked} asked for: "
            f"an iterator gives its batches once; a list, or what begins anew with iter(), gives them every epoch",
            stacklevel=4,
        )
        return "data ended"

    def _steps_left(self) -> int | None:
        return None if self.plan.steps is None else max(self.plan.steps - self.done, 0)

    def _fulfilled(self) -> bool:
        epochs_done = self.plan.epochs is not None and self.epoch >= self.plan.epochs
        return epochs_done or (self._steps_left() == 0 and self.taken == 0)

    def total(self) -> int | None:
        """Steps in all, where they are known beforehand."""
        if self.plan.steps is not None:
            return self.plan.steps
        return None if self.source.steps is None or self.plan.epochs is None else self.plan.epochs * self.source.steps

    # ------------------------------------------------------------------------------------------ nothing lost

    def save(self) -> None:
        """Begin to write a checkpoint, unless there is one of this step."""
        if self.checkpoints is None or self.saved == self.done:
            return
        bad = first_not_finite(self.step.names, self.leaves)
        if bad is not None and self.plan.stop_if_not_finite:
            raise FloatingPointError(f"fit: {bad} is not finite after step {self.done}; no checkpoint is made of it")
        run = {
            "epoch": self.epoch,
            "taken": self.taken,
            "step": self.done,
            "history": self.history,
            "tally": self.tally.saved(),
            "position": self.source.position(),
            "best": self.plan.best,
            "best_step": self.best_step,
            "config": self.source.config(),
        }
        self.checkpoints.save(self.done, self.step.names, self.leaves, run)
        self.saved = self.done

    def resume(self) -> bool:
        """Go on from the newest whole checkpoint; False where there is none."""
        assert self.checkpoints is not None
        found = self.checkpoints.restore(self.step.names, self.leaves)
        if found is None:
            return False
        run = found.run
        old, new = run["config"], self.source.config()
        changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        if changed:
            had, has = (_listed({k: c[k] for k in changed if k in c}) for c in (old, new))
            raise ValueError(f"fit: the run in {self.checkpoints.folder} had {had}, now it has {has}")
        self.leaves = found.leaves
        self.epoch, self.taken, self.done, self.saved = run["epoch"], run["taken"], run["step"], run["step"]
        self.history, self.tally = run["history"], Tally(run["tally"])
        self.best_step = run["best_step"] if run["best"] == self.plan.best else None
        if run["position"] is not None:
            self.source.seek(run["position"])
        if self.plan.best is not None and self.best_step is not None:
            self._reread_best(self.checkpoints)
        if self.writers is not None:
            self.writers.write(self.history, new=False)
        return True

    def _reread_best(self, checkpoints: Checkpoints) -> None:
        assert self.plan.best is not None and self.best_step is not None
        try:
            found = checkpoints.read(self.best_step, self.step.names, self.leaves)
        except DamagedCheckpointError as error:
            raise DamagedCheckpointError(f"fit: the best epoch's {error}; without best the run goes on") from error
        params, state, opt_state = self.step.carry(found.leaves)
        epoch = best_epoch(self.plan.best, self.history)
        kept = average_params(opt_state) if self.plan.ema else params
        self.best = Best(epoch + 1, self.history[self.plan.best][epoch], kept, state)

    def result(self) -> Result:
        return Result(
            *self.step.carry(self.leaves),
            {name: tuple(values) for name, values in self.history.items()},
            tuple(self.seconds),
            self.compile_seconds,
            self.done,
            self.best,
            self.stopped,
        )


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())
