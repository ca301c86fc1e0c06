"""Checkpoints of a run: written in the background by Orbax, complete or absent, checked when read."""

import contextlib
import json
import os
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from jaxml.train._digest import digests

FORMAT = 1


class DamagedCheckpointError(RuntimeError):
    """A checkpoint whose files are missing, cut short or changed."""


@dataclass(frozen=True)
class Saved:
    """One checkpoint as it was read: `leaves` in the order asked for, `run` what the loop keeps besides arrays."""

    step: int
    leaves: list[Any]
    run: dict[str, Any]


class Kept:
    """Which checkpoints stay: the last `keep`, and the best epoch's that each of those refers to, so that every one
    that is left can be gone on with. Of equal epochs the first is the best, which Orbax's own rule would delete."""

    def __init__(self, keep: int):
        self.keep = keep
        self.best_of: dict[int, int | None] = {}  # of a checkpoint's step, the step of the best epoch so far

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        del context
        last = sorted(c.step for c in checkpoints)[-self.keep :]
        stay = {*last, *(self.best_of.get(step) for step in last)}
        return [c.step in stay for c in checkpoints]


class Checkpoints(contextlib.AbstractContextManager["Checkpoints"]):
    """The checkpoints in a folder: the last `keep`, and those of the best epochs that they refer to.

    Every one holds all arrays of the run, with a checksum each, and a JSON text with the rest. Orbax writes into a
    folder of another name, in the background, and renames it when all is there.
    """

    def __init__(self, folder: str | os.PathLike[str], *, keep: int = 3):
        import orbax.checkpoint as ocp

        self.folder = Path(folder).absolute()
        check_writable("checkpoint_dir", self.folder)
        self.ocp, self.kept = ocp, Kept(keep)
        # Lightweight: Orbax's own notes on each checkpoint are not read. They are not needed, and damaged ones would
        # keep all of the folder from being opened.
        options = ocp.CheckpointManagerOptions(
            preservation_policy=self.kept, cleanup_tmp_directories=True, lightweight_initialize=True
        )
        self.manager = ocp.CheckpointManager(self.folder, options=options)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """What has begun is written, whatever ended the run; a failure of that hides no error that came before.

        After an error in a run of several processes nothing is waited for: a process that is gone would be.
        """
        if isinstance(error, Exception) and jax.process_count() > 1:
            return
        try:
            self.wait()
        except OSError as failure:
            if error is None:
                raise
            error.add_note(str(failure))
        finally:
            with contextlib.suppress(Exception):  # it has been said
                self.manager.close()

    def steps(self) -> list[int]:
        """The steps there are checkpoints of, the newest first."""
        return sorted(self.manager.all_steps(), reverse=True)

    def save(self, step: int, names: Sequence[str], leaves: Sequence[Any], run: dict[str, Any]) -> None:
        """Begin to write; raises what went wrong with the one before."""
        if step in self.manager.all_steps():
            return
        kinds = [[name, list(leaf.shape), str(leaf.dtype)] for name, leaf in zip(names, leaves, strict=True)]
        text = json.dumps({"format": FORMAT, "leaves": kinds, "digests": digests(leaves), "run": run})
        meta = {"text": text, "crc32": zlib.crc32(text.encode())}
        args = self.ocp.args.Composite(
            arrays=self.ocp.args.StandardSave(_by_key(leaves)),
            meta=self.ocp.args.JsonSave(meta),
        )
        self.kept.best_of[step] = run.get("best_step")
        try:
            self.manager.save(step, args=args)
        except Exception as error:
            raise self._failed(error) from error

    def wait(self) -> None:
        """Until all is on disk."""
        try:
            self.manager.wait_until_finished()
        except Exception as error:
            raise self._failed(error) from error

    def restore(self, names: Sequence[str], like: Sequence[Any]) -> Saved | None:
        """The newest checkpoint that is whole, or None where there is none at all; says which are damaged.

        `like` gives shapes, dtypes and shardings. Errors: `ValueError` where the checkpoint is of other arrays,
        `DamagedCheckpointError` where no checkpoint is whole.
        """
        damaged, steps = [], self.steps()
        for step in steps:
            try:
                saved = self.read(step, names, like)
            except DamagedCheckpointError as error:
                damaged.append(step)
                warnings.warn(f"fit: {error}; the checkpoint before it is used", stacklevel=2)
                continue
            for bad in damaged:  # or the run could not write them anew
                self.manager.delete(bad)
            for older in steps[len(damaged) :]:
                with contextlib.suppress(DamagedCheckpointError, ValueError):
                    self.kept.best_of[older] = self._meta(older)["run"].get("best_step")
            return saved
        if damaged:
            raise DamagedCheckpointError(f"fit: none of the checkpoints in {self.folder} is whole: steps {damaged}")
        return None

    def read(self, step: int, names: Sequence[str], like: Sequence[Any]) -> Saved:
        """The checkpoint of this step; raises where it is damaged, or of another model."""
        meta = self._meta(step)
        want = [[name, list(leaf.shape), str(leaf.dtype)] for name, leaf in zip(names, like, strict=True)]
        if meta["leaves"] != want:
            raise ValueError(_difference(self.folder / str(step), meta["leaves"], want))
        targets = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), _by_key(like))
        try:
            args = self.ocp.args.Composite(arrays=self.ocp.args.StandardRestore(targets))
            arrays = self.manager.restore(step, args=args)["arrays"]
        except Exception as error:
            why = _short(error)
            raise DamagedCheckpointError(f"checkpoint {self.folder / str(step)} is damaged: {why}") from error
        leaves = [arrays.get(_key(i), leaf) for i, leaf in enumerate(like)]
        changed = [n for n, a, b in zip(names, digests(leaves), meta["digests"], strict=True) if a != b]
        if changed:
            listed = ", ".join(changed[:3]) + (" ..." if len(changed) > 3 else "")
            raise DamagedCheckpointError(f"checkpoint {self.folder / str(step)} is damaged: {listed} changed on disk")
        return Saved(step, leaves, meta["run"])

    def _meta(self, step: int) -> dict[str, Any]:
        try:
            meta = self.manager.restore(step, args=self.ocp.args.Composite(meta=self.ocp.args.JsonRestore()))["meta"]
            if zlib.crc32(meta["text"].encode()) != meta["crc32"]:
                raise ValueError("its checksum is another")
            body = json.loads(meta["text"])
        except Exception as error:
            raise DamagedCheckpointError(
                f"checkpoint {self.folder / str(step)} is damaged: its description cannot be read ({_short(error)})"
            ) from error
        if body["format"] != FORMAT:
            raise ValueError(f"fit: checkpoint {self.folder / str(step)} has format {body['format']}, need {FORMAT}")
        return body

    def _failed(self, error: Exception) -> OSError:
        return OSError(f"fit: a checkpoint could not be written to {self.folder} ({_short(error)}); {self.there()}")

    def there(self) -> str:
        """What is left after a failure, for its message."""
        # Asked of the disk: Orbax's list lacks those that it meant to delete had the last one been written.
        steps = sorted(int(path.name) for path in self.folder.glob("*") if path.name.isdigit())
        return f"checkpoints of these steps are there: {', '.join(map(str, steps)) or 'none'}"


