"""Data sets by name and from files: what is read, in which form, and what is said of files that are wrong."""

import gzip
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from jaxml import data

WEATHER = """date,precipitation,temp_max,temp_min,wind,weather
2012-01-01,0.0,12.8,5.0,4.7,drizzle
2012-01-02,10.9,10.6,2.8,4.5,rain
2012-01-03,0.8,11.7,7.2,2.3,rain
2012-01-04,20.3,12.2,,4.7,"rain, snow"
"""


@pytest.fixture
def csv(tmp_path):
    """Writes a file and reads it as `read_csv` does."""

    def read(text, **options):
        path = tmp_path / "t.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return data.read_csv(path, **options)

    return read


@pytest.mark.parametrize("name", data.names())
def test_embedded_sets(name):
    d = data.load(name)
    assert len(d) == len(d.x) == len(d.y) and d.x.dtype == np.float32 and np.isfinite(d.x).all()
    if d.task == "classification":
        assert sorted(set(d.y.tolist())) == list(range(len(d.class_names))) and d.y.dtype == np.int32
    else:
        assert d.y.dtype == np.float32
    if name == "digits":
        assert d.x.shape == (1797, 8, 8, 1) and (d.x.min(), d.x.max()) == (0, 1)
    else:
        assert len(d.feature_names) == d.x.shape[1]


def test_embedded_sets_need_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"load: needs scikit-learn; install it with pip install 'jaxml-nn\[train\]'"):
        data.load("iris")
    with pytest.raises(ValueError, match=r"load: name must be one of 'iris'.*did you mean 'digits'"):
        data.load("digit")
    with pytest.raises(ValueError, match=r"load: fashion_mnist is not embedded; read its files with mnist_folder"):
        data.load("fashion_mnist")


def test_table(csv):
    d = csv(WEATHER, target="weather")
    assert d.class_names == ("drizzle", "rain", "rain, snow") and d.y.tolist() == [0, 1, 1, 2]
    assert d.feature_names == ("date", "precipitation", "temp_max", "temp_min", "wind") == tuple(d.x)
    np.testing.assert_array_equal(d.x["temp_min"], [5.0, 2.8, 7.2, np.nan])
    assert d.x["date"].tolist()[0] == "2012-01-01" and d.task == "classification"
    z = data.Columns.auto(d.x, drop=("date",)).fit(d.x).transform(d.x)
    assert z.shape == (4, 4) and np.isfinite(z).all()
    part, _ = data.split(d, fractions=(0.5, 0.5))
    assert list(part.x) == list(d.x) and len(part) == 2


def test_table_forms(csv):
    """Without a header, another delimiter, compressed, with blanks, line ends of Windows and a byte order mark."""
    plain = csv("a,b\n1,x\n2,\n", target="a")
    assert plain.task == "regression" and plain.y.tolist() == [1, 2] and plain.x["b"].tolist() == ["x", None]
    for same in (
        gzip.compress(b"a,b\n1,x\n2,\n"),
        b"\xef\xbb\xbfa,b\r\n 1 , x\r\n2,NA\r\n\r\n",
        b'"a","b"\n"1","x"\n2,?',
    ):
        got = csv(same, target="a")
        assert (got.x["b"].tolist(), got.y.tolist()) == (["x", None], [1, 2])
    bare = csv("1;2,5;x\n3;4;y\n", header=False, delimiter=";", target=-1, kinds={"column_1": "text"})
    assert bare.x["column_1"].tolist() == ["2,5", "4"] and bare.class_names == ("x", "y")
    assert csv("a,b\n1,2\n").y is None
    assert csv(",v\n0,5\n1,6\n").feature_names == ("column_0", "v")
    assert csv('a\n"say ""ho""\nhere"\n').x["a"].tolist() == ['say "ho"\nhere']


