"""Small files of weights in every format, written by hand: also those that no honest program writes."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
PROTOCOL = b"\x80\x02M\xe9\x03."
SYSTEM = b"\x80\x02}(X\x0d\x00\x00\x00little_endian\x88u."


# Torch: the opcodes of a pickle.
def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def numbers(values) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def name(module: str, what: str) -> bytes:
    return f"c{module}\n{what}\n".encode()


def tensor(key: str, shape, *, strides=None, offset=0, count=None, storage="FloatStorage") -> bytes:
    """A `_rebuild_tensor_v2` of a storage that is elsewhere in the file."""
    count = int(np.prod(shape)) if count is None else count
    strides = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))] if strides is None else strides
    where = b"(" + text("storage") + name("torch", storage) + text(key) + text("cpu") + number(count) + b"tQ"
    hooks = name("collections", "OrderedDict") + b")R"
    rest = number(offset) + numbers(shape) + numbers(strides) + b"\x89" + hooks
    return name("torch._utils", "_rebuild_tensor_v2") + b"(" + where + rest + b"tR"


def state_dict(entries: dict[str, bytes]) -> bytes:
    """A pickle of an OrderedDict, with the attribute that torch sets on it."""
    items = b"".join(text(key) + value for key, value in entries.items())
    metadata = b"}" + text("_metadata") + b"}s"
    return b"\x80\x02" + name("collections", "OrderedDict") + b")R(" + items + b"u" + metadata + b"b."


def torch_zip(path: Path, pickled: bytes, storages: dict[str, bytes], compression=zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        for key, raw in storages.items():
            archive.writestr(f"archive/data/{key}", raw)
    return path


def torch_legacy(path: Path, pickled: bytes, storages: dict[str, np.ndarray]) -> Path:
    keys = b"\x80\x02](" + b"".join(map(text, storages)) + b"e."
    raw = b"".join(struct.pack("<q", a.size) + a.tobytes() for a in storages.values())
    path.write_bytes(MAGIC + PROTOCOL + SYSTEM + pickled + keys + raw)
    return path


def as_torch(path: Path, arrays: dict[str, np.ndarray], *, legacy: bool = False) -> Path:
    """float32 arrays as torch.save would write them."""
    keys = {entry: str(n) for n, entry in enumerate(arrays)}
    pickled = state_dict({entry: tensor(keys[entry], a.shape) for entry, a in arrays.items()})
    if legacy:
        return torch_legacy(path, pickled, {keys[entry]: np.ascontiguousarray(a) for entry, a in arrays.items()})
    return torch_zip(path, pickled, {keys[entry]: a.tobytes() for entry, a in arrays.items()})


# Protocol buffers.
def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def constant(node: str, array: np.ndarray, *, as_list: bool = False) -> bytes:
    """A Const node of a GraphDef."""
    shape = message(2, b"".join(message(2, varint(1 << 3) + varint(size)) for size in array.shape))
    raw = array.tobytes()
    kind = {"float32": 1, "float16": 19, "int32": 3}[array.dtype.name]
    value = varint(1 << 3) + varint(kind) + shape + message(5 if as_list else 4, raw)
    attribute = message(5, message(1, b"value") + message(2, message(8, value)))
    return message(1, message(1, node.encode()) + message(2, b"Const") + attribute)


def placeholder(node: str) -> bytes:
    return message(1, message(1, node.encode()) + message(2, b"Placeholder"))


def as_graphdef(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    path.write_bytes(placeholder("input") + b"".join(constant(entry, a) for entry, a in arrays.items()))
    return path


# TensorFlow.js.
def as_tfjs(folder: Path, arrays: dict[str, np.ndarray], *, shards: int = 2) -> Path:
    folder.mkdir(exist_ok=True)
    raw = b"".join(a.astype("<f4").tobytes() for a in arrays.values())
    cuts = np.linspace(0, len(raw), shards + 1).astype(int)
    paths = [f"group1-shard{n + 1}of{shards}.bin" for n in range(shards)]
    for n, shard in enumerate(paths):
        (folder / shard).write_bytes(raw[cuts[n] : cuts[n + 1]])
    weights = [{"name": k, "shape": list(a.shape), "dtype": "float32"} for k, a in arrays.items()]
    manifest = [{"paths": paths, "weights": weights}]
    (folder / "model.json").write_text(json.dumps({"format": "layers-model", "weightsManifest": manifest}))
    return folder


# Keras.
def as_keras_legacy(path: Path, arrays: dict[str, np.ndarray], *, whole_model: bool = False) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        top = file.create_group("model_weights") if whole_model else file
        layers: dict[str, list[str]] = {}
        for entry in arrays:
            layers.setdefault(entry.rpartition("/")[0], []).append(entry)
        top.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer, names in layers.items():
            group = top.create_group(layer)
            group.attrs["weight_names"] = [f"{n}:0".encode() for n in names]
            for n in names:
                group.create_dataset(f"{n}:0", data=arrays[n])
    return path


_CLASSES = {"kernel": "conv2d", "depthwise_kernel": "depthwise_conv2d", "gamma": "batch_normalization"}


def as_keras(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """Version 3's: groups by class and count, the layer's name as an attribute; zipped for `.keras`."""
    import h5py

    layers: dict[str, list[np.ndarray]] = {}
    for entry, array in arrays.items():
        layers.setdefault(entry.rpartition("/")[0], []).append(array)
    kinds = {entry.rpartition("/")[0]: entry.rpartition("/")[2] for entry in reversed(arrays)}
    counts: dict[str, int] = {}
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for layer, variables in layers.items():
            kind = _CLASSES.get(kinds[layer], "dense")
            n = counts[kind] = counts.get(kind, -1) + 1
            group = file.create_group(f"layers/{kind}{f'_{n}' if n else ''}/vars")
            group.attrs["name"] = layer
            for index, array in enumerate(variables):
                group.create_dataset(str(index), data=array)
        file.create_group("optimizer/vars").create_dataset("0", data=np.zeros(1))
    if path.suffix != ".keras":
        path.write_bytes(buffer.getvalue())
        return path
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", buffer.getvalue())
    return path


def as_safetensors(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> Path:
    from safetensors.numpy import save_file

    save_file({k: np.ascontiguousarray(a) for k, a in arrays.items()}, path, metadata)
    return path


def as_pickle(path: Path, arrays: dict[str, np.ndarray], *, protocol: int = 3) -> Path:
    path.write_bytes(pickle.dumps(arrays, protocol))
    return path


def as_npz(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(path, **arrays)
    return path
