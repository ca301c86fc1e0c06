"""What `type_checks` installs refuses what jaxtyping's own decorator refuses, for every closure of a definition."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import jax.numpy as jnp
import jaxtyping
import pytest
import type_checks
from jaxtyping import Array, Float

import jaxml.functional as F


def typed(function):
    return type_checks.jaxtyped(function, typechecker=type_checks.CHECKER)


def test_the_library_is_under_it():
    assert F.relu.__wrapped__.__module__.startswith("jaxml.")
    with pytest.raises(jaxtyping.TypeCheckError, match="w"):
        F.linear(jnp.ones(3), "w", jnp.ones(3))


def scaled(by: float) -> Callable[..., Any]:
    @typed
    def scale(x: Float[Array, "n"], other: Float[Array, "n"], *, extra: int = 0) -> Float[Array, "n"]:
        out = by * x + other + extra
        return out if by < 10 else out[1:]

    return scale


def test_closures_share_checks_and_keep_their_own_values():
    made = len(type_checks.MADE)
    double, triple, broken = scaled(2), scaled(3), scaled(10)
    assert len(type_checks.MADE) <= made + 1
    x = jnp.arange(3.0)
    assert [float(f(x, x, extra=1)[2]) for f in (double, triple)] == [7, 9]
    with pytest.raises(jaxtyping.TypeCheckError) as caught:
        broken(x, x)
    assert "n=3" in "".join(caught.value.__notes__)
    for arguments in ((x, x[1:]), (x, x.astype(int)), (x, 1.0)):
        with pytest.raises(jaxtyping.TypeCheckError):
            double(*arguments)
    with pytest.raises(TypeError, match="missing"):
        double(x)
    with pytest.raises(jaxtyping.TypeCheckError):
        double(x, x, extra="1")
    assert double(x[:2], x[:2]).shape == (2,)  # sizes are not kept from one call to the next


def test_without_shapes(unchecked_types):
    @typed
    def count(n: int, *rest: str, low: float = 0.0) -> Iterator[int] | None:
        return iter([n]) if low < 1 else "text"

    count("text", low=2.0)
    jaxtyping.config.update("jaxtyping_disable", False)
    assert list(count(3, "a", low=0)) == [3]
    for arguments, options in (((1.0,), {}), ((1, 2), {}), ((1,), {"low": "0"}), ((1,), {"low": 2.0})):
        with pytest.raises(jaxtyping.TypeCheckError):
            count(*arguments, **options)


def test_what_has_shapes():
    shapes = Float[Array, "n"]
    for annotation in (shapes, shapes | None, list[shapes], Callable[[shapes], int], Annotated[shapes, 1], "Array"):
        assert type_checks.has_shapes(annotation)
    for annotation in (int, Array, Any, None, Callable[..., Array], tuple[int, ...] | None):
        assert not type_checks.has_shapes(annotation)


def test_an_annotation_without_a_hash():
    def f(x: Annotated[int, []]) -> int:
        return x

    checked = typed(f)
    assert checked(1) == 1
    with pytest.raises(jaxtyping.TypeCheckError):
        checked("1")
