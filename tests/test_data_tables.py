"""Categories, columns, chains, and what is written of them: against scikit-learn, and their corners."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from jaxml import data

NUMBERS = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")


def penguins(n=60, seed=0):
    """A table like the penguins': four measures, two texts, cells missing in all but the island."""
    random = np.random.default_rng(seed)
    table = {
        name: random.normal(m, s, n) for name, m, s in zip(NUMBERS, (44, 17, 201, 4200), (5, 2, 14, 800), strict=True)
    }
    for column in table.values():
        column[random.random(n) < 0.08] = np.nan
    table["island"] = random.choice(["Biscoe", "Dream", "Torgersen"], n).astype(object)
    table["sex"] = random.choice(np.array(["male", "female", None], object), n, p=[0.45, 0.45, 0.1])
    return table


def preparation():
    return data.Columns(
        {
            NUMBERS: data.Chain(data.Impute("median", indicator=True), data.Standardize()),
            "island": data.OneHot(unseen="ignore"),
            "sex": data.Chain(data.Impute("most_frequent"), data.OneHot()),
        }
    )


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_table_is_scikit_learns(seed):
    table = penguins(seed=seed)
    frame = np.stack([np.asarray(column, object) for column in table.values()], axis=1)
    theirs = ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), [0, 1, 2, 3]),
            ("i", OneHotEncoder(handle_unknown="ignore", sparse_output=False), [4]),
            ("s", make_pipeline(SimpleImputer(strategy="most_frequent", missing_values=None),
                                OneHotEncoder(sparse_output=False)), [5]),
        ]
    ).fit(frame)  # fmt: skip
    new = penguins(seed=seed + 1)
    want = theirs.transform(np.stack([np.asarray(column, object) for column in new.values()], axis=1))
    with jax.enable_x64(True):
        np.testing.assert_allclose(preparation().fit(table).transform(new), want.astype(float), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(preparation().fit(table).transform(new), want.astype(float), rtol=1e-6, atol=2e-5)


@settings(max_examples=25, deadline=None)
@given(
    seen=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=9),
    new=st.lists(st.sampled_from(["a", "b", "c", "d", None]), max_size=9),
)
def test_categories_are_scikit_learns(seen, new):
    as_column = lambda values: np.array([*values, 0], object)[:-1, None]  # noqa: E731
    seen, new = as_column(seen), as_column(new)
    theirs = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(seen)
    ours = data.OneHot(unseen="ignore").fit(seen)
    assert list(ours.categories[0]) == theirs.categories_[0].tolist()
    if len(new):
        np.testing.assert_array_equal(ours.transform(new), theirs.transform(new))
        np.testing.assert_array_equal(
            ours.inverse(theirs.transform(new)), theirs.inverse_transform(theirs.transform(new))
        )
        last = ours.categories[0].index(None) if None in ours.categories[0] else -1
        options = {"encoded_missing_value": last} if last >= 0 else {}
        theirs = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1 if last != -1 else -2, **options)
        theirs.fit(seen)
        want = np.nan_to_num(theirs.transform(new), nan=-1).clip(-1)
        np.testing.assert_array_equal(data.Ordinal(unseen="ignore").fit(seen).transform(new), want)


def test_policies():
    x, new = np.array(["b", "a", None], object), np.array(["a", "z", None], object)
    assert data.Ordinal(unseen="category").fit(x).transform(new).tolist() == [0, 3, 2]
    assert data.Ordinal(unseen="ignore", missing="ignore").fit(x).transform(new).tolist() == [0, -1, -1]
    assert data.Ordinal(unseen="category", missing="ignore").fit(x).transform(new).tolist() == [0, 2, -1]
    # Missing only later: nothing that was seen.
    assert data.Ordinal(unseen="category").fit(x[:2]).transform(new).tolist() == [0, 2, 2]
    hot = data.OneHot(unseen="category", missing="ignore").fit(x)
    assert hot.transform(new).tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert hot.inverse(hot.transform(new)).tolist() == [["a"], [None], [None]]