def _key(i: int) -> str:
    return f"{i:05d}"


def _by_key(leaves: Sequence[Any]) -> dict[str, Any]:
    """Those that hold anything: Orbax refuses arrays of size zero."""
    return {_key(i): leaf for i, leaf in enumerate(leaves) if leaf.size}


def _short(error: Exception) -> str:
    """The first line of what Orbax says."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:200]


def check_writable(option: str, folder: Path) -> None:
    """Errors: `OSError` for a folder that cannot be made or written to."""
    probe = folder / f".write-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise OSError(f"fit: {option} {folder} cannot be written to: {error}") from error


def _difference(where: Path, got: list[Any], want: list[Any]) -> str:
    """What tells a checkpoint of another model from this one."""
    theirs, ours = ({name: (tuple(shape), dtype) for name, shape, dtype in part} for part in (got, want))
    changed = [f"{n} is {theirs[n]} there and {ours[n]} here" for n in ours if theirs.get(n, ours[n]) != ours[n]]
    more = [f"it has {n} {theirs[n]}" for n in theirs if n not in ours]
    lacks = [f"it lacks {n} {ours[n]}" for n in ours if n not in theirs]
    shown = [*changed[:2], *more[:2], *lacks[:2]] or ["the order of the arrays"]
    hidden = len(changed) + len(more) + len(lacks) - len(shown)
    listed = "; ".join(shown) + (f" and {hidden} more" if hidden > 0 else "")
    return f"fit: checkpoint {where} is of another model or optimizer: {listed}"
