"""Bad input, swept over all that is public: the same mistake is the same kind of error everywhere."""

import inspect
import itertools
import typing
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _case import Case, normal
from cases import ALL

import jaxml.functional as F

pytestmark = pytest.mark.usefixtures("unchecked_types")
KEY = jax.random.key(0)


def bound(case):
    """The public function of a case, with the positional arguments and the options that the case binds."""
    f, args, options = case.fn, (), {}
    if isinstance(f, partial):
        f, args, options = f.func, f.args, f.keywords
    return (f, args, options) if getattr(F, getattr(f, "__name__", ""), None) is f else (None, (), {})


# The first case of each function, and those of functions whose cases are lambdas.
CASES = {
    "embedding": Case("", partial(F.embedding, jnp.array([1]), max_norm=1.0), normal((2, 3)), None),
    "dropout": Case("", partial(F.dropout, KEY, rate=0.5), normal((2, 3)), None),
    "multi_margin_loss": Case(
        "", F.multi_margin_loss, lambda rng, dtype: (rng.random((2, 3)).astype(dtype), np.array([0, 2])), None
    ),
    "triplet_margin_with_distance_loss": Case(
        "", partial(F.triplet_margin_with_distance_loss, distance=F.pairwise_distance), normal(*[(2, 3)] * 3), None
    ),
    "fractional_max_pool2d": Case(
        "", partial(F.fractional_max_pool2d, KEY, window=2, output_size=2), normal((1, 5, 5, 2)), None
    ),
    "fractional_max_pool3d": Case(
        "", partial(F.fractional_max_pool3d, KEY, window=2, output_size=2), normal((1, 5, 5, 5, 2)), None
    ),
}
for case in ALL:
    if (f := bound(case)[0]) is not None:
        CASES.setdefault(f.__name__, case)
# Losses of which every case is a function of its own: two matrices.
for name in F.__all__:
    if name.endswith("_loss") or "entropy" in name:
        CASES.setdefault(name, Case("", getattr(F, name), normal((2, 3), (2, 3)), None))


def having(name):
    """Public functions that take this argument."""
    return [n for n in F.__all__ if callable(f := getattr(F, n)) and name in inspect.signature(f).parameters]


def arguments(name, rng):
    """What a case calls a function with, all by name."""
    f, args, options = bound(CASES[name])
    arrays = [jnp.asarray(a) for a in CASES[name].make_args(rng, np.float32)]
    return {**inspect.signature(f).bind(*args, *arrays, **options).arguments}


def call(name, given):
    return getattr(F, name)(**given)


@pytest.mark.parametrize("name", having("axis"))
def test_axis_that_does_not_exist(name, rng):
    with pytest.raises(ValueError, match=f"^{name}: axis 9 does not exist"):
        call(name, arguments(name, rng) | {"axis": 9})


# Of several arrays with shapes of their own: tests/test_errors_random.py has the errors of the attentions.
ATTENTION = {"multi_head_attention", "additive_attention"}


@pytest.mark.parametrize("name", sorted({*having("key")} - ATTENTION))
@pytest.mark.parametrize("key", [0, None, jnp.ones(2), [1, 2]], ids=["int", "None", "floats", "list"])
def test_key_of_the_wrong_kind(name, key, rng):
    """Also where there is nothing to draw, so that it is found before training begins."""
    with pytest.raises(TypeError, match=f"^{name}: key must be (a|one) jax.random.key, got"):
        call(name, arguments(name, rng) | {"key": key})


@pytest.mark.parametrize("name", sorted({*having("rate")} - ATTENTION))
@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan")])
def test_rate_that_is_no_probability(name, rate, rng):
    with pytest.raises(ValueError, match=f"^{name}: rate must lie"):
        call(name, arguments(name, rng) | {"rate": rate})


@pytest.mark.parametrize("name", having("label_smoothing"))
@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_smoothing_that_is_no_probability(name, share, rng):
    with pytest.raises(ValueError, match=f"^{name}: label_smoothing must lie"):
        call(name, arguments(name, rng) | {"label_smoothing": share})