def test_categories_may_be_numbers():
    x = np.array([[3, 0], [1, 1], [3, 2]])
    assert data.OneHot().fit(x).transform(x).tolist() == [[0, 1, 1, 0, 0], [1, 0, 0, 1, 0], [0, 1, 0, 0, 1]]
    codes = data.Ordinal().fit(jnp.asarray(x))
    assert codes.transform(x).tolist() == [[1, 0], [0, 1], [1, 2]]
    assert codes.inverse(codes.transform(x)).tolist() == x.tolist()
    gaps = data.Ordinal().fit([1.0, np.nan, 0.0])
    assert gaps.transform([np.nan, 1.0]).tolist() == [2, 1]


def test_a_column_missing_everywhere():
    x = np.array([[None, "a"], [None, "b"]], object)
    assert data.OneHot().fit(x).transform(x).tolist() == [[1, 1, 0], [1, 0, 1]]
    without = data.OneHot(missing="ignore").fit(x)
    assert without.transform(x).tolist() == [[1, 0], [0, 1]]
    assert without.inverse(without.transform(x)).tolist() == x.tolist()
    assert data.Impute("most_frequent").fit([None, "a"]).transform(np.array([None, "b"], object)).tolist() == ["a", "b"]
    filled = data.Impute("constant", value="none").fit(np.array(["a", None], object))
    assert filled.transform(np.array([None], object)).tolist() == ["none"]


def test_numbers_of_a_table_under_jit_vmap_and_grad():
    table = {name: jnp.asarray(column, jnp.float32) for name, column in penguins().items() if name in NUMBERS}
    table["whole"] = jnp.arange(60)
    c = data.Columns({NUMBERS: data.Chain(data.Impute(), data.Standardize()), "whole": data.MinMax()}).fit(table)
    want = c.transform(table)
    assert want.shape == (60, 5)
    np.testing.assert_allclose(jax.jit(c.transform)(table), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda c, x: c.transform(x))(c, table), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(c.transform)(table), want, rtol=1e-5, atol=1e-6)
    slope = jax.grad(lambda column: c.transform(table | {"body_mass_g": column})[:, 3].sum())(table["body_mass_g"])
    assert (np.asarray(slope) == 0).tolist() == np.isnan(table["body_mass_g"]).tolist()


def test_inverse_of_columns():
    table = penguins()
    c = data.Columns({NUMBERS: data.Chain(data.Impute(indicator=True), data.Standardize()), "sex": data.OneHot()})
    back = c.fit(table).inverse(c.fit(table).transform(table))
    assert list(back) == [*NUMBERS, "sex"] and back["sex"].tolist() == table["sex"].tolist()
    for name in NUMBERS:
        np.testing.assert_allclose(back[name], table[name], rtol=1e-5)


def test_columns_of_an_array_and_the_rest(rng):
    x = rng.normal(size=(7, 4))
    c = data.Columns({(2, 0): data.Standardize()}, rest="keep").fit(x)
    want = np.concatenate([data.Standardize().fit(x[:, [2, 0]]).transform(x[:, [2, 0]]), x[:, [1, 3]]], axis=1)
    np.testing.assert_allclose(c.transform(x), want, rtol=1e-6)
    np.testing.assert_allclose(c.inverse(c.transform(x)), x, rtol=1e-5, atol=1e-6)
    assert data.Columns({0: data.Identity()}).fit(x).transform(x).shape == (7, 1)


def test_auto():
    table = penguins() | {"id": np.array([f"p{i}" for i in range(60)], object)}
    c = data.Columns.auto(table, drop=("id",)).fit(table)
    assert c.transform(table).shape == (60, 4 + 3 + 3)
    assert np.isfinite(c.transform(penguins(seed=1) | {"sex": np.full(60, "other", object)})).all()


EVERY = [
    data.Standardize(), data.Standardize(axis=(0,)), data.MinMax(-1.0, 1.0), data.Robust((0.1, 0.9)), data.Log(0.1),
    data.Impute("median", indicator=True), data.Clip(-1.0), data.Identity(),
    data.Chain(data.Impute("constant", value=2.0), data.Clip(0.0, 3.0), data.MinMax()),
]  # fmt: skip


