"""A plain formula where its result is finite, and the careful one, right at the ends of the dtype too, where it is not.

A guard of every element in front of a sum costs XLA:CPU a tenth to a half of the time again. Whether one was needed the
sums tell afterwards, one number an example: on a CPU the plain formula goes first, and the careful one follows in a
`lax.cond` where a number is not finite. On other platforms, where a guard is free and a branch waits for the host, the
careful one is all there is. Derivatives are always those of the careful one.
"""

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Form = Callable[..., Any]


def guarded(
    plain: Form,
    careful: Form,
    *arrays: jax.Array,
    finish: Form | None = None,
    shared: bool = False,
    **options: Any,
) -> Any:
    """`plain(*arrays, **options)` where all of it is finite, else `careful(*arrays, **options)`.

    With `finish`, what must be finite is a first step, and `finish(first, *arrays, **options)` the result. The two
    forms agree wherever that is so. `shared` says that the derivative needs what the careful form computes: where it
    is asked for, the value is that form's too. All are functions of a module, not closures: outside of `jax.jit` those
    would be compiled at each call.
    """
    return _guarded(plain, careful, finish, shared, tuple(options.items()), *arrays)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2, 3, 4))
@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def _guarded(
    plain: Form,
    careful: Form,
    finish: Form | None,
    shared: bool,
    options: tuple[tuple[str, Any], ...],
    *arrays: jax.Array,
) -> Any:
    plain, careful = partial(plain, **dict(options)), partial(careful, **dict(options))
    finish = None if finish is None else partial(finish, **dict(options))
    return lax.platform_dependent(*arrays, cpu=partial(unless_infinite, plain, careful, finish), default=careful)


@_guarded.defjvp
def _guarded_jvp(plain, careful, finish, shared, options, arrays, tangents):
    value, tangent = jax.jvp(partial(careful, **dict(options)), arrays, tangents)
    return value if shared else _guarded(plain, careful, finish, shared, options, *arrays), tangent


def unless_infinite(plain: Form, careful: Form, finish: Form | None, *arrays: jax.Array) -> Any:
    """`guarded` without a derivative, on every platform.

    Under `vmap` all goes one way; a `lax.cond` for each would compute both.
    """

    @jax.custom_batching.custom_vmap
    def chosen(*arrays: jax.Array) -> Any:
        first = plain(*arrays)
        sizes = [jnp.abs(a) for a in jax.tree.leaves(first)]
        if len({a.shape for a in sizes}) == 1:  # one reduction for all
            sizes = [functools.reduce(jnp.maximum, sizes)]
        finite = jnp.isfinite(functools.reduce(jnp.maximum, [jnp.max(a, initial=0) for a in sizes]))
        usual = (lambda first, *_: first) if finish is None else finish
        return lax.cond(finite, usual, lambda _, *arrays: careful(*arrays), first, *arrays)

    @chosen.def_vmap
    def _(_, batched, *arrays):
        axes = [0 if b else None for b in batched]
        then = None if finish is None else jax.vmap(finish, [0, *axes])
        found = unless_infinite(jax.vmap(plain, axes), jax.vmap(careful, axes), then, *arrays)
        return found, jax.tree.map(lambda _: True, found)

    return chosen(*arrays)
