"""MNIST's format, IDX, and the folders that hold a set in it."""

import math
from pathlib import Path

import numpy as np

from jaxml.data._dataset import Dataset
from jaxml.data._files import read_bytes
from jaxml.data._numbers import host_float

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
FASHION_FOLDERS = ("/usr/share/datasets/fashion-mnist", "/usr/local/share/datasets/fashion-mnist")


def read_idx(path: str | Path) -> np.ndarray:
    """The array in an IDX file, compressed with gzip or not, in the shape and type that the file states.

    Format: two zero bytes, the type, the number of axes, their lengths as big-endian int32, the values; yann.lecun.com,
    "The MNIST database of handwritten digits".

    Errors: ValueError that names the file if it is no IDX file, cut off, or longer than it says.
    """
    raw = read_bytes("read_idx", path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in DTYPES or raw[3] == 0:
        raise ValueError(f"read_idx: {path} must be an IDX file, got the first bytes {raw[:4].hex(' ') or 'of none'}")
    dtype, axes = np.dtype(DTYPES[raw[2]]), raw[3]
    start = 4 + 4 * axes
    if len(raw) < start:
        raise ValueError(f"read_idx: {path} is cut off in its header: {len(raw)} bytes of {start}")
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", axes, 4))
    wanted = start + math.prod(shape) * dtype.itemsize
    if len(raw) != wanted:
        what = "is cut off" if len(raw) < wanted else "is longer than it says"
        raise ValueError(f"read_idx: {path} {what}: {len(raw)} bytes, and {wanted} for an array of shape {shape}")
    return np.frombuffer(raw, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def mnist_folder(
    path: str | Path, *, class_names: tuple[str, ...] | None = None, scale: bool = True
) -> tuple[Dataset, Dataset]:
    """Training and test set from a folder with MNIST's four files, `train-images-idx3-ubyte` and so on, .gz or not.

    x is `(N, H, W, 1)`, from 0 to 1 as floats, or with scale=False as the bytes in the file (a quarter of the memory);
    y `(N,)` int32. Also for EMNIST, KMNIST and Fashion-MNIST under these names (`fashion_mnist` names its classes).

    Errors: FileNotFoundError that says which file is missing; ValueError for images and labels that do not belong
    together, a label without a class name, or a damaged file.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"mnist_folder: {folder} must be a folder")
    first, second = (_pair(folder, part) for part in ("train", "t10k"))
    classes = max(10, int(first[1].max(initial=0)) + 1) if class_names is None else len(class_names)
    names = tuple(map(str, range(classes))) if class_names is None else tuple(class_names)
    for part, (x, y) in (("train", first), ("t10k", second)):
        if x.shape[1:] != first[0].shape[1:]:
            raise ValueError(f"mnist_folder: test images must be of size {first[0].shape[1:]}, got {x.shape[1:]}")
        if y.size and y.max() >= classes:
            raise ValueError(f"mnist_folder: labels of {part} must be below {classes}, got {int(y.max())}")
    return _dataset(*first, names, scale), _dataset(*second, names, scale)


def fashion_mnist(*, path: str | Path | None = None, scale: bool = True) -> tuple[Dataset, Dataset]:
    """Fashion-MNIST, 60000 and 10000 images `(N, 28, 28, 1)` of ten kinds of clothing, as `mnist_folder` gives them.

    path: the folder; without one, where Debian's package `dataset-fashion-mnist` puts it.

    Errors: FileNotFoundError where it is not found, saying how to get it; otherwise as `mnist_folder`.

    Source: H. Xiao, K. Rasul, R. Vollgraf, arXiv 1708.07747.
    """
    if path is None:
        path = next((folder for folder in FASHION_FOLDERS if Path(folder).is_dir()), None)
    if path is None:
        places = " or ".join(FASHION_FOLDERS)
        raise FileNotFoundError(
            f"fashion_mnist: no folder {places}; install Debian's package dataset-fashion-mnist, or give path=, a "
            "folder with the four files"
        )
    return mnist_folder(path, class_names=FASHION, scale=scale)


def _pair(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = read_idx(_file(folder, part, "images", 3)), read_idx(_file(folder, part, "labels", 1))
    if x.ndim != 3 or y.ndim != 1:
        raise ValueError(
            f"mnist_folder: {part} must hold images (N, H, W) and labels (N,), got {x.shape} and {y.shape}"
        )
    if len(x) != len(y):
        raise ValueError(f"mnist_folder: {part} must hold one label for each image, got {len(x)} and {len(y)}")
    return x, y


def _file(folder: Path, part: str, what: str, axes: int) -> Path:
    names = [f"{part}-{what}{dash}idx{axes}-ubyte{end}" for end in ("", ".gz") for dash in "-."]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"mnist_folder: {folder} must hold {names[0]} or {names[2]}")


def _dataset(x: np.ndarray, y: np.ndarray, names: tuple[str, ...], scale: bool) -> Dataset:
    x = x[..., None]
    x = (host_float(x) / 255).astype(host_float(0.0).dtype) if scale else x
    return Dataset(x, y.astype(np.int32), class_names=names, task="classification")