@pytest.mark.parametrize("fresh", EVERY, ids=lambda t: type(t).__name__)
def test_json_round_trip_of_numbers(fresh, rng):
    x = np.abs(rng.lognormal(size=(20, 3)))
    x[3, 1] = np.nan
    for t in (fresh, fresh.fit(x)):
        back = data.from_json(data.to_json(t))
        assert jax.tree.structure(back) == jax.tree.structure(t)
        for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(t), strict=True):
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    np.testing.assert_array_equal(back.transform(x), t.transform(x))


def test_json_round_trip_of_a_table():
    table = penguins()
    c = preparation().fit(table)
    back = data.from_json(data.to_json(c))
    np.testing.assert_array_equal(back.transform(table), c.transform(table))
    assert jax.tree.structure(back) == jax.tree.structure(c) and repr(back) == repr(c)
    by_place = data.Columns({(1, 0): data.Ordinal(unseen="category")}).fit(np.array([[2, 0.5], [3, 1.5]]))
    assert data.from_json(data.to_json(by_place)).transforms[0].categories == ((0.5, 1.5), (2.0, 3.0))


def test_json_keeps_odd_numbers():
    mean = np.array([0.1, -0.0, 5e-324, 1.7976931348623157e308, np.nan])
    s = data.Standardize(mean=mean, scale=np.float32([1 / 3] * 5))
    back = data.from_json(data.to_json(s))
    assert (back.mean.tobytes(), back.scale.tobytes()) == (mean.tobytes(), s.scale.tobytes())


def changed(**new):
    """What to_json writes, with some of it changed, and the checksum mended where the body is."""
    from jaxml.data import _json

    found = json.loads(data.to_json(data.Standardize().fit([[1.0], [2.0]]))) | new
    if "transform" in new:
        found["crc32"] = _json._checksum(new["transform"])
    return json.dumps(found)


