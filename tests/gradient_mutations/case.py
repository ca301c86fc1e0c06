"""One gradient to judge: a function, where to judge it, and what is known about it."""

import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

LOW = ("float16", "bfloat16")
WIDE = ("float64", "complex128")


@dataclass(frozen=True, eq=False)
class Case:
    """A function whose gradient is known to be right, or known to be wrong.

    `kind` says where its derivative comes from: "vjp" (`jax.custom_vjp`, so no forward mode), "jvp" (`jax.custom_jvp`)
    or "plain" (JAX's own rules). `make_args()` returns NumPy arrays, the same in every run. `truth` is a plain function
    with the same values and the right derivative; without one, `f` is plain itself, or `frozen` says why no plain
    function can be compared. For a mutant, `wrong_by` is the least relative error of its worst element, or its least
    error in ULPs of `dtype` where `ulps`; `where` says in which use it is wrong ("everywhere", "eager", "jit", "vmap",
    "low precision", "raises", "value", "reverse") and `order` at which derivative.
    """

    name: str
    group: str
    kind: str
    size: int
    dtype: str
    f: Callable[..., Any]
    make_args: Callable[[], tuple[Any, ...]]
    mutant: bool
    truth: Callable[..., Any] | None = None
    order: int = 1
    wrong_by: float = 0.0
    ulps: bool = False
    where: str = "everywhere"
    rounding: float = 1e-8
    note: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def forward(self) -> bool:
        """Whether forward mode works."""
        return self.kind != "vjp"

    @property
    def x64(self) -> bool:
        return self.dtype in WIDE

    def scope(self) -> AbstractContextManager[Any]:
        """The precision the case is to be run in: JAX makes float32 of a float64 argument without it."""
        return jax.enable_x64(True) if self.x64 else nullcontext()


def generator(*names: Any) -> np.random.Generator:
    """Draws that depend on the names alone."""
    return np.random.default_rng(zlib.crc32("/".join(map(str, names)).encode()))


def is_float(leaf: Any) -> bool:
    """Whether a leaf is differentiable: real or complex floating point."""
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.inexact)


def cast(tree: Any, dtype: str) -> Any:
    """The floating point leaves of a tree in another dtype; complex leaves only ever in a complex one."""

    def leaf(x: Any) -> Any:
        if not is_float(x):
            return x
        if jnp.issubdtype(x.dtype, jnp.complexfloating) and not dtype.startswith("complex"):
            return x.astype("complex128" if dtype == "float64" else "complex64")
        return x.astype(jnp.dtype(dtype))

    return jax.tree.map(leaf, tree)


def with_vjp(f: Callable[..., Any], pull: Callable[[tuple[Any, ...], Any], tuple[Any, ...]]) -> Callable[..., Any]:
    """`f` with the reverse rule `pull(args, cotangent) -> cotangents`."""
    ruled = jax.custom_vjp(lambda *args: f(*args))  # f's own signature may have options, which would become arguments
    ruled.defvjp(lambda *args: (f(*args), args), lambda args, c: tuple(pull(args, c)))
    return ruled


def with_jvp(f: Callable[..., Any], push: Callable[[tuple[Any, ...], tuple[Any, ...]], Any]) -> Callable[..., Any]:
    """`f` with the forward rule `push(args, tangents) -> tangent`."""
    ruled = jax.custom_jvp(lambda *args: f(*args))
    ruled.defjvp(lambda args, tangents: (f(*args), push(args, tangents)))
    return ruled
