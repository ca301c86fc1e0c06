"""`f` as a function from a list of real arrays to a list of real arrays, with its pull-back and its push-forward.

Everything the check does is linear algebra on real numbers: a complex leaf or output is seen as a real array with a
last axis (real part, imaginary part). JAX's convention needs no conjugate then.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxml.gradcheck._leaves import Leaves, is_inexact
from jaxml.gradcheck._rounding import rounded

Arrays = list[Any]


@dataclass(frozen=True)
class Scope:
    """The settings under which a function runs: 64-bit numbers or the caller's own; matrix products in full always."""

    x64: bool

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(jax.default_matmul_precision("highest"))
            if self.x64:
                stack.enter_context(jax.enable_x64(True))
            yield


@dataclass(frozen=True)
class Function:
    """`call` maps real arrays to real arrays; `fixed(base)` is `call` with the values stopped at `base` held fixed.

    `compiled` says whether it may be traced. Every method below runs inside `scope`.
    """

    call: Callable[[Arrays], Arrays]
    fixed: Callable[[Arrays], Callable[[Arrays], Arrays]]
    scope: Scope
    compiled: bool = True
    notes: list[str] = field(default_factory=list)
    _off: dict[float, Callable[..., Any]] = field(default_factory=dict)

    def _run(self, f: Callable[..., Any], *args: Any) -> Any:
        with self.scope():
            return f(*args)

    def _jit(self, f: Callable[..., Any]) -> Callable[..., Any]:
        return jax.jit(f) if self.compiled else f

    @cached_property
    def _jitted(self) -> dict[str, Callable[..., Any]]:
        names = {"call": self.call, "pull": self.pull_traced, "push": self.push_traced, "ladder": self.ladder_traced}
        return {name: self._jit(f) for name, f in names.items()} | {"batch": jax.jit(jax.vmap(self.pull_traced))}

    def pull_traced(self, xs: Arrays, cs: Arrays) -> tuple[Arrays, Arrays]:
        ys, pull = jax.vjp(self.call, xs)
        return ys, pull(cs)[0]

    def push_traced(self, xs: Arrays, vs: Arrays) -> tuple[Arrays, Arrays]:
        return jax.jvp(self.call, (xs,), (vs,))

    def ladder_traced(self, xs: Arrays, vs: Arrays, cs: Arrays, hs: Any) -> tuple[Any, Any]:
        """`<c, f(x + h v) - f(x)>` and `<c, f(x) - f(x - h v)>` for every step `h`: differences before the sum."""
        f = self.fixed(xs)
        base = f(xs)

        def rung(h: Any) -> tuple[Any, Any]:
            up = f([x + h.astype(x.dtype) * v for x, v in zip(xs, vs, strict=True)])
            down = f([x - h.astype(x.dtype) * v for x, v in zip(xs, vs, strict=True)])
            return _project(cs, up, base), _project(cs, base, down)

        if self.compiled:
            return lax.map(rung, hs)
        rungs = [rung(h) for h in hs]
        return jnp.stack([r[0] for r in rungs]), jnp.stack([r[1] for r in rungs])

    def pull(self, xs: Arrays, cs: Arrays) -> tuple[Arrays, Arrays]:
        """The outputs at `xs` and the gradient of `<c, f>` there, as NumPy arrays in the dtypes they came in."""
        return _numpy(self._run(self._jitted["pull"], xs, cs))

    def shapes(self, xs: Arrays) -> Arrays:
        """The shapes and dtypes of the outputs."""
        return self._run(jax.eval_shape if self.compiled else lambda f, xs: f(xs), self.call, xs)

    def values(self, xs: Arrays) -> Arrays:
        """The outputs without any differentiation."""
        return _numpy(self._run(self._jitted["call"], xs))

    def outputs(self, xs: Arrays) -> Arrays:
        """By the program of the pull-back, so that nothing more is compiled."""
        return self.pull(xs, [np.zeros(y.shape, y.dtype) for y in self.shapes(xs)])[0]

    def push(self, xs: Arrays, vs: Arrays) -> Arrays:
        """`J v`."""
        return _numpy(self._run(self._jitted["push"], xs, vs))[1]

    def pull_eagerly(self, xs: Arrays, cs: Arrays) -> tuple[Arrays, Arrays]:
        with self.scope():
            return _numpy(self.pull_traced([*map(jnp.asarray, xs)], [*map(jnp.asarray, cs)]))

    def pull_off(self, xs: Arrays, cs: Arrays, eps: float, seed: int) -> Arrays:
        """The gradient in the same dtypes, with every operation on the way off by about `eps` of its result."""
        if eps not in self._off:
            with self.scope():
                closed = jax.make_jaxpr(lambda xs, cs: self.pull_traced(xs, cs)[1])(xs, cs)
            run = rounded(closed, eps)
            self._off[eps] = jax.jit(lambda seed, xs, cs: run(seed, *xs, *cs))
        return _numpy(self._run(self._off[eps], np.uint32(seed), xs, cs))

    def pull_batch(self, xs: Arrays, cs: Arrays) -> tuple[Arrays, Arrays]:
        return _numpy(self._run(self._jitted["batch"], xs, cs))

    def ladder(self, xs: Arrays, vs: Arrays, cs: Arrays, hs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        plus, minus = self._run(lambda: self._jitted["ladder"](xs, vs, cs, jnp.asarray(hs)))
        return np.asarray(plus, np.float64), np.asarray(minus, np.float64)

    def along(self, xs: Arrays, vs: Arrays) -> "Function":
        """`[t] -> f(xs + t vs)`, of one number."""

        def moved(ts: Arrays) -> Arrays:
            return [x + ts[0].reshape(()).astype(x.dtype) * v for x, v in zip(xs, vs, strict=True)]

        return Function(
            call=lambda ts: self.call(moved(ts)),
            fixed=lambda base: lambda ts: self.fixed(moved(base))(moved(ts)),
            scope=self.scope,
            compiled=self.compiled,
        )

    def derivative(self, cs: Arrays) -> "Function":
        """`x -> gradient of <c, f>` as a function of its own. Only values that `f` itself stopped are held."""

        def gradient_of(f: Callable[[Arrays], Arrays], xs: Arrays) -> Arrays:
            return jax.vjp(f, xs)[1](cs)[0]

        return Function(
            call=lambda xs: gradient_of(self.call, xs),
            fixed=lambda base: lambda xs: gradient_of(self.fixed(base), xs),
            scope=self.scope,
            compiled=self.compiled,
        )


def real_call(f: Callable[..., Any], leaves: Leaves) -> Callable[[Arrays], Arrays]:
    """`f` on the real views of its floating leaves; of the outputs, the floating ones."""

    def call(xs: Arrays) -> Arrays:
        pairs = zip(xs, leaves.leaves, strict=True)
        values = [lax.complex(x[..., 0], x[..., 1]) if leaf.complex else x for x, leaf in pairs]
        return [_real(y) for y in jax.tree.leaves(f(*leaves.rebuild(values))) if is_inexact(y)]

    return call


def _real(y: Any) -> Any:
    y = jnp.asarray(y)
    return jnp.stack([y.real, y.imag], -1) if jnp.iscomplexobj(y) else y


def _project(cs: Sequence[Any], ys: Sequence[Any], zs: Sequence[Any]) -> Any:
    """`<c, y - z>`; entries whose weight is 0 are outputs that are infinite."""
    wide = jnp.result_type(float)  # float64 where 64-bit numbers are on
    total = jnp.zeros((), wide)
    for c, y, z in zip(cs, ys, zs, strict=True):
        total += jnp.sum(jnp.where(c == 0, 0, (y - z).astype(wide) * c.astype(wide)))
    return total


def _numpy(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)
