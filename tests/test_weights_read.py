"""The readers of files of weights: every format, and every lie that a file can tell."""

import json
import os
import struct
import zipfile

import _weight_files as files
import numpy as np
import pytest

from jaxml.models._weights._graphdef import fields
from jaxml.models._weights._read import READERS, format_of, read

ARRAYS = {
    "conv/kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "conv/bias": np.array([0.5, -1.0, 2.0], np.float32),
    "norm/gamma": np.ones(3, np.float32),
    "norm/beta": np.zeros(3, np.float32),
}
WRITERS = {
    "w.pth": ("torch", files.as_torch),
    "old.pth": ("torch", lambda path, arrays: files.as_torch(path, arrays, legacy=True)),
    "w.bin": ("torch", files.as_torch),
    "w.safetensors": ("safetensors", files.as_safetensors),
    "w.h5": ("keras", files.as_keras_legacy),
    "model.h5": ("keras", lambda path, arrays: files.as_keras_legacy(path, arrays, whole_model=True)),
    "w.weights.h5": ("keras", files.as_keras),
    "w.keras": ("keras", files.as_keras),
    "folder": ("tfjs", files.as_tfjs),
    "w.pb": ("graphdef", files.as_graphdef),
    "w.npz": ("npz", files.as_npz),
    "w.pkl": ("pickle", files.as_pickle),
}


@pytest.mark.parametrize("name", WRITERS)
def test_format(name, tmp_path):
    kind, write = WRITERS[name]
    path = write(tmp_path / name, ARRAYS)
    assert format_of(path) == kind
    got = read(path)
    assert list(got) == list(ARRAYS) or set(got) == set(ARRAYS)
    for key, array in ARRAYS.items():
        np.testing.assert_array_equal(got[key], array)
        assert got[key].dtype == np.float32


@pytest.mark.parametrize("name", [n for n in WRITERS if n != "folder"])
def test_the_ending_does_not_matter_where_the_content_tells(name, tmp_path):
    kind, write = WRITERS[name]
    path = write(tmp_path / name, ARRAYS)
    if kind == "graphdef":  # has no signature
        return
    other = path.rename(tmp_path / "weights")
    assert format_of(other) == kind
    assert set(read(other)) == set(ARRAYS)


