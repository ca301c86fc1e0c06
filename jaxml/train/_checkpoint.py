"""Checkpoints of a run: written in the background by Orbax, complete or absent, checked when read."""

import json
import os
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from jaxml.train._callbacks import History, mode_of
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


class Checkpoints:
    """The checkpoints in a folder, the last `keep` and the one with the best value of `best`.

    Every one holds all arrays of the run, with a checksum each, and a JSON text with the rest. Orbax writes into a
    folder of another name, in the background, and renames it when all is there.
    """

    def __init__(self, folder: str | os.PathLike[str], *, keep: int = 3, best: str | None = None):
        import orbax.checkpoint as ocp
        from orbax.checkpoint.checkpoint_managers import preservation_policy as policy

        self.folder = Path(folder).absolute()
        _check_writable(self.folder)
        rules: list[Any] = [policy.LatestN(keep)]
        if best is not None:
            lower = mode_of("fit", best, None) == "min"
            rules.append(policy.BestN(get_metric_fn=lambda m: m["best"], reverse=lower, n=1))
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy.AnyPreservationPolicy(rules), cleanup_tmp_directories=True
        )
        self.ocp, self.best = ocp, best
        self.manager = ocp.CheckpointManager(self.folder, options=options)

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
        history: History = run["history"]
        metrics = {"best": history[self.best][-1]} if self.best in history and not run["taken"] else None
        args = self.ocp.args.Composite(
            arrays=self.ocp.args.StandardSave({_key(i): leaf for i, leaf in enumerate(leaves)}),
            meta=self.ocp.args.JsonSave(meta),
        )
        try:
            self.manager.save(step, args=args, metrics=metrics)
        except Exception as error:
            raise self._failed(error) from error

    def wait(self) -> None:
        """Until all is on disk."""
        try:
            self.manager.wait_until_finished()
        except Exception as error:
            raise self._failed(error) from error

    def close(self) -> None:
        self.wait()
        self.manager.close()

    def restore(self, names: Sequence[str], like: Sequence[Any]) -> Saved | None:
        """The newest checkpoint that is whole, or None where there is none at all; says which are damaged.

        `like` gives shapes, dtypes and shardings. Errors: `ValueError` where the checkpoint is of other arrays,
        `DamagedCheckpointError` where no checkpoint is whole.
        """
        damaged = []
        for step in self.steps():
            try:
                saved = self.read(step, names, like)
            except DamagedCheckpointError as error:
                damaged.append(step)
                warnings.warn(f"fit: {error}; the checkpoint before it is used", stacklevel=2)
                continue
            for bad in damaged:  # or the run could not write them anew
                self.manager.delete(bad)
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
        targets = {
            _key(i): jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding) for i, leaf in enumerate(like)
        }
        try:
            args = self.ocp.args.Composite(arrays=self.ocp.args.StandardRestore(targets))
            arrays = self.manager.restore(step, args=args).arrays
        except Exception as error:
            raise DamagedCheckpointError(f"checkpoint {self.folder / str(step)} cannot be read ({error})") from error
        leaves = [arrays[_key(i)] for i in range(len(names))]
        changed = [n for n, a, b in zip(names, digests(leaves), meta["digests"], strict=True) if a != b]
        if changed:
            listed = ", ".join(changed[:3]) + (" ..." if len(changed) > 3 else "")
            raise DamagedCheckpointError(f"checkpoint {self.folder / str(step)} is damaged: {listed} changed on disk")
        return Saved(step, leaves, meta["run"])

    def _meta(self, step: int) -> dict[str, Any]:
        try:
            meta = self.manager.restore(step, args=self.ocp.args.Composite(meta=self.ocp.args.JsonRestore())).meta
            if zlib.crc32(meta["text"].encode()) != meta["crc32"]:
                raise ValueError("its checksum is another")
            body = json.loads(meta["text"])
        except Exception as error:
            raise DamagedCheckpointError(
                f"checkpoint {self.folder / str(step)} is damaged: its description cannot be read ({error})"
            ) from error
        if body["format"] != FORMAT:
            raise ValueError(f"fit: checkpoint {self.folder / str(step)} has format {body['format']}, need {FORMAT}")
        return body

    def _failed(self, error: Exception) -> OSError:
        kept = ", ".join(map(str, self.steps())) or "none"
        return OSError(
            f"fit: a checkpoint could not be written to {self.folder} ({error}); "
            f"checkpoints of these steps are there: {kept}"
        )


def _key(i: int) -> str:
    return f"{i:05d}"


def _check_writable(folder: Path) -> None:
    probe = folder / f".write-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise OSError(f"fit: checkpoint_dir {folder} cannot be written to: {error}") from error


def _difference(where: Path, got: list[Any], want: list[Any]) -> str:
    """What tells a checkpoint of another model from this one."""
    theirs, ours = ({name: (tuple(shape), dtype) for name, shape, dtype in part} for part in (got, want))
    lines = [f"it has {name} {theirs[name]}" for name in theirs if name not in ours]
    lines += [f"it lacks {name} {ours[name]}" for name in ours if name not in theirs]
    both = [name for name in ours if name in theirs and theirs[name] != ours[name]]
    lines += [f"{name} is {theirs[name]} there and {ours[name]} here" for name in both]
    listed = "; ".join(lines[:4] or ["the order of the arrays"]) + (
        f" and {len(lines) - 4} more" if len(lines) > 4 else ""
    )
    return f"fit: checkpoint {where} is of another model or optimizer: {listed}"
