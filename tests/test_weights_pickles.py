"""Pickles of NumPy arrays: every protocol, byte order and layout, and every lie; nothing of them is unpickled."""

import pickle

import _weight_files as files
import numpy as np
import pytest

from jaxml.models._weights._read import read

ARRAYS = {
    "float": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(12, dtype=np.float64).reshape(3, 4)),
    "big endian": np.arange(4, dtype=">i4"),
    "half": np.array([1.5, -2], np.float16),
    "none": np.zeros((0, 3), np.uint8),
    "scalar": np.array(7.0, np.float32),
    "true": np.array([True, False]),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol(protocol, tmp_path):
    got = read(files.as_pickle(tmp_path / "w.pkl", ARRAYS, protocol=protocol))
    assert list(got) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(got[name], array)
        assert got[name].dtype == array.dtype.newbyteorder("=")


def test_the_names_of_numpy_1(tmp_path):
    """NumPy 2 calls `numpy._core` what was `numpy.core`; files of both are read on both."""
    path = files.as_pickle(tmp_path / "w.pkl", ARRAYS)
    path.write_bytes(path.read_bytes().replace(b"cnumpy._core.", b"cnumpy.core."))
    assert set(read(path)) == set(ARRAYS)


class Boom:
    """A pickle that would leave a trace if it were ever run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return self.path.mkdir, ()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_hostile_pickles(protocol, tmp_path):
    trace, path = tmp_path / "ran", tmp_path / "w.pkl"
    for value in ({"w": ARRAYS["float"], "b": Boom(trace)}, {"w": np.array([Boom(trace)], object)}):
        path.write_bytes(pickle.dumps(value, protocol))
        with pytest.raises(ValueError, match=r"w\.pkl.*(the pickle names \w+|array of dtype 'O8')"):
            read(path)
    assert not trace.exists()


RECONSTRUCT = files.name("numpy.core.multiarray", "_reconstruct") + files.name("numpy", "ndarray")
EMPTY = b"\x80\x03}" + files.text("w") + RECONSTRUCT + b"K\x00\x85C\x01b\x87R"
F4 = files.name("numpy", "dtype") + files.text("f4") + b"K\x00K\x01\x87R"
LITTLE = F4 + b"(K\x03" + files.text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def array(shape: bytes, raw: bytes, dtype: bytes = LITTLE) -> bytes:
    return EMPTY + b"(K\x01" + shape + dtype + b"\x89C" + bytes([len(raw)]) + raw + b"tbs."


LIES = {
    "more than its bytes": (array(b"K\x09\x85", b"\0" * 4), r"an array of float32 \(9,\) in 4 bytes"),
    "less than its bytes": (array(b"K\x01\x85", b"\0" * 8), r"an array of float32 \(1,\) in 8 bytes"),
    "as large as it likes": (array(b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", b""), "in 0 bytes"),
    "a negative size": (array(b"J\xff\xff\xff\xff\x85", b""), r"of shape \(-1,\)"),
    "no shape": (array(b"K\x01", b"\0" * 4), "of shape 1"),
    "a dtype that is a number": (array(b"K\x01\x85", b"\0" * 4, b"K\x04"), "something else than bytes of one dtype"),
    "a dtype without byte order": (array(b"K\x01\x85", b"\0" * 4, F4 + b"(K\x03tb"), "dtype without a byte order"),
    "no state": (EMPTY + b"K\x01bs.", "an array without shape, dtype and bytes"),
    "never filled": (EMPTY + b"s.", "'w' is no NumPy array"),
    "a text among the arrays": (b"\x80\x03}" + files.text("w") + files.text("x") + b"s.", "'w' is no NumPy array"),
    "a list of arrays": (b"\x80\x03].", "a pickle of a list, and of neither torch.save nor NumPy arrays by name"),
    "a call of ndarray": (b"\x80\x03" + files.name("numpy", "ndarray") + b"K\x05\x85R.", "the pickle calls ndarray"),
    "another codec": (
        b"\x80\x03" + files.name("_codecs", "encode") + files.text("a") + files.text("zip") + b"\x86R.",
        "the pickle calls encode",
    ),
    "nothing": (b"\x80\x03}.", "holds no weight"),
}


@pytest.mark.parametrize("lie", LIES)
def test_arrays_that_lie(lie, tmp_path):
    content, message = LIES[lie]
    path = tmp_path / "w.pkl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"w\.pkl.*" + message):
        read(path)