def required(name):
    """The arrays that a function cannot do without."""
    parameters = inspect.signature(getattr(F, name)).parameters
    given = arguments(name, np.random.default_rng(0))
    optional = {n for n, p in parameters.items() if type(None) in typing.get_args(p.annotation)}
    return [n for n, a in given.items() if isinstance(a, jax.Array) and n not in {*optional, "key"}]


ALL_CASES = sorted({*CASES} & {*F.__all__})


@pytest.mark.parametrize("name", ALL_CASES)
def test_what_is_no_array(name, rng):
    """`None`, which an optional array may be, and what is no array at all."""
    given = arguments(name, rng)
    for which, wrong in itertools.product(required(name), (None, "x", 3.5, object())):
        with pytest.raises(
            TypeError, match=f"^{name}: {which} must be (an array( of [a-z]+)?|an integer array|integers), got"
        ):
            call(name, given | {which: wrong})


def options(name, kind):
    """The options of a function that are numbers, or flags."""
    parameters = inspect.signature(getattr(F, name)).parameters.values()
    return [p.name for p in parameters if p.annotation in kind and p.kind is p.KEYWORD_ONLY]


NUMBERS = [float, float | None, float | jax.Array]


@pytest.mark.parametrize("name", [n for n in ALL_CASES if options(n, [float])])
def test_option_that_is_no_number(name, rng):
    given = arguments(name, rng)
    for option, wrong in itertools.product(options(name, [float]), (None, "x", (), {}, jnp.ones(3))):
        with pytest.raises((TypeError, ValueError), match=f"^{name}: {option} must"):
            call(name, given | {option: wrong})


@pytest.mark.parametrize("name", [n for n in ALL_CASES if options(n, NUMBERS)])
def test_flag_that_is_given_for_a_number(name, rng):
    """It would count as 1 or 0."""
    given = arguments(name, rng)
    for option, wrong in itertools.product(options(name, NUMBERS), (True, False, np.True_, np.array(False))):
        with pytest.raises(TypeError, match=f"^{name}: {option} must be a number, got {wrong}$"):
            call(name, given | {option: wrong})


# The largest entry is a norm, and Welsch's loss a limit; anything may be written into an image.
MAY_BE_INFINITE = {("general_robust_loss", "alpha"): [-np.inf], ("pad", "value"): [-np.inf, np.inf, np.nan]}
MAY_BE_INFINITE |= {("cutout", "value"): [-np.inf, np.inf, np.nan], ("embedding", "max_norm"): [np.inf]}
MAY_BE_INFINITE |= {(name, "order"): [np.inf] for name in having("order")}


@pytest.mark.parametrize("name", [n for n in ALL_CASES if options(n, NUMBERS)])
def test_number_that_is_not_finite(name, rng):
    given = arguments(name, rng)
    for option, wrong in itertools.product(options(name, NUMBERS), (np.inf, -np.inf, np.nan)):
        if wrong not in MAY_BE_INFINITE.get((name, option), ()):
            with pytest.raises(ValueError, match=f"^{name}: {option} must"):
                call(name, given | {option: wrong})


@pytest.mark.parametrize("key", MAY_BE_INFINITE)
def test_number_that_may_be_infinite(key):
    """The test above would not see that it is refused."""
    name, option = key
    given = arguments(name, np.random.default_rng(0))
    for value in MAY_BE_INFINITE[key]:
        jax.eval_shape(lambda value=value: call(name, given | {option: value}))


HASHED = [("pairwise_distance", "eps"), ("triplet_margin_loss", "eps"), ("margin_ranking_loss", "margin")]


@pytest.mark.parametrize(("name", "option"), [*((n, "order") for n in having("order") if "lp" not in n), *HASHED])
def test_number_that_is_an_array(name, option, rng):
    """Without axes it is a number, which JAX cannot hash as it is."""
    given = arguments(name, rng)
    for number in (np.array(1.5), jnp.float32(1.5)):
        jax.eval_shape(lambda number=number: call(name, given | {option: number}))


