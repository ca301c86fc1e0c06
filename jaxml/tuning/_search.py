"""Grid and random search: every setting with every seed, side by side in one compiled program."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxml.functional._checks import check_choice, check_positive
from jaxml.tuning._distributions import Distribution, numbers
from jaxml.tuning._result import Search

Train = Callable[..., Array]


def grid_search(
    key: Array,
    train: Train,
    space: Mapping[str, Sequence[Any] | np.ndarray],
    *,
    mode: str,
    seeds: int = 1,
    chunk: int | None = None,
) -> Search:
    """`train(key, **setting)` at every combination of the values in `space`, with `seeds` keys each.

    All S R trainings of the S settings and R seeds are one program, compiled once, in which they run side by side by
    `jax.vmap`; a setting sees the same keys as the others, so that they differ by the setting alone.

    train: a pure function of a key and the hyper-parameters by name, which it gets as scalars, that returns its score
        as one number, such as the accuracy on examples held out. What changes the program, a width or the name of a
        rule, is no hyper-parameter here: search once for each.
    space: a sequence of numbers for each hyper-parameter. mode: "min" or "max", which score is better.
    chunk: how many trainings run side by side, the rest after them in the same program; all, unless given. Memory is
        that of so many.

    Raises:
        ValueError: an empty space, a hyper-parameter without values, a learning rate that is not above 0, an unknown
            mode, a score that is not one number.
        TypeError: values that are not numbers, names that `train` does not take.

    >>> space = {"x": [1.0, 2.0], "y": [0.5]}
    >>> found = grid_search(jax.random.key(0), lambda key, x, y: (x - 2) ** 2 + y, space, mode="min")
    >>> found.best, float(found.best_score)
    ({'x': 2.0, 'y': 0.5}, 0.5)
    """
    name = "grid_search"
    _check(name, train, space, mode, seeds, chunk)
    axes = [numbers(name, f"space[{key!r}]", values) for key, values in space.items()]
    crossed = np.meshgrid(*axes, indexing="ij")
    settings = {key: axis.ravel() for key, axis in zip(space, crossed, strict=True)}
    return _search(name, key, train, settings, mode, seeds, chunk)


def random_search(
    key: Array,
    train: Train,
    space: Mapping[str, Distribution],
    *,
    draws: int,
    mode: str,
    seeds: int = 1,
    chunk: int | None = None,
) -> Search:
    """`train(key, **setting)` at `draws` settings drawn from `space`, with `seeds` keys each, as `grid_search` does.

    Of a few hyper-parameters that matter among many it tries `draws` values each, where a grid of as many trainings
    tries few.

    space: a `LogUniform`, `Uniform`, `Integers` or `Choice` for each hyper-parameter.

    Raises:
        ValueError: as `grid_search`, and `draws` below 1.
        TypeError: as `grid_search`, and for a space of anything but distributions.

    Reference: Bergstra and Bengio 2012, "Random Search for Hyper-Parameter Optimization", JMLR 13.

    >>> from jaxml import tuning
    >>> space = {"x": tuning.Uniform(0.0, 4.0)}
    >>> found = random_search(jax.random.key(0), lambda key, x: (x - 2) ** 2, space, draws=100, mode="min")
    >>> abs(found.best["x"] - 2) < 0.2
    True
    """
    name = "random_search"
    check_positive(name, "draws", [draws])
    _check(name, train, space, mode, seeds, chunk)
    for what, distribution in space.items():
        if not isinstance(distribution, Distribution):
            raise TypeError(
                f"{name}: space[{what!r}] must be a LogUniform, Uniform, Integers or Choice, got {distribution!r}; "
                f"what is to be the same for all belongs in train, by functools.partial"
            )
    key, *drawing = jax.random.split(key, 1 + len(space))
    settings = {
        what: np.asarray(distribution.sample(own, draws))
        for own, (what, distribution) in zip(drawing, space.items(), strict=True)
    }
    return _search(name, key, train, settings, mode, seeds, chunk)


def _search(
    function: str,
    key: Array,
    train: Train,
    settings: dict[str, np.ndarray],
    mode: str,
    seeds: int,
    chunk: int | None,
) -> Search:
    for name, values in settings.items():
        if name.endswith("learning_rate") and not (values > 0).all():
            raise ValueError(f"{function}: space[{name!r}] must be above 0, got {values.min():g}; leave it out")
    n = len(next(iter(settings.values()))) * seeds
    chunk = min(chunk or n, n)

    @jax.jit
    def scores(keys: Array, settings: dict[str, Array]) -> Array:
        def one(index: Array) -> Array:
            setting = {name: values[index // seeds] for name, values in settings.items()}
            return _score(function, train(keys[index % seeds], **setting))

        rounds = -(-n // chunk)
        index = jnp.arange(rounds * chunk, dtype=jnp.int32) % n  # the last round is filled up with the first again
        return jax.lax.map(jax.vmap(one), index.reshape(rounds, chunk)).ravel()[:n]

    try:
        found = scores(jax.random.split(key, seeds), {name: jnp.asarray(v) for name, v in settings.items()})
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerIntegerConversionError) as error:
        error.add_note(
            f"{function}: hyper-parameters are traced values: of one that decides what the program is, such as a "
            f"width, search once for each value, with functools.partial"
        )
        raise
    return Search(settings, np.asarray(found, np.float64).reshape(-1, seeds), mode)


def _score(function: str, score: Any) -> Array:
    score = jnp.asarray(score)
    if score.shape != ():
        raise ValueError(f"{function}: train must return one number, got an array {score.shape}; its last entry, say")
    return score.astype(jnp.result_type(float)) if jnp.issubdtype(score.dtype, jnp.integer) else score


def _check(function: str, train: Train, space: Mapping[str, Any], mode: str, seeds: int, chunk: int | None) -> None:
    if not callable(train):
        raise TypeError(f"{function}: train must be a function of a key and hyper-parameters, got {train!r}")
    if not isinstance(space, Mapping):
        raise TypeError(f"{function}: space must map names to values, got {type(space).__name__}")
    if not space:
        raise ValueError(f"{function}: space must not be empty: name at least one hyper-parameter and its values")
    check_choice(function, "mode", mode, ("min", "max"))
    check_positive(function, "seeds", [seeds])
    if chunk is not None:
        check_positive(function, "chunk", [chunk])
    try:
        inspect.signature(train).bind("key", **dict.fromkeys(space))
    except TypeError as error:
        raise TypeError(
            f"{function}: train must take (key, {', '.join(f'{name}=' for name in space)}): {error}"
        ) from None
    except ValueError:  # a function that does not say what it takes
        pass