def test_table_kinds(csv):
    """Numbers as classes, as text, not a number anywhere, missing where they should not be."""
    text = "zip,y\n1e3,2\n0002,10\n?,2\n"
    assert csv(text, target="y", task="classification").class_names == ("2", "10")
    assert csv(text, target="y", kinds={"zip": "text"}).x["zip"].tolist() == ["1e3", "0002", None]
    assert csv("a,b\nNA,1\nx,2\n", missing=()).x["a"].tolist() == ["NA", "x"]
    assert np.isnan(csv("a,b\n,1\n,2\n").x["a"]).all()
    big = csv("id,v\n16777216,0\n16777217,1\n", target="id", task="classification")
    assert big.class_names == ("16777216", "16777217") and big.y.tolist() == [0, 1]
    kept = csv("a,y\n1,u\n2,\n3,v\n", target="y", drop_missing_target=True)
    assert kept.x["a"].tolist() == [1, 3] and kept.class_names == ("u", "v")
    assert csv("a,b\n1_000,1\n1_001,2\n").x["a"].tolist() == ["1_000", "1_001"]


TABLES = [
    ("", {}, "must hold data, got an empty file"),
    ("a,b\n", {}, "must hold data, got only a header"),
    ("a,b\n1,2\n3\n", {}, r"t.csv, line 3: there must be 2 cells, got 1"),
    ("a,b\n1,2,\n", {}, "line 2: there must be 2 cells, got 3"),
    ("a,b,a\n1,2,3\n", {}, "must name every column once, 'a' occurs twice"),
    ("1,2\n3,4\n", {}, "line 1 must name the columns, got numbers; say header=False"),
    ('a,b\n1,"x\n', {}, "line 2: unexpected end of data; is a quotation closed"),
    ("a,b\n1,2\nlow,3\n4,5\n", {}, "line 3, column 'a': must be a number, got 'low' \\(1 such of 3\\); mend it"),
    ("a,b\nx,2\ny,3\n4,5\n", {"kinds": {"a": "number"}}, "line 2, column 'a': must be a number, got 'x' .2 such of 3"),
    ("a,b\n1,x\n", {"target": "b", "task": "regression"}, "line 2, column 'b': must be a number"),
    ("a,b\n1,2\n", {"target": "bb"}, "target names 'bb', the columns are a, b; did you mean 'b'"),
    ("a,b\n1,2\n", {"target": 2}, "target must be one of 2 columns, got position 2"),
    ("a,b\n1,2\n", {"kinds": {"z": "text"}}, "kinds names 'z', the columns are a, b"),
    ("a,b\n1,2\n", {"kinds": {"a": "date"}}, "the kind of a must be one of 'number', 'text'"),
    ("a,b\n1,2\n", {"task": "regression"}, "target must be given for task='regression'"),
    ("a,b\n1,2\n", {"target": "a", "task": "rank"}, "task must be one of None, 'classification'"),
    ("a,b\n1,2\n3,\n", {"target": "b"}, "line 3: target 'b' is missing, as in 1 of 2 lines"),
    ("a,b\n3,\n", {"target": "b", "drop_missing_target": True}, "line 2: target 'b' is missing"),
    ("a;b\n1;2\n", {"target": 0}, "must have a column besides the target 'a;b'; is delimiter=',' right"),
    (b"a\n\xff\xfe\n", {}, "must be UTF-8 text, byte 2 is not"),
    (b"a\0\n1\0\n", {}, "must be text, it holds zero bytes"),
    (gzip.compress(b"a,b\n1,2\n")[:-6], {}, "is cut off or damaged, it cannot be unpacked"),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(TABLES)))
def test_table_that_is_wrong(case, csv):
    text, options, message = TABLES[case]
    with pytest.raises(ValueError, match=f"read_csv: .*{message}"):
        csv(text, **options)


def idx(a, kind=0x08):
    """An array as an IDX file."""
    return struct.pack(f">HBB{a.ndim}I", 0, kind, a.ndim, *a.shape) + a.tobytes()