GOOD = data.to_json(data.Standardize().fit([[1.0], [2.0]]))
TABLE = {"a": np.ones(3), "b": np.array(["x", "y", "x"]), "long": np.ones(4)}
C = data.Columns
ERRORS = [
    (lambda: data.OneHot(unseen="zero"), ValueError, "OneHot: unseen must be one of 'error', 'ignore', 'category'"),
    (lambda: data.Ordinal(missing="drop"), ValueError, "Ordinal: missing must be one of"),
    (lambda: data.OneHot().fit(["a", "b"]).transform(["z"]), ValueError,
     r"example 0 of feature 0 is 'z', which fit did not see \(it saw 'a', 'b'\); choose unseen=\"ignore\""),
    (lambda: data.OneHot().fit(["a"]).transform(np.array([None])), ValueError, "example 0 of feature 0 is missing"),
    (lambda: data.OneHot(missing="error").fit([None, "a"]), ValueError, "example 0 of feature 0 is missing; Impute"),
    (lambda: data.OneHot(missing="error").fit(["a"]).transform(np.array([None])), ValueError, 'missing="ignore"'),
    (lambda: data.OneHot().fit([]), ValueError, "OneHot: x must have at least one example"),
    (lambda: data.OneHot().fit(np.ones((2, 2, 2))), ValueError, "OneHot: x must have 1 or 2 axes"),
    (lambda: data.OneHot().fit(np.array([(1, 2), None], object)), TypeError, r"must be text or numbers, got \(1, 2\)"),
    (lambda: data.OneHot().fit(["a"]).transform([["a", "a"]]), ValueError, "number of features must be 1, got 2"),
    (lambda: data.OneHot().fit(["a"]).inverse(np.ones((1, 2))), ValueError, "OneHot: the shape of z must be"),
    (lambda: data.Ordinal().fit(["a"]).inverse(np.ones((1, 2))), ValueError, "Ordinal: the number of features must"),
    (lambda: data.OneHot().transform(["a"]), ValueError, "OneHot: not fitted yet"),
    (lambda: data.OneHot().inverse([[1]]), ValueError, "OneHot: not fitted yet"),
    (lambda: data.Ordinal().inverse([1]), ValueError, "Ordinal: not fitted yet"),
    (lambda: data.Chain(), ValueError, "Chain: at least one transform"),
    (lambda: data.Chain(data.Standardize), TypeError, r"must be made before it is given: Standardize\(\)"),
    (lambda: data.Chain(np.log), TypeError, "Chain: a transform must have fit and transform"),
    (lambda: data.Chain(data.Log(), data.Clip(0.0)).inverse([1.0]), ValueError, "Chain: Clip has no inverse"),
    (lambda: C({}), ValueError, "Columns: at least one column"),
    (lambda: C({"a": data.Log}), TypeError, "Columns: a transform must be made"),
    (lambda: C({"a": data.Log(), ("b", "a"): data.Log()}), ValueError, "Columns: a must be named once"),
    (lambda: C({"a": data.Log()}, rest="keeep"), ValueError, "rest must be one of 'drop', 'keep', 'error'"),
    (lambda: C({"a": data.Log()}, rest="error").fit(TABLE), ValueError, "Columns: b, long must be given a transform"),
    (lambda: C({"aa": data.Log()}).fit(TABLE), ValueError, "x has no column 'aa'; did you mean 'a'"),
    (lambda: C({"Q": data.Log()}).fit(TABLE), ValueError, "x has no column 'Q'; there are a, b, long"),
    (lambda: C({("a", "long"): data.Log()}).fit(TABLE), ValueError, r"column 'long' must have the shape \(3,\)"),
    (lambda: C({"b": data.Standardize()}).fit(TABLE), TypeError, r"Standardize: x must hold numbers.*\[column 'b'\]"),
    (lambda: C({"b": data.Impute("most_frequent")}).fit(TABLE), TypeError, "got text; add OneHot or Ordinal"),
    (lambda: C({"a": data.Log()}).fit(np.ones((3, 2))), ValueError, "must have the columns a, got an array of shape"),
    (lambda: C({5: data.Log()}).fit(np.ones((3, 2))), ValueError, "must have the columns 5, got an array of shape"),
    (lambda: C({"a": data.Log()}).transform(TABLE), ValueError, "Columns: not fitted yet"),
    (lambda: C({"a": data.Log()}).inverse(TABLE), ValueError, "Columns: not fitted yet"),
    (lambda: C({"a": data.Clip(0.0)}).fit(TABLE).inverse([[1.0]]), ValueError, "Columns: Clip has no inverse"),
    (lambda: C({"a": data.Log()}).fit(TABLE).inverse([[1.0, 2.0]]), ValueError, "number of features must be 1, got 2"),
    (lambda: C.auto({"date": np.array(["a", "b", "c"])}, max_categories=2), ValueError, "'date' has 3 different"),
    (lambda: C.auto(TABLE, drop=("c",)), ValueError, "x has no column 'c'"),
    (lambda: data.to_json([data.Log()]), TypeError, "to_json: a transform must be one of"),
    (lambda: data.to_json(object()), TypeError, "to_json: a transform must be one of Chain"),
    (lambda: data.from_json(GOOD[:-9]), ValueError, "from_json: the text is cut off or damaged"),
    (lambda: data.from_json("[1]"), ValueError, "must be what to_json wrote"),
    (lambda: data.from_json(GOOD.replace("1.5", "1.25")), ValueError, "damaged or was changed: its checksum"),
    (lambda: data.from_json(changed(version=2)), ValueError, "must be of version 1, got 2; a newer jaxml"),
    (lambda: data.from_json(changed(transform={"type": "Standardise", "fields": {}})), ValueError,
     "there is no transform 'Standardise'; a newer jaxml may have written it; did you mean 'Standardize'"),
    (lambda: data.from_json(changed(transform={"type": "Log", "fields": {"base": 2}})), ValueError, "cannot be made"),
    (lambda: data.from_json(changed(transform={"type": "Chain", "fields": {}})), ValueError, "Chain must have steps"),
    (lambda: data.from_json(changed(transform={"fields": {}})), ValueError, "cannot be made"),
]  # fmt: skip


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_error(case):
    f, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        f()
