"""Checkpoints that are damaged, disks that are full, folders that cannot be written to."""

import gc
import os
import shutil
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from kill_run import ROOT, bits, differences, steps_in
from test_train_resume import fit

from jaxml.train import DamagedCheckpointError, _digest
from jaxml.train._checkpoint import Checkpoints

# Orbax leaves coroutines behind where it fails to read, which say so when they are collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("settled"),
]
NAMES = ["params['w']", "params['half']", "state['key']", "state['empty']"]


def leaves(step):
    rng = np.random.default_rng(step)
    w = jnp.asarray(rng.normal(size=(40, 30)), jnp.float32)
    return [w, w[0].astype(jnp.bfloat16), jnp.asarray([1, step], jnp.uint32), jnp.zeros((0, 3))]


@pytest.fixture(autouse=True)
def collected():
    """Here, and not in the middle of another test."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with checkpoints of steps 3, 6 and 9."""
    folder = tmp_path_factory.mktemp("whole")
    with Checkpoints(folder) as checkpoints:
        for step in (3, 6, 9):
            checkpoints.save(step, NAMES, leaves(step), {"said": step})
    return folder


def restored(folder):
    """The step that is read, once it is known to be what was written, and what `fit` said.

    Orbax's tasks, collected here by chance, warn of their own that nobody awaited them.
    """
    with warnings.catch_warnings(record=True) as said, Checkpoints(folder) as checkpoints:
        warnings.simplefilter("always")
        saved = checkpoints.restore(NAMES, leaves(0))
    assert saved.run == {"said": saved.step}
    for got, want in zip(saved.leaves, leaves(saved.step), strict=True):
        assert got.dtype == want.dtype
        assert np.asarray(got).tobytes() == np.asarray(want).tobytes()
    return saved.step, [str(w.message) for w in said if str(w.message).startswith("fit: ")]


def damaged(content, how, rng):
    if how == "cut short":
        return content[: len(content) // 2]
    changed = bytearray(content)
    for at in rng.integers(len(content), size=3 if how == "bits" else 1):
        changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed)


# What a checkpoint consists of. The files of the second line are read by nobody: Orbax's own notes, and what it merged
# into the others; damage there does no harm.
NEEDED = ("arrays", "arrays/_METADATA", "arrays/d", "arrays/d/*", "arrays/manifest.ocdbt", "meta", "meta/metadata")
NOTES = ("_CHECKPOINT_METADATA", "arrays/_sharding", "commit_success.txt", "*/commit_success.txt", "arrays/ocdbt.*")
FILES = 15