def write_set(folder, rng, n=(6, 4), end=""):
    folder.mkdir(exist_ok=True)
    arrays = {}
    for part, count in zip(("train", "t10k"), n, strict=True):
        arrays[part] = rng.integers(0, 256, (count, 5, 4), np.uint8), rng.integers(0, 10, count).astype(np.uint8)
        for what, a in zip(("images-idx3", "labels-idx1"), arrays[part], strict=True):
            raw = idx(a)
            (folder / f"{part}-{what}-ubyte{end}").write_bytes(gzip.compress(raw) if end else raw)
    return arrays


@pytest.mark.parametrize("end", ["", ".gz"])
def test_idx_folder(tmp_path, rng, end):
    arrays = write_set(tmp_path, rng, end=end)
    for d, (x, y) in zip(data.mnist_folder(tmp_path), arrays.values(), strict=True):
        np.testing.assert_allclose(d.x[..., 0], x / 255, rtol=1e-6)
        assert d.y.tolist() == y.tolist() and d.y.dtype == np.int32 and d.x.dtype == np.float32
        assert d.class_names == tuple("0123456789")
    raw, _ = data.mnist_folder(tmp_path, scale=False)
    np.testing.assert_array_equal(raw.x[..., 0], arrays["train"][0])
    assert data.fashion_mnist(path=tmp_path)[1].class_names[9] == "Ankle boot"


def test_idx_types(tmp_path):
    for kind, dtype in {0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}.items():
        a = np.array([[1, -2, 3]], dtype)
        (tmp_path / "a").write_bytes(idx(a, kind))
        got = data.read_idx(tmp_path / "a")
        assert got.dtype == a.dtype.newbyteorder("=") and got.tolist() == a.tolist()


def test_idx_that_is_wrong(tmp_path, rng):
    good = idx(np.ones((2, 3), np.uint8))
    for raw, message in [
        (b"", "must be an IDX file, got the first bytes of none"),
        (b"\x89PNG....", "must be an IDX file, got the first bytes 89 50 4e 47"),
        (b"\0\0\x07\x01\0\0\0\0", "must be an IDX file"),
        (good[:9], "is cut off in its header: 9 bytes of 12"),
        (good[:-1], r"is cut off: 17 bytes, and 18 for an array of shape \(2, 3\)"),
        (good + b"\0", "is longer than it says: 19 bytes"),
        (gzip.compress(good)[:20], "is cut off or damaged, it cannot be unpacked"),
        (gzip.compress(good)[:-4] + b"abcd", "is cut off or damaged"),
    ]:
        (tmp_path / "a").write_bytes(raw)
        with pytest.raises(ValueError, match=f"read_idx: .*a {message}"):
            data.read_idx(tmp_path / "a")


def test_idx_folder_that_is_wrong(tmp_path, rng, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"mnist_folder: .*nowhere must be a folder"):
        data.mnist_folder(tmp_path / "nowhere")
    write_set(tmp_path, rng)
    labels, images = tmp_path / "train-labels-idx1-ubyte", tmp_path / "t10k-images-idx3-ubyte"
    for path, a, message in [
        (labels, np.zeros(5, np.uint8), "train must hold one label for each image, got 6 and 5"),
        (labels, np.zeros((6, 1), np.uint8), r"train must hold images \(N, H, W\) and labels \(N,\)"),
        (images, np.zeros((4, 9, 9), np.uint8), r"test images must be of size \(5, 4\), got \(9, 9\)"),
    ]:
        before = path.read_bytes()
        path.write_bytes(idx(a))
        with pytest.raises(ValueError, match=f"mnist_folder: {message}"):
            data.mnist_folder(tmp_path)
        path.write_bytes(before)
    labels.write_bytes(idx(np.full(6, 3, np.uint8)))
    with pytest.raises(ValueError, match="labels of train must be below 2, got 3"):
        data.mnist_folder(tmp_path, class_names=("a", "b"))
    labels.unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold train-labels-idx1-ubyte or train-labels-idx1-ubyte\.gz"):
        data.mnist_folder(tmp_path)
    monkeypatch.setattr("jaxml.data._idx.FASHION_FOLDERS", (str(tmp_path / "nowhere"),))
    with pytest.raises(FileNotFoundError, match=r"fashion_mnist: no folder .*install Debian's package"):
        data.fashion_mnist()