@pytest.mark.parametrize("name", [n for n in ALL_CASES if options(n, [bool])])
def test_flag_that_is_neither_true_nor_false(name, rng):
    """The word "false" would count as True."""
    given = arguments(name, rng)
    for flag, wrong in itertools.product(options(name, [bool]), ("false", None, 2.0, jnp.ones(3))):
        with pytest.raises(TypeError, match=f"^{name}: {flag} must be True or False, got"):
            call(name, given | {flag: wrong})


@pytest.mark.parametrize("name", having("ignore_index"))
def test_ignored_class_that_is_no_integer(name, rng):
    for wrong in ("x", 1.5, True, (1, 2)):
        with pytest.raises(TypeError, match=f"^{name}: ignore_index must be an integer or None, got"):
            call(name, arguments(name, rng) | {"ignore_index": wrong})


PROBABILITIES = [
    ("binary_cross_entropy_from_probabilities", "probabilities"), ("dice_loss", "predictions"),
    ("tversky_loss", "predictions"), ("kl_divergence", "targets"), ("wasserstein_loss", "predictions"),
    ("wasserstein_loss", "targets"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "which"), PROBABILITIES)
def test_probability_outside_its_range(name, which):
    """An error where the value is known; traced it is not, and goes through."""
    inside = jnp.full((2, 3), 1 / 3)
    given = dict.fromkeys(list(inspect.signature(getattr(F, name)).parameters)[:2], inside)
    ends = jnp.array([0.0, 0.0, 1.0 if "entropy" in name else 1 + 1e-7])  # as a sum may be rounded
    assert jnp.isfinite(call(name, given | {which: inside.at[0].set(ends)})).all()
    for wrong in (-0.25, 1.25, jnp.inf):
        outside = given | {which: inside.at[1, 2].set(wrong)}
        with pytest.raises(ValueError, match=f"^{name}: {which} must be probabilities, in \\[0, 1\\], got {wrong:g}$"):
            call(name, outside)
        assert jax.jit(partial(call, name))(outside).shape == (2,)
        mask = jnp.ones((2,) if which == "targets" or name == "wasserstein_loss" else (2, 3), bool).at[1].set(False)
        assert jnp.isfinite(call(name, outside | {"where": mask})).all()


@pytest.mark.parametrize("name", sorted({*having("where")} - ATTENTION))
def test_mask_that_is_not_boolean(name, rng):
    with pytest.raises(TypeError, match=f"^{name}: where must be boolean, got float32"):
        call(name, arguments(name, rng) | {"where": jnp.ones((2, 3))})


def second(name):
    """The second array of a loss, which goes with the first."""
    return list(inspect.signature(getattr(F, name)).parameters)[1]


LOSSES = [n for n in having("where") if n.endswith(("_loss", "_divergence")) or "entropy" in n]


@pytest.mark.parametrize("name", LOSSES)
def test_an_axis_too_many(name, rng):
    """`(N, ..., 1)` beside `(N, ...)` is an error, and never a loss of all pairs."""
    given = arguments(name, rng)
    for axis in (-1, 0):
        with pytest.raises(ValueError, match=f"^{name}: "):
            call(name, given | {second(name): jnp.expand_dims(given[second(name)], axis)})


INTEGER = [
    n for n in having("labels")
    if n in LOSSES and jnp.issubdtype(np.asarray(arguments(n, np.random.default_rng(0))["labels"]).dtype, jnp.integer)
]  # fmt: skip


@pytest.mark.parametrize("name", sorted({*INTEGER} - {"circle_loss", "multilabel_margin_loss"}))
def test_label_that_is_no_class(name, rng):
    """NaN for its example: under `jit` it can be told in no other way, and eager code does the same."""
    given = arguments(name, rng)
    for wrong in (-7, 10_000):
        loss = call(name, given | {"labels": given["labels"].at[...].set(wrong)})
        assert jnp.isnan(loss).any(), wrong