@pytest.mark.parametrize("how", ["missing", "cut short", "bits", pytest.param("every file", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_damage_is_recognised_or_does_no_harm(how, whole, tmp_path, rng):
    """Of every file of the newest checkpoint, and of every folder: never is anything read that was not written."""
    paths = sorted(path.relative_to(whole / "9") for path in (whole / "9").rglob("*"))
    assert sum((whole / "9" / path).is_file() for path in paths) >= FILES - 1
    assert {path for n in (*NEEDED, *NOTES) for path in (whole / "9").glob(n)} <= {whole / "9" / p for p in paths}
    recognised = set()
    for path in paths * (12 if how == "every file" else 1):
        folder = tmp_path / "run"
        shutil.copytree(whole, folder)
        file = folder / "9" / path
        if how == "missing":
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        elif file.is_file():
            file.write_bytes(damaged(file.read_bytes(), "bits" if how == "every file" else how, rng))
        step, said = restored(folder)
        assert (step, len(said)) in ((9, 0), (6, 1)), path
        if step == 6:
            recognised.add(path.as_posix())
            assert said[0].startswith(f"fit: checkpoint {folder / '9'} is damaged: ")
            assert said[0].endswith("; the checkpoint before it is used")
            assert steps_in(folder) == [3, 6], "or the run could not write step 9 anew"
        shutil.rmtree(folder)
    if how == "cut short":
        assert {"meta/metadata", "arrays/manifest.ocdbt", "arrays/_METADATA"} <= recognised
        assert any(path.startswith("arrays/d/") for path in recognised)


def test_notes_that_orbax_would_not_open_the_folder_with(whole, tmp_path):
    """One bit of a key in the notes, and `CheckpointManager` as it comes raises."""
    shutil.copytree(whole, tmp_path / "run")
    notes = tmp_path / "run" / "9" / "_CHECKPOINT_METADATA"
    notes.write_text(notes.read_text().replace('"metrics"', '"metpics"'))
    assert restored(tmp_path / "run") == (9, [])


def test_changed_array_is_named(whole, tmp_path, monkeypatch):
    """Should Orbax read without complaint what was not written, the checksums tell."""
    true = _digest.digests
    monkeypatch.setattr("jaxml.train._checkpoint.digests", lambda a: [*true(a[:1]), true(a[1:2])[0] ^ 1, *true(a[2:])])
    shutil.copytree(whole, tmp_path / "run")
    message = r"run/9 is damaged: params\['half'\] changed on disk"
    with Checkpoints(tmp_path / "run") as checkpoints, pytest.raises(DamagedCheckpointError, match=message):
        checkpoints.read(9, NAMES, leaves(0))


def test_run_goes_on_from_the_one_before(tmp_path):
    options = {"epochs": 3, "checkpoint_dir": tmp_path, "keep": 5}
    alone = fit(**options)
    for step in (6, 9):
        (tmp_path / str(step) / "meta" / "metadata").write_text("{}")
    with pytest.warns(UserWarning, match=r"3/run|is damaged") as said:
        resumed = fit(resume=True, **options)
    assert len([w for w in said if "is damaged: its description cannot be read" in str(w.message)]) == 2
    assert differences(bits(resumed), bits(alone)) == []
    assert steps_in(tmp_path) == [3, 6, 9]

    for step in (3, 6, 9):
        shutil.rmtree(tmp_path / str(step) / "arrays")
    message = rf"fit: none of the checkpoints in {tmp_path} is whole: steps \[9, 6, 3\]"
    with pytest.raises(DamagedCheckpointError, match=message), pytest.warns(UserWarning, match="is damaged"):
        fit(resume=True, **options)
    assert steps_in(tmp_path) == [3, 6, 9], "nothing is deleted where nothing is left"


def test_best_epoch_that_is_damaged(tmp_path):
    options = {"checkpoint_dir": tmp_path, "keep": 1, "metrics": {"error": lambda outputs, y: jnp.ones(len(y))}}
    fit(epochs=2, best="error", **options)
    assert steps_in(tmp_path) == [3, 6]
    (tmp_path / "3" / "meta" / "metadata").unlink()
    with pytest.raises(
        DamagedCheckpointError, match=r"the best epoch's checkpoint .*/3 is damaged.*; without best the "
    ):
        fit(epochs=3, best="error", resume=True, **options)
    assert fit(epochs=3, resume=True, **options).step == 9


def test_checkpoint_of_a_later_format(whole, tmp_path, monkeypatch):
    shutil.copytree(whole, tmp_path / "run")
    monkeypatch.setattr("jaxml.train._checkpoint.FORMAT", 2)
    message = r"fit: checkpoint .*/9 has format 1, need 2"
    with Checkpoints(tmp_path / "run") as checkpoints, pytest.raises(ValueError, match=message):
        checkpoints.restore(NAMES, leaves(0))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "bool", "complex64"])
@pytest.mark.slow
def test_digest_sees_changed_and_moved_words(dtype, rng):
    a = np.asarray(jnp.asarray(rng.integers(0, 2, size=(64, 32)), dtype))
    want = _digest.digests([a])
    for i, j in rng.integers(a.size, size=(20, 2)):
        flat = a.ravel().copy()
        flat[[i, j]] = flat[[j, i]]
        moved = flat.reshape(a.shape)
        assert (_digest.digests([moved]) == want) == (moved.tobytes() == a.tobytes())
        flat = a.ravel().copy()
        flat[i] = np.where(flat[i] == 0, 1, 0).astype(flat.dtype)
        assert _digest.digests([flat.reshape(a.shape)]) != want


# ------------------------------------------------------------------------------------------------------ full disks


def in_a_process(code, *arguments):
    """Of its own, as limits and mounts are the process's."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


RUN_UNTIL_FULL = """
    import contextlib, sys, pathlib
    import jax.numpy as jnp, numpy as np
    from kill_run import X, Y, bits, cross_entropy, differences, steps_in
    from jaxml import optim, train

    folder, log, how = pathlib.Path(sys.argv[1]), sys.argv[2] or None, sys.argv[3]
    w = np.random.default_rng(0).normal(size=(3, 4000))
    model = lambda w, s, x, train: (x @ w[:, :2], s), jnp.asarray(w, jnp.float32), None
    options = dict(loss=cross_entropy, optimizer=optim.adam(0.1), batch_size=22, progress=False, keep=9)

    def fill(epoch):
        if epoch.epoch == 2 and how == "limit":
            import resource
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
        if epoch.epoch == 2 and how == "log":
            with open(pathlib.Path(log) / "full", "wb", buffering=0) as file:
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(4096))

    try:
        train.fit(model, (X, Y), epochs=40, checkpoint_dir=folder, log_dir=log, callbacks=[fill], **options)
    except OSError as error:
        print(type(error).__name__, error)
    if how == "limit":
        resource = __import__("resource")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        alone = train.fit(model, (X, Y), epochs=4, **options)
        resumed = train.fit(model, (X, Y), epochs=4, checkpoint_dir=folder, resume=True, **options)
        print(differences(bits(resumed), bits(alone)))
    else:
        kept = steps_in(folder)
        resumed = train.fit(model, (X, Y), epochs=kept[-1], checkpoint_dir=folder, resume=True, **options)
        print(resumed.step == kept[-1] > 0, len(resumed.step_seconds))