def test_fashion_mnist_for_real():
    try:
        train, test = data.fashion_mnist(scale=False)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert train.x.shape == (60000, 28, 28, 1) and np.bincount(train.y).tolist() == [6000] * 10
    assert test.x.shape == (10000, 28, 28, 1) and train.class_names[train.y[0]] == "Ankle boot"


@pytest.fixture
def photographs(tmp_path, rng):
    for name, n in (("cat", 3), ("dog", 2)):
        (tmp_path / name / "more").mkdir(parents=True)
        for i in range(n):
            pixels = rng.integers(0, 256, (6, 8, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / ("more" if i else "") / f"{i}.png")
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    return tmp_path


def test_image_folder(photographs):
    d = data.image_folder(photographs, size=(6, 8))
    assert (d.x.shape, d.x.dtype, d.y.tolist(), d.class_names) == (
        (5, 6, 8, 3),
        np.float32,
        [0, 0, 0, 1, 1],
        ("cat", "dog"),
    )
    first = np.asarray(Image.open(photographs / "cat" / "0.png"))
    np.testing.assert_allclose(d.x[0] * 255, first, atol=1e-4)
    every = np.asarray(d.x)
    np.testing.assert_array_equal(d.x[[4, 1]], every[[4, 1]])
    np.testing.assert_array_equal(d.x[1:3], every[1:3])
    np.testing.assert_array_equal(d.x[d.y == 1], every[3:])
    assert d.x[[]].shape == (0, 6, 8, 3)
    grey = data.image_folder(photographs, size=4, channels=1).x
    assert grey[:2].shape == (2, 4, 4, 1)


def test_image_folder_stays_on_disk(photographs):
    d = data.image_folder(photographs, size=4)
    for path in d.x.paths:
        path.unlink()
    a, b = data.split(d, fractions=(0.6, 0.4))
    assert (len(a), len(b)) == (3, 2) and isinstance(a.x, data.Images)
    with pytest.raises(ValueError, match=f"image_folder: {b.x.paths[0]} cannot be read as an image"):
        b.x[0]


def test_image_folder_that_is_wrong(photographs, monkeypatch):
    broken = photographs / "cat" / "1b.jpg"
    for raw in (b"", b"not an image", (photographs / "cat" / "0.png").read_bytes()[:90]):
        broken.write_bytes(raw)
        with pytest.raises(ValueError, match=r"1b\.jpg cannot be read as an image, mend or remove it"):
            data.image_folder(photographs, size=4).x[:]
    with pytest.raises(FileNotFoundError, match="must be a folder"):
        data.image_folder(photographs / "nowhere", size=4)
    with pytest.raises(ValueError, match="must have a sub-folder for each class"):
        data.image_folder(photographs / "dog" / "more", size=4)
    (photographs / "bird").mkdir()
    with pytest.raises(ValueError, match=r"bird must hold images \(.*, .png, .*\), got none"):
        data.image_folder(photographs, size=4)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="image_folder: needs pillow"):
        data.image_folder(photographs, size=4)


@pytest.mark.usefixtures("unchecked_types")
def test_image_folder_with_wrong_options(photographs):
    for options, message in [
        ({"size": 0}, "size must be positive"),
        ({"size": (1, 2, 3)}, "the number of sides in size"),
        ({"size": 4, "channels": 2}, "channels must be one of 1, 3, 4"),
    ]:
        with pytest.raises(ValueError, match=f"image_folder: {message}"):
            data.image_folder(photographs, **options)


