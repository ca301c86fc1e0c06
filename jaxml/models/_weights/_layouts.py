"""What PyTorch, Keras and TF-slim call the arrays of a layer, and how they lay them out: once, for every model.

Here a kernel is `(kh, kw, C_in / groups, C_out)`, a depthwise one `(kh, kw, 1, C * multiplier)`, a linear map
`(C_in, C_out)`, and so is either matrix of a recurrent layer.
"""

from collections.abc import Callable

import numpy as np

# PyTorch's names of recurrent layers on top of one another; more than so many are not known by them.
_DEPTH = 8


def _torch_recurrent() -> dict[tuple[str, str], str]:
    names: dict[tuple[str, str], str] = {}
    for name, theirs in {"w_ih": "weight_ih", "w_hh": "weight_hh", "b_ih": "bias_ih", "b_hh": "bias_hh"}.items():
        names["recurrent", name] = f".{theirs}_l0"
        for n in range(_DEPTH):
            names["recurrent", f"{name}.{n}"] = f".{theirs}_l{n}"
            names["bidirectional", f"{name}.{2 * n}"] = f".{theirs}_l{n}"
            names["bidirectional", f"{name}.{2 * n + 1}"] = f".{theirs}_l{n}_reverse"
    return names


# What stands after a layer's name, by kind of layer and our own name of the array.
SUFFIXES: dict[str, dict[tuple[str, str], str]] = {
    "torchvision": {
        **{(kind, "w"): ".weight" for kind in ("conv", "depthwise", "dense")},
        **{(kind, "b"): ".bias" for kind in ("conv", "depthwise", "dense")},
        ("norm", "scale"): ".weight",
        ("norm", "bias"): ".bias",
        ("norm", "mean"): ".running_mean",
        ("norm", "var"): ".running_var",
        ("embedding", "w"): ".weight",
        **_torch_recurrent(),
    },
    "g2p_en": {
        **{("recurrent", name): f"_{name}" for name in ("w_ih", "w_hh", "b_ih", "b_hh")},
        ("embedding", "w"): "",
        ("dense", "w"): "_w",
        ("dense", "b"): "_b",
    },
    "keras": {
        ("conv", "w"): "/kernel",
        ("depthwise", "w"): "/depthwise_kernel",
        ("dense", "w"): "/kernel",
        **{(kind, "b"): "/bias" for kind in ("conv", "depthwise", "dense")},
        ("norm", "scale"): "/gamma",
        ("norm", "bias"): "/beta",
        ("norm", "mean"): "/moving_mean",
        ("norm", "var"): "/moving_variance",
    },
    "slim": {
        ("conv", "w"): "/weights",
        ("depthwise", "w"): "/depthwise_weights",
        ("dense", "w"): "/weights",
        **{(kind, "b"): "/biases" for kind in ("conv", "depthwise", "dense")},
        ("norm", "scale"): "/BatchNorm/gamma",
        ("norm", "bias"): "/BatchNorm/beta",
        ("norm", "mean"): "/BatchNorm/moving_mean",
        ("norm", "var"): "/BatchNorm/moving_variance",
    },
}

# Keras 3 calls a depthwise kernel so in HDF5 files of the older form.
ALSO = {"/depthwise_kernel": "/kernel"}

_MATRICES = ("dense", "recurrent", "bidirectional")  # turned round by PyTorch; an embedding's table is not


def _same(array: np.ndarray, kind: str) -> np.ndarray:
    return array


def _from_torch(array: np.ndarray, kind: str) -> np.ndarray:
    if kind in ("conv", "depthwise") and array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if kind == "dense" and array.ndim == 4 and array.shape[2:] == (1, 1):  # a 1x1 convolution behind a global pool
        return array[:, :, 0, 0].T
    return array.T if kind in _MATRICES and array.ndim == 2 else array


def _from_keras(array: np.ndarray, kind: str) -> np.ndarray:
    if kind == "depthwise" and array.ndim == 4:  # (kh, kw, C, multiplier)
        return array.reshape(*array.shape[:2], 1, -1)
    if kind == "dense" and array.ndim == 4 and array.shape[:2] == (1, 1):
        return array[0, 0]
    return array


def _from_slim(array: np.ndarray, kind: str) -> np.ndarray:
    # Its ImageNet has a class 0 for "background", which no other has.
    array = _from_keras(array, kind)
    return array[..., 1:] if kind == "dense" and array.shape[-1] == 1001 else array


FROM: dict[str, Callable[[np.ndarray, str], np.ndarray]] = {
    "own": _same,
    "torchvision": _from_torch,
    "g2p_en": _from_torch,
    "keras": _from_keras,
    "slim": _from_slim,
}


def to_torch(array: np.ndarray, kind: str) -> np.ndarray:
    """The other way: an array of ours as PyTorch lays it out."""
    if kind in ("conv", "depthwise") and array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    return array.T if kind in _MATRICES and array.ndim == 2 else array