"""


def test_file_that_may_not_grow(tmp_path):
    error, resumed = in_a_process(RUN_UNTIL_FULL, tmp_path / "run", "", "limit").splitlines()
    assert error.startswith(f"OSError fit: a checkpoint could not be written to {tmp_path / 'run'} (")
    assert error.endswith(("checkpoints of these steps are there: 1, 2", "checkpoints of these steps are there: 1"))
    assert resumed == "[]", "with room again the run goes on to the same bits"


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk], capture_output=True)
    if made.returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.slow  # the same as above but for the reason
@pytest.mark.parametrize("log", ["beside", "elsewhere"])
def test_disk_that_is_full(log, small_disk, tmp_path):
    folder, log_dir = small_disk / "run", "" if log == "beside" else tmp_path / "log"
    error, resumed = in_a_process(RUN_UNTIL_FULL, folder, log_dir, "disk").splitlines()
    # A history on the same disk may be what meets the end of it, before or while the last checkpoint is written.
    what = "a checkpoint" if log == "elsewhere" or "a checkpoint" in error else "the history"
    assert error.startswith(f"OSError fit: {what} could not be written to {folder}")
    assert "checkpoints of these steps are there: 1" in error
    assert resumed == "True 0"
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(OSError, match=r"fit: checkpoint_dir .*/disk/new cannot be written to: .*Read-only file"):
        fit(epochs=1, checkpoint_dir=small_disk / "new")


@pytest.mark.slow
def test_history_on_a_disk_that_is_full(small_disk, tmp_path):
    """The run ends, and its error says what there is to go on from."""
    error, resumed = in_a_process(RUN_UNTIL_FULL, tmp_path / "run", small_disk, "log").splitlines()
    assert error.startswith(f"OSError fit: the history could not be written to {small_disk}: [Errno 28]")
    assert error.endswith("; checkpoints of these steps are there: 1, 2")
    assert resumed == "True 0"


@pytest.mark.parametrize("option", ["checkpoint_dir", "log_dir"])
def test_file_in_the_place_of_the_folder(option, tmp_path):
    (tmp_path / "taken").write_text("")
    for folder in ("taken", "taken/below"):
        with pytest.raises(OSError, match=rf"fit: {option} {tmp_path}/{folder} cannot be written to"):
            fit(epochs=1, **{option: tmp_path / folder})


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_folder_without_permission(tmp_path):
    Path(tmp_path).chmod(0o500)
    with pytest.raises(OSError, match=r"fit: checkpoint_dir .* cannot be written to: .*Permission denied"):
        fit(epochs=1, checkpoint_dir=tmp_path / "new")


def test_error_in_a_run_leaves_its_checkpoints_whole(tmp_path):
    """What is being written when a callback fails is written to the end."""

    def fails(epoch):
        if epoch.epoch == 2:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fit(epochs=3, checkpoint_dir=tmp_path, callbacks=[fails])
    assert steps_in(tmp_path) == [3, 6]
    assert differences(bits(fit(epochs=3, checkpoint_dir=tmp_path, resume=True)), bits(fit(epochs=3))) == []