class Hub:
    """What `datasets.Dataset` shows of itself, as far as `from_hugging_face` looks."""

    def __init__(self, names=(), **columns):
        self.columns, self.column_names = columns, list(columns)
        self.features = {name: SimpleNamespace() for name in columns}
        if names:
            self.features["y"].names = list(names)

    def __getitem__(self, name):
        return self.columns[name]


def test_hugging_face():
    images = [Image.fromarray(np.full((3, 2), v, np.uint8)) for v in (0, 51)]
    d = data.from_hugging_face(Hub(("cat", "dog"), img=images, y=[1, 0]), x="img", y="y")
    assert d.x.shape == (2, 3, 2, 1) and d.x[1].max() == np.float32(0.2)
    assert (d.y.tolist(), d.class_names, d.task) == ([1, 0], ("cat", "dog"), "classification")
    table = data.from_hugging_face(Hub(a=[1, None], b=["u", None], y=[0.5, 1.5]), x=["a", "b"], y="y")
    assert np.isnan(table.x["a"][1]) and table.x["b"].tolist() == ["u", None] and table.task == "regression"
    assert data.from_hugging_face(Hub(a=[[1, 2]], y=["u"]), x="a", y="y").class_names == ("u",)
    assert data.from_hugging_face(Hub(a=[[1, 2]], y=[2]), x="a", y="y").class_names == ("0", "1", "2")
    assert data.from_hugging_face(Hub(a=[[1, 2]]), x="a").y is None


def test_hugging_face_that_is_wrong():
    d, two = Hub(a=[1, 2], y=[0, None]), [Image.new("L", size) for size in ((2, 2), (3, 2))]
    with pytest.raises(ValueError, match="dataset has no column 'b'; there are a, y"):
        data.from_hugging_face(d, x="b")
    with pytest.raises(ValueError, match="'y' must not be missing, example 1 is"):
        data.from_hugging_face(d, x="a", y="y")
    with pytest.raises(ValueError, match="images of 'img' must share one size"):
        data.from_hugging_face(Hub(img=two), x="img")
    with pytest.raises(ValueError, match=r"must be one split, got train, test; take dataset\['train'\]"):
        data.from_hugging_face(SimpleNamespace(column_names={"train": ["a"], "test": ["a"]}), x="a")
    with pytest.raises(TypeError, match=r"must be a datasets.Dataset or the name of one, got list"):
        data.from_hugging_face([1], x="a")


def test_hugging_face_by_name(monkeypatch):
    asked = []
    hub = SimpleNamespace(load_dataset=lambda name, split: asked.append((name, split)) or Hub(a=[1], y=[0]))
    monkeypatch.setitem(sys.modules, "datasets", hub)
    assert len(data.from_hugging_face("some/set", x="a", y="y", split="test")) == 1 and asked == [("some/set", "test")]
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match="from_hugging_face: needs datasets; install it with pip install 'datasets'"):
        data.from_hugging_face("some/set", x="a")


def test_hugging_face_for_real():
    datasets = pytest.importorskip("datasets", reason="needs Hugging Face's datasets, which is no dependency")
    label = datasets.ClassLabel(names=["cat", "dog"])
    features = datasets.Features({"img": datasets.Image(), "y": label, "t": datasets.Value("string")})
    images = [Image.fromarray(np.full((3, 2, 3), v, np.uint8)) for v in (0, 255)]
    real = datasets.Dataset.from_dict({"img": images, "y": [1, 0], "t": ["u", None]}, features=features)
    d = data.from_hugging_face(real, x="img", y="y")
    assert d.x.shape == (2, 3, 2, 3) and d.x.max() == 1 and d.class_names == ("cat", "dog") and d.y.tolist() == [1, 0]
    assert data.from_hugging_face(real, x=["t"]).x["t"].tolist() == ["u", None]
    with pytest.raises(ValueError, match="must be one split, got train"):
        data.from_hugging_face(datasets.DatasetDict(train=real), x="t")