@pytest.mark.parametrize("name", [n for n in WRITERS if n != "folder"])
def test_cut_off_file(name, tmp_path):
    """Wherever a file ends too early: ValueError by its name, or, where a format cannot tell, fewer whole arrays."""
    path = WRITERS[name][1](tmp_path / name, ARRAYS)
    whole = path.read_bytes()
    for length in sorted({0, 1, 7, 30, len(whole) // 3, len(whole) // 2, len(whole) - 9, len(whole) - 1}):
        path.write_bytes(whole[:length])
        try:
            got = read(path)
        except ValueError as error:
            assert str(error).startswith(str(path))
        else:
            assert set(got) <= set(ARRAYS)
            assert all(np.array_equal(got[k], ARRAYS[k]) for k in got), length


# Not HDF5: its C library can be sent round in circles by a damaged file, which docs/weights.md says.
@pytest.mark.parametrize("name", [n for n, (kind, _) in WRITERS.items() if kind not in ("keras", "tfjs")])
def test_damaged_file(name, tmp_path, rng):
    """Any byte may be wrong: arrays or a ValueError, never another error, and no allocation by a lie."""
    path = WRITERS[name][1](tmp_path / name, ARRAYS)
    whole = bytearray(path.read_bytes())
    for _ in range(60):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            damaged[at] = int(rng.integers(0, 256))
        path.write_bytes(damaged)
        try:
            got = read(path)
        except ValueError:
            continue
        assert sum(a.size for a in got.values()) < 10_000


# Torch.
def test_torch_views_dtypes_and_wrappers(tmp_path):
    base = np.arange(12, dtype=np.float32)
    halves = np.array([1.5, -2.0], np.float16)
    pickled = files.state_dict(
        {
            "transposed": files.tensor("0", (4, 3), strides=(1, 4), count=12),
            "part": files.tensor("0", (2, 2), strides=(4, 1), offset=5, count=12),
            "scalar": files.tensor("0", (), offset=3, count=12),
            "empty": files.tensor("0", (0, 3), count=12),
            "half": files.tensor("1", (2,), storage="HalfStorage"),
        }
    )
    path = files.torch_zip(tmp_path / "w.pth", pickled, {"0": base.tobytes(), "1": halves.tobytes()})
    got = read(path)
    np.testing.assert_array_equal(got["transposed"], base.reshape(3, 4).T)
    np.testing.assert_array_equal(got["part"], [[5, 6], [9, 10]])
    assert (got["scalar"], got["empty"].shape, got["half"].dtype) == (3, (0, 3), np.float16)
    np.testing.assert_array_equal(got["half"], halves)
    checkpoint = (
        b"\x80\x02}(" + files.text("epoch") + files.number(3) + files.text("state_dict") + pickled[2:-1] + b"u."
    )
    path = files.torch_zip(tmp_path / "c.pth", checkpoint, {"0": base.tobytes(), "1": halves.tobytes()})
    assert set(read(path)) == set(got)
    bfloat = files.state_dict({"w": files.tensor("0", (2,), storage="BFloat16Storage")})
    path = files.torch_zip(tmp_path / "b.pth", bfloat, {"0": struct.pack("<HH", 0x3F80, 0xC000)})
    np.testing.assert_array_equal(read(path)["w"].astype(np.float32), [1, -2])


class Boom:
    """A pickle that would leave a trace if it were ever run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("legacy", [False, True])
def test_hostile_pickle_is_refused_by_name(tmp_path, legacy):
    import pickle

    trace = tmp_path / "ran"
    payload = pickle.dumps({"w": Boom(trace)}, 2)
    path = tmp_path / "w.pth"
    if legacy:
        files.torch_legacy(path, payload, {})
    else:
        files.torch_zip(path, payload, {})
    with pytest.raises(ValueError, match=r"the pickle names (posix|nt)\.mkdir, and unpickling it would run that"):
        read(path)
    for protocol in range(6):
        path.write_bytes(pickle.dumps(Boom(trace), protocol))
        with pytest.raises(ValueError, match=r"w\.pth"):
            read(path)
    assert not trace.exists()


F32 = np.zeros(4, np.float32).tobytes()
PICKLES = {
    "a whole module": (
        b"\x80\x02" + files.name("torchvision.models", "ResNet") + b")\x81.", "names torchvision.models",
    ),
    "eval": (b"\x80\x02" + files.name("builtins", "eval") + b"(" + files.text("1") + b"tR.", "names builtins.eval"),
    "eval by stack": (b"\x80\x04" + files.text("builtins") + files.text("eval") + b"\x93.", "names builtins.eval"),
    "an extension": (b"\x80\x02\x82\x01.", "uses EXT1, which no file of weights needs"),
    "a persistent name": (b"\x80\x02Pstorage\n.", "uses PERSID"),
    "a call of no name": (b"\x80\x02" + files.text("f") + b")R.", "calls a str, which is no name"),
    "the state of a name": (b"\x80\x02" + files.name("torch", "Size") + b"}b.", "sets the state of a Name"),
    "items of a tuple": (b"\x80\x02)K\x01K\x02s.", "sets an item of a tuple"),
    "append to a dict": (b"\x80\x02}K\x01a.", "appends to a dict"),
    "a key that is a tuple": (b"\x80\x02})K\x01s.", "has a key that is a tuple"),
    "a storage of objects": (
        b"\x80\x02(" + files.text("module") + files.name("torch", "FloatStorage") + files.text("0") + files.text("cpu")
        + files.number(1) + b"tQ.", "refers to 'module'",
    ),
    "a storage of negative size": (files.state_dict({"w": files.tensor("0", (1,), count=-1)}), "of -1 elements"),
    "a negative stride": (files.state_dict({"w": files.tensor("0", (2,), strides=(-1,))}), "stride or offset is -1"),
    "beyond the storage": (files.state_dict({"w": files.tensor("0", (5,), count=4)}), "reaches beyond its storage"),
    "beyond by stride": (
        files.state_dict({"w": files.tensor("0", (2, 2), strides=(3, 1), count=4)}), "reaches beyond its storage",
    ),
    "as large as it likes": (
        files.state_dict({"w": files.tensor("0", (1 << 30, 1 << 30), strides=(0, 0), count=4)}), "reaches beyond",
    ),
    "sizes without strides": (
        files.state_dict({"w": files.tensor("0", (2, 2), strides=(1,), count=4)}), "2 sizes and 1",
    ),
    "a tensor of no storage": (
        b"\x80\x02" + files.name("torch._utils", "_rebuild_tensor_v2") + b"(K\x01K\x01))tR.", "that is no storage",
    ),
    "no tensor": (b"\x80\x02}" + files.text("epoch") + b"K\x01s.", "holds no tensor by name; its entries are epoch"),
    "a list": (b"\x80\x02].", "holds a list, not a state_dict"),
    "cut off in the storage": (files.state_dict({"w": files.tensor("0", (8,))}), "storage 0 has 16 bytes of 32"),
    "an empty stack": (b"\x80\x02t.", "cannot be read as a file of torch.save"),
    "a memo that is not there": (b"\x80\x02h\x07.", "is cut off, damaged or not"),
}  # fmt: skip


@pytest.mark.parametrize("case", PICKLES)
def test_pickle_that_lies(case, tmp_path):
    pickled, message = PICKLES[case]
    path = files.torch_zip(tmp_path / "w.pth", pickled, {"0": F32})
    with pytest.raises(ValueError, match=r"w\.pth.*" + message):
        read(path)


def test_pickle_with_tuples_in_tuples_is_not_walked(tmp_path):
    """Two references to the one before, sixty times over: 2^60 to whoever would walk them."""
    deep = b"\x80\x02}" + files.text("x") + b")" + b"".join(b"2\x86" for _ in range(60)) + b"s."
    path = files.torch_zip(tmp_path / "w.pth", deep, {})
    with pytest.raises(ValueError):
        read(path)


def test_torch_zip_that_unpacks(tmp_path):
    pickled = files.state_dict({"w": files.tensor("0", (4,))})
    path = files.torch_zip(tmp_path / "w.pth", pickled, {"0": F32}, zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=r"is compressed, which torch\.save does not do"):
        read(path)


def test_legacy_storages_that_lie(tmp_path):
    pickled = files.state_dict({"w": files.tensor("0", (4,))})
    path = files.torch_legacy(tmp_path / "w.pth", pickled, {"0": np.zeros(5, np.float32)})
    with pytest.raises(ValueError, match="storage 0 has 5 elements, its tensors say 4"):
        read(path)
    files.torch_legacy(path, pickled, {"7": np.zeros(5, np.float32)})
    with pytest.raises(ValueError, match="storage 7 belongs to no tensor of the state_dict"):
        read(path)


# TensorFlow's formats.
def test_graphdef_lists_scalars_and_whole_numbers(tmp_path):
    path = tmp_path / "w.pb"
    nodes = [
        files.constant("w", ARRAYS["conv/kernel"], as_list=True),
        files.constant("half", np.array([1, 2], np.float16)),
        files.constant("filled", np.ones(1, np.float32), as_list=True),
        files.constant("shape", np.array([1, 2], np.int32)),
        files.constant("eps", np.float32(1e-3)),
    ]
    path.write_bytes(b"".join(nodes))
    got = read(path)
    assert set(got) == {"w", "half", "filled"}
    np.testing.assert_array_equal(got["w"], ARRAYS["conv/kernel"])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (files.placeholder("x"), "holds no constant with weights: freeze the graph first"),
        (b"\x12\x00", "has no node"),
        (files.constant("w", np.ones(2, np.float32)) * 2, "has two nodes called w"),
        (files.constant("w", np.ones(2, np.float32))[:-2], "cannot be read as a frozen GraphDef"),
        (b"\x0a\xff\xff\xff\xff\x0f", "cut off: a field of"),
        (b"\x0b", "wire type 3"),
        (b"\xff" * 12, "more than ten bytes"),
    ],
)
def test_graphdef_that_lies(raw, message, tmp_path):
    path = tmp_path / "w.pb"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        read(path)


def test_graphdef_shape_and_bytes_disagree(tmp_path):
    path = tmp_path / "w.pb"
    good = files.constant("w", np.ones(4, np.float32))
    path.write_bytes(good.replace(b"\x08\x04", b"\x08\x05"))
    with pytest.raises(ValueError, match=r"w of shape \(5,\) has 16 bytes of 20"):
        read(path)
    assert [number for number, _ in fields(memoryview(good))] == [1]


def manifest(folder, change):
    model = json.loads((folder / "model.json").read_text())
    change(model["weightsManifest"][0])
    (folder / "model.json").write_text(json.dumps(model))


@pytest.mark.parametrize(
    ("stored", "quantization"),
    [
        ("uint8", {"dtype": "uint8", "scale": 0.5, "min": -1.0}),
        ("uint16", {"dtype": "uint16", "scale": 0.25, "min": 2.0}),
        ("float16", {"dtype": "float16"}),
    ],
)
def test_tfjs_quantised(stored, quantization, tmp_path):
    folder = files.as_tfjs(tmp_path / "q", {"w": np.zeros(3, np.float32)}, shards=1)
    raw = np.array([0, 2, 7], np.dtype(stored))
    (folder / "group1-shard1of1.bin").write_bytes(raw.tobytes())
    manifest(folder, lambda group: group["weights"][0].update(quantization=quantization))
    got = read(folder)["w"]
    wanted = raw.astype(np.float32) * quantization.get("scale", 1) + quantization.get("min", 0)
    np.testing.assert_array_equal(got, wanted.astype(np.float32))
    assert read(folder / "model.json")["w"].dtype == np.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g["paths"].append("more.bin"), "lists the shard more.bin, which is not there"),
        (lambda g: g["paths"].append("../../secret.bin"), "outside its own folder"),
        (lambda g: g["weights"].pop(), "its shards hold 132 bytes, the weights it lists 120"),
        (lambda g: g["weights"][0].update(shape=[99, 99]), "is cut off: conv/kernel"),
        (lambda g: g["weights"][0].update(shape=[-1, 4]), "is cut off: conv/kernel"),
        (lambda g: g["weights"][0].update(dtype="int32"), "conv/kernel is int32 for int32"),
        (lambda g: g["weights"][1].update(name="conv/kernel"), "lists conv/kernel twice"),
        (lambda g: g.pop("paths"), "KeyError"),
    ],
)
def test_tfjs_that_lies(change, message, tmp_path):
    folder = files.as_tfjs(tmp_path / "w", ARRAYS)
    manifest(folder, change)
    with pytest.raises(ValueError, match=message):
        read(folder)


# HDF5, NumPy, and what is none of them.
def test_keras_links_and_claims_are_refused(tmp_path):
    import h5py

    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["numbers"] = np.ones(3)
    path = files.as_keras_legacy(tmp_path / "w.h5", ARRAYS)
    with h5py.File(path, "a") as file:
        del file["conv/conv/kernel:0"]
        file["conv/conv/kernel:0"] = h5py.ExternalLink(str(secret), "numbers")
    with pytest.raises(ValueError, match="is a link to another file"):
        read(path)
    with h5py.File(path, "a") as file:
        del file["conv/conv/kernel:0"]
        file["conv"].create_dataset("conv/kernel:0", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024))
    with pytest.raises(ValueError, match="claims 4398046511104 bytes"):
        read(path)
    plain = tmp_path / "plain.h5"
    with h5py.File(plain, "w") as file:
        file["table"] = np.ones(3)
    with pytest.raises(ValueError, match="is HDF5, but not of Keras: it holds table"):
        read(plain)


def test_npz_of_objects_is_refused(tmp_path):
    trace = tmp_path / "ran"
    path = tmp_path / "w.npz"
    np.savez(path, w=np.array([Boom(trace)], object))
    with pytest.raises(ValueError, match="w is an array of objects, which is a pickle"):
        read(path)
    assert not trace.exists()
    np.savez_compressed(path, w=np.zeros(10_000_000, np.uint8))
    with pytest.raises(ValueError, match="would unpack to"):
        read(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.pth", b"", "is empty"),
        ("w.txt", b"some words that are no weights", "is of no format known here, which are"),
        ("w.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        ("w.safetensors", struct.pack("<Q", 40) + b'{"w": 1}', "cannot be read as safetensors|not safetensors"),
        ("w.json", b"{}", "has no weightsManifest"),
        ("w.h5", b"not HDF5 at all", "weights of Keras"),
    ],
)
def test_no_file_of_weights(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(path)


def test_folders_and_zips_of_something_else(tmp_path):
    with pytest.raises(ValueError, match=r"a folder without model\.json is not of TensorFlow\.js"):
        read(tmp_path)
    path = tmp_path / "w.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(
        ValueError, match=r"is a zip file, but not of torch\.save, Keras or NumPy: it holds readme\.txt"
    ):
        read(path)
    with pytest.raises(FileNotFoundError, match="is not there"):
        read(tmp_path / "nothing.pth")


def test_every_format_is_tested():
    assert {kind for kind, _ in WRITERS.values()} == set(READERS)
