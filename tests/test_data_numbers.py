"""The transforms of numbers: against scikit-learn on random tables, their corners, and under JAX's transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from jaxml import data

PAIRS = {
    "Standardize": (data.Standardize(), StandardScaler()),
    "MinMax": (data.MinMax(), MinMaxScaler()),
    "MinMax(-1, 2)": (data.MinMax(-1.0, 2.0), MinMaxScaler((-1, 2))),
    "Robust": (data.Robust(), RobustScaler()),
    "Robust(0.1, 0.8)": (data.Robust((0.1, 0.8)), RobustScaler(quantile_range=(10, 80))),
}
FILLS = {
    "mean": {}, "median": {}, "most_frequent": {}, "constant": {"value": -7.5},
}  # fmt: skip
NUMERIC = [data.Standardize(), data.MinMax(), data.Robust(), data.Impute("median")]


@st.composite
def tables(draw):
    """Columns as measured ones are: of any size and offset, constant, whole numbers, repeated, with gaps or without."""
    n, columns = draw(st.sampled_from([2, 17])), []  # few shapes: JAX compiles for each
    for _ in range(3):
        random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        kind = draw(st.sampled_from(["normal", "whole", "constant", "skewed"]))
        size = draw(st.sampled_from([1e-3, 1.0, 180.0, 4200.0]))
        column = {
            "normal": random.normal(3, 1, n), "whole": random.integers(0, 4, n).astype(float),
            "constant": np.full(n, random.normal()), "skewed": random.lognormal(size=n),
        }[kind] * size  # fmt: skip
        gaps = random.random(n) < draw(st.sampled_from([0.0, 0.1, 0.6]))
        gaps[random.integers(n)] = False
        column[gaps] = np.nan
        columns.append(column)
    return np.stack(columns, axis=1)


def close(got, want, x, scale, tolerance):
    """Within `tolerance` of the largest number that was rounded on the way: an offset many scales wide costs digits."""
    size = np.nanmax(np.abs(x) / scale, initial=1.0)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * size)


@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(x=tables())
def test_scaling_is_scikit_learns(name, x):
    ours, theirs = PAIRS[name]
    ours, theirs = ours.fit(x), theirs.fit(x)
    scale = np.where(np.isnan(ours.scale), 1, ours.scale)
    new = np.where(np.isnan(x), x, 1.5 * x + 1)
    with jax.enable_x64(True):
        close(ours.transform(new), theirs.transform(new), new, scale, 1e-12)
        z = theirs.transform(x)
        np.testing.assert_allclose(
            ours.inverse(z), theirs.inverse_transform(z), rtol=1e-12, atol=1e-12 * np.nanmax(np.abs(x))
        )
    new = new.astype(np.float32)
    close(ours.transform(new), theirs.transform(new), new, scale, 1e-6)
    assert ours.transform(new).dtype == jnp.float32


@pytest.mark.parametrize("strategy", FILLS)
@pytest.mark.parametrize("indicator", [False, True])
@settings(max_examples=12, deadline=None, derandomize=True)
@given(x=tables())
def test_filling_is_scikit_learns(strategy, indicator, x):
    ours = data.Impute(strategy, indicator=indicator, **FILLS[strategy]).fit(x)
    fill = FILLS[strategy].get("value")
    theirs = SimpleImputer(strategy=strategy, add_indicator=indicator, fill_value=fill, keep_empty_features=True).fit(x)
    with jax.enable_x64(True):
        np.testing.assert_allclose(ours.transform(x), theirs.transform(x), rtol=1e-12)
        if indicator:
            z = theirs.transform(x)
            np.testing.assert_array_equal(ours.inverse(z), theirs.inverse_transform(z))
    np.testing.assert_allclose(ours.transform(x), theirs.transform(x), rtol=1e-6)


@pytest.mark.parametrize("t", [data.Standardize(), data.MinMax(), data.Robust()], ids=lambda t: type(t).__name__)
def test_corners_of_scaling(t):
    """A constant column, one without any value, and NaN among numbers."""
    x = np.array([[1.0, 3.0, np.nan], [np.nan, 3.0, np.nan], [5.0, 3.0, np.nan]])
    z = np.asarray(t.fit(x).transform(x))
    assert np.isnan(z).tolist() == np.isnan(x).tolist()
    assert z[:, 1].tolist() == [0.0] * 3
    np.testing.assert_array_equal(t.fit(x).inverse(z), x)
    # What had no value when fitted passes as it is: it was neither shifted nor scaled.
    assert np.asarray(t.fit(x).transform([[0.0, 0.0, 42.0]]))[0, 2] == 42.0


def test_columns_without_a_value_are_filled_with_the_value_given():
    x = np.full((3, 1), np.nan)
    for strategy in ("mean", "median", "most_frequent"):
        assert data.Impute(strategy).fit(x).transform(x).ravel().tolist() == [0, 0, 0]
        assert data.Impute(strategy, value=9.0, indicator=True).fit(x).transform(x)[0].tolist() == [9, 1]


@pytest.mark.parametrize("t", NUMERIC, ids=lambda t: type(t).__name__)
def test_under_jit_vmap_and_grad(t, rng):
    x = jnp.asarray(rng.normal(size=(6, 3)), jnp.float32).at[1, 2].set(jnp.nan)
    t = t.fit(x)
    want = t.transform(x)
    np.testing.assert_allclose(jax.jit(t.transform)(x), want, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda t, x: t.transform(x))(t, x), want, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(t.transform)(x), want, rtol=1e-6)
    slope = jax.grad(lambda x: jnp.nansum(t.transform(x)))(x)
    scale = np.ones(3) if isinstance(t, data.Impute) else t.scale
    wanted = np.broadcast_to(1 / scale, x.shape).copy()
    wanted[1, 2] = 0
    np.testing.assert_allclose(slope, wanted, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
def test_floats_keep_their_dtype_and_others_become_floats(dtype, rng):
    x = rng.integers(0, 9, (8, 2))
    for t in NUMERIC:
        t = t.fit(x)
        got = t.transform(jnp.asarray(x, dtype))
        assert got.dtype == dtype
        assert t.transform(x).dtype == t.transform(x > 4).dtype == jnp.float32
        np.testing.assert_allclose(got.astype(jnp.float32), t.transform(x), rtol=float(jnp.finfo(dtype).eps))


def test_where_says_what_counts(rng):
    x = rng.normal(size=(9, 4))
    where = np.arange(9)[:, None] < 6
    for t in NUMERIC:
        masked, short = t.fit(x, where=where), t.fit(x[:6])
        np.testing.assert_array_equal(masked.transform(x), short.transform(x))


def test_statistics_of_channels(rng):
    x = rng.normal(size=(5, 4, 4, 3)) * [1, 2, 3] + [4, 5, 6]
    s = data.Standardize(axis=(0, 1, 2)).fit(x)
    z = s.transform(x)
    np.testing.assert_allclose(z.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(z.std((0, 1, 2)), 1, rtol=1e-5)
    np.testing.assert_allclose(s.transform(x[0, :2]), z[0, :2], rtol=1e-5)
    assert s.mean.shape == (1, 1, 3)


def test_fitting_leaves_the_first_as_it_was(rng):
    s = data.Standardize()
    assert s.fit(rng.normal(size=(3, 2))).mean is not None and s.mean is None


def test_log_and_clip():
    x = np.array([[0.0, 9.0], [np.nan, 99.0]])
    np.testing.assert_allclose(data.Log().fit(x).transform(x), np.log1p(x), rtol=1e-6)
    np.testing.assert_allclose(data.Log(0.5).inverse(data.Log(0.5).transform(x)), x, rtol=1e-5, atol=1e-6)
    assert data.Clip(high=10.0).fit(x).transform(x)[:, 1].tolist() == [9, 10]
    assert np.isnan(data.Clip(0.0, 1.0).transform(x)[1, 0])


def test_empty_batches_pass():
    for t in NUMERIC:
        assert t.fit(np.ones((2, 3))).transform(np.ones((0, 3))).shape == (0, 3)


X, T = np.ones((4, 2)), np.array(["a", "b"])
S = data.Standardize().fit(X)
ERRORS = [
    (lambda: data.Standardize().fit(X[:0]), ValueError, r"Standardize: x must have at least one example .*\(0, 2\)"),
    (lambda: data.MinMax().fit(3.0), ValueError, "MinMax: x must have an axis of examples"),
    (lambda: data.Robust().fit(T), TypeError, "Robust: x must hold numbers, got text; OneHot and Ordinal"),
    (lambda: data.Robust().fit([1.0, "a", None]), TypeError, "Robust: x must hold numbers, got 'a'; OneHot"),
    (lambda: data.Robust().fit(np.array([1, X], object)), TypeError, "Robust: x must hold numbers, got array"),
    (lambda: data.Robust().fit(X * 1j), TypeError, "Robust: x must hold numbers, got complex128"),
    (lambda: data.Standardize().fit([[1.0], [np.inf]]), ValueError, r"x must be finite, got inf at \(1, 0\)"),
    (lambda: S.transform(np.ones((4, 3))), ValueError, r"features it was fitted on, \(\*, 2\), got \(4, 3\)"),
    (lambda: S.inverse(np.ones(3)), ValueError, r"features it was fitted on, \(\*, 2\), got \(3,\)"),
    (lambda: S.transform(1.0), ValueError, r"features it was fitted on, \(\*, 2\), got \(\)"),
    (lambda: data.Standardize().transform(X), ValueError, r"Standardize: not fitted yet; use what Standardize\(...\)"),
    (lambda: data.MinMax().inverse(X), ValueError, "MinMax: not fitted yet"),
    (lambda: data.Impute().transform(X), ValueError, "Impute: not fitted yet"),
    (lambda: data.Standardize(axis=1).fit(X), ValueError, "Standardize: axis must hold 0, the examples"),
    (lambda: data.Standardize(axis=(0, 2)).fit(X), ValueError, "Standardize: axis must be axes of x"),
    (lambda: S.fit(X, where=np.ones(3, bool)), ValueError, "where must broadcast to x"),
    (lambda: S.fit(X, where=np.ones((4, 1))), TypeError, "where must be boolean, got float64"),
    (lambda: data.MinMax(1.0, 1.0), ValueError, "MinMax: low must be below high"),
    (lambda: data.Robust((0.7, 0.2)), ValueError, "Robust: quantiles must rise and lie between 0 and 1"),
    (lambda: data.Robust((0.1, 0.2, 0.3)), ValueError, "Robust: the number of quantiles must be 2, got 3"),
    (lambda: data.Impute("avarage"), ValueError, "Impute: strategy must be one of 'mean'"),
    (lambda: data.Impute("constant"), ValueError, "Impute: value must be given"),
    (lambda: data.Impute("constant", value="x").fit(X), TypeError, "Impute: value must be a number for numbers"),
    (lambda: data.Impute("constant", value=1.0).fit(T), TypeError, "Impute: value must be text for text"),
    (lambda: data.Impute("mean").fit(T), TypeError, 'strategy must be "most_frequent" or "constant" for text'),
    (lambda: data.Impute("most_frequent", indicator=True).fit(T), ValueError, "indicator and where are for numbers"),
    (lambda: data.Impute(indicator=True).fit(X[0]), ValueError, r"x must be \(N, F\) for indicator=True"),
    (lambda: data.Impute().fit(X).inverse(X), ValueError, "Impute: inverse needs indicator=True"),
    (lambda: data.Impute(indicator=True).fit(X).inverse(X[:, :1]), ValueError, "must have 2 features and 0 indicators"),
    (lambda: data.Impute("most_frequent").fit(T).transform(T[:, None].repeat(2, 1)), ValueError, "must have 1 columns"),
    (lambda: data.Log().fit([[-1.0]]), ValueError, r"Log: x \+ shift must be above 0, got -1.0 \+ 1.0"),
    (lambda: data.Clip(), ValueError, "Clip: low or high must be given"),
    (lambda: data.Clip(2.0, 1.0), ValueError, "Clip: low must not exceed high"),
]  # fmt: skip


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_error(case):
    f, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        f()
