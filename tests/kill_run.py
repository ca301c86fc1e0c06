"""A small run killed with SIGKILL at random moments, resumed until it ends, and compared with one left alone.

    python -m tests.kill_run --kills 50

Also what the tests of resuming train: a plain-function model with random keys and running statistics in its state.
"""

import argparse
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
X = np.random.default_rng(0).normal(size=(22, 3)).astype(np.float32)
Y = (X @ np.array([1.0, -2.0, 0.5], np.float32) > 0).astype(np.int32)


def apply(params, state, x, train):
    """Centred by running means, a hidden layer with dropout, two classes."""
    mean = x.mean(0) if train else state["mean"].astype(x.dtype)
    h = jnp.tanh((x - mean[None]) @ params["w"].astype(x.dtype))
    if not train:
        return h @ params["v"].astype(x.dtype), state
    key, now = jax.random.split(state["key"])
    h = jnp.where(jax.random.bernoulli(now, 0.8, h.shape), h / 0.8, jnp.zeros_like(h))
    return h @ params["v"].astype(x.dtype), {"mean": 0.9 * state["mean"] + 0.1 * mean.astype(jnp.float32), "key": key}


def model():
    rng = np.random.default_rng(1)
    w, v = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((3, 4), (4, 2)))
    return apply, {"w": w, "v": v}, {"mean": jnp.zeros(3), "key": jax.random.key(7, impl="unsafe_rbg")}


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]


def bits(result) -> dict[str, np.ndarray]:
    """All that a run made, by name."""
    best = (result.best.epoch, result.best.value, result.best.params, result.best.state) if result.best else None
    tree = result.params, result.state, result.opt_state, result.history, result.step, best
    found = {}
    for path, leaf in jax.tree.leaves_with_path(tree):
        key = hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        found[jax.tree_util.keystr(path)] = np.asarray(jax.random.key_data(leaf) if key else leaf)
    return found


def differences(got: dict[str, np.ndarray], want: dict[str, np.ndarray]) -> list[str]:
    """The names of what is not the same to the last bit."""
    return [n for n in {**got, **want} if n not in got or n not in want or got[n].tobytes() != want[n].tobytes()]


def train_once(folder: Path, out: Path, epochs: int) -> None:
    """The child: from the newest checkpoint to the end."""
    from jaxml.optim import adam
    from jaxml.train import ReduceOnPlateau, fit

    print("ready", flush=True)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = fit(
            model(), (X, Y), loss=cross_entropy, optimizer=adam(0.05), epochs=epochs, batch_size=8,
            validation=(X, Y), checkpoint_dir=folder, checkpoint_every=1, keep=2, best="val_loss", ema=0.9,
            plateau=ReduceOnPlateau(patience=2, factor=0.5), resume=True, progress=False,
        )  # fmt: skip
    print(json.dumps([str(w.message) for w in said if "damaged" in str(w.message)]), flush=True)
    np.savez(out, **bits(result))


def start(folder: Path, out: Path, epochs: int) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--child", str(folder), str(out), "--epochs", str(epochs)]
    kept = {
        "JAX_COMPILATION_CACHE_DIR": str(out.parent / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    env = {**os.environ, **kept, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    child = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stderr is not None
    if child.stdout.readline() != "ready\n":
        raise RuntimeError(child.stderr.read())
    return child


def steps_in(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.glob("*") if path.name.isdigit())


def await_progress(folder: Path, child: subprocess.Popen[str]) -> None:
    """Until the child has begun to save."""

    def saved():
        return {path.name for path in folder.glob("*") if path.name[0].isdigit()}

    before = saved()
    while child.poll() is None and saved() <= before:
        time.sleep(0.001)


def finish(child: subprocess.Popen[str], out: Path) -> tuple[dict[str, np.ndarray], int]:
    """What the child made, and how many damaged checkpoints it met."""
    said, errors = child.communicate(timeout=300)
    if child.returncode:
        raise RuntimeError(errors)
    return dict(np.load(out)), len(json.loads(said))


def kill_run(
    kills: int, epochs: int, seconds: float, seed: int, work: Path, report=lambda line: None, want=None
) -> Counter[str]:
    """Runs, one after another, until `kills` have been done; counts what happened, "different" runs above all.

    `want` are the bits of the run left alone, which is done first unless they are given.
    """
    draw, counts = random.Random(seed), Counter(kills=0, runs=0, different=0, while_saving=0, damaged=0)
    if want is None:
        want, _ = finish(start(work / "alone", work / "alone.npz", epochs), work / "alone.npz")
    while counts["kills"] < kills:
        folder, out = work / f"run{counts['runs']}", work / f"run{counts['runs']}.npz"
        while True:
            child = start(folder, out, epochs)
            assert child.stdout is not None
            if counts["kills"] < kills:
                if draw.random() < 0.8:  # the others may die while they compile, or read the checkpoint
                    await_progress(folder, child)
                time.sleep(draw.uniform(0, seconds))
                ended = select.select([child.stdout], [], [], 0)[0]
                if not ended:
                    child.send_signal(signal.SIGKILL)
                    child.communicate()
                    counts["kills"] += 1
                    unfinished = [path for path in folder.glob("*") if "tmp" in path.name]
                    counts["while_saving"] += bool(unfinished)
                    report(f"kill {counts['kills']}: steps {steps_in(folder)}, {len(unfinished)} unfinished")
                    continue
            got, damaged = finish(child, out)
            counts["damaged"] += damaged
            break
        wrong = differences(got, want)
        counts["runs"] += 1
        counts["different"] += bool(wrong)
        report(f"run {counts['runs']} ended: {', '.join(wrong) or 'the same bits'}")
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=30, help="of 3 steps, each of them saved")
    parser.add_argument("--seconds", type=float, default=1.0, help="the longest life of a process that saves")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs=2, type=Path, metavar=("FOLDER", "OUT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        train_once(*given.child, given.epochs)
        return 0
    with tempfile.TemporaryDirectory() as work:
        counts = kill_run(given.kills, given.epochs, given.seconds, given.seed, Path(work), print)
    print(", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in counts.items()))
    return int(counts["different"] > 0)


if __name__ == "__main__":
    sys.exit(main())
