"""From `f` and its arguments to functions that can be examined: in float64 where `f` runs there, and in its own dtype.

What stands in the way is found here, before any number is compared: `f` raises, gives nothing floating, cannot be
traced, cannot be differentiated.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from jaxml.gradcheck._errors import CheckError
from jaxml.gradcheck._function import Function, Scope, real_call
from jaxml.gradcheck._leaves import Leaves, epsilon
from jaxml.gradcheck._stopped import freeze, has_primitive, narrowest, only_jax, stops, stops_inside, trace

ACCURATE = 1e-10  # an epsilon below this is float64's


@dataclass(frozen=True)
class Prepared:
    """`truth` runs at `xs`, in float64 unless a note says otherwise; `native` in the caller's dtypes.

    plain: nothing in `f` but JAX's own primitives.
    broken: the text of what pulling a cotangent back raised, where the outputs could be computed.
    """

    truth: Function
    native: Function
    xs: list[np.ndarray]
    natives: list[np.ndarray]
    precision: float
    trusted: bool
    plain: bool
    broken: str
    notes: list[str]

    @property
    def accurate(self) -> bool:
        """The truth is float64's, so it can judge the native dtypes."""
        return self.truth.scope.x64 and self.precision < ACCURATE

    def in_own_dtype(self) -> "Prepared":
        """Examined in the caller's dtypes, as where float64 is not available."""
        xs = [x.astype(y.dtype) for x, y in zip(self.xs, self.natives, strict=True)]
        return replace(self, truth=self.native, xs=xs, precision=max(epsilon(x.dtype) for x in xs))


def prepare(f: Callable[..., Any], leaves: Leaves, label: str = "f") -> Prepared:
    """Raises `CheckError` where `f` (called `label` in the message) cannot be examined."""
    call, notes = real_call(f, leaves), []
    own = Scope(x64=False)
    natives = leaves.reals(leaves.native_dtypes())
    compiled = _runs(call, natives, own, label)
    if not compiled:
        notes.append(f"{label} cannot be traced by jit, so every evaluation runs it step by step")
    native = Function(call, lambda base: call, own, compiled)

    truth, xs = native, natives
    doubles = leaves.reals([np.dtype(np.float64)] * len(natives))
    if jax.numpy.result_type(float) == np.float64 and all(x.dtype == np.float64 for x in natives):
        truth, xs = Function(call, lambda base: call, Scope(x64=True), compiled), natives
    else:
        candidate = Function(call, lambda base: call, Scope(x64=True), compiled)
        error = _failure(candidate, doubles)
        if error is None:
            truth, xs = candidate, doubles
        else:
            notes.append(
                f"{label} does not run in float64 ({type(error).__name__}: {_first(error)}), so its own dtype is "
                "examined, with larger tolerances"
            )
    precision, trusted = max(epsilon(x.dtype) for x in xs), True
    plain = False
    if truth.compiled:
        with truth.scope():
            closed = trace(truth.call, xs)
        found = [str(a.dtype) for a in closed.out_avals] + ([n] if (n := narrowest(closed, precision)) else [])
        coarse = max(found, key=epsilon)
        if epsilon(coarse) > precision:
            precision = epsilon(coarse)
            notes.append(f"{label} rounds to {coarse} inside, so differences are judged with tolerances of that dtype")
        if stops(closed):
            truth = Function(call, freeze(closed), truth.scope, compiled)
        trusted, plain = not stops_inside(closed), only_jax(closed)
    broken = _broken(truth, xs, label)
    return Prepared(truth, native, xs, natives, precision, trusted, plain, broken, notes)


def _runs(call: Callable[..., Any], xs: list[np.ndarray], scope: Scope, label: str) -> bool:
    """True where `call` can be traced, False where it runs only step by step; a `CheckError` where it does not run."""
    try:
        with scope():
            ys = jax.eval_shape(call, xs)
        compiled = True
    except Exception:
        compiled = False
        try:
            with scope():
                ys = call(jax.tree.map(jax.numpy.asarray, xs))
        except Exception as error:
            raise CheckError(f"check: calling {label} raised {type(error).__name__}: {_first(error)}") from error
    if not any(y.size for y in ys):
        raise CheckError(f"check: {label} returns no floating output, so there is nothing to differentiate")
    return compiled


def _failure(function: Function, xs: list[np.ndarray]) -> Exception | None:
    """What stops the function from running at `xs`, forwards."""
    try:
        with function.scope():
            if function.compiled:
                jax.eval_shape(function.call, xs)
            else:
                function.call(jax.tree.map(jax.numpy.asarray, xs))
    except Exception as error:
        return error
    return None


def _broken(function: Function, xs: list[np.ndarray], label: str) -> str:
    """The text of an error that a backward rule causes, else "". No rule at all is a `CheckError`."""

    def forwards(xs: list[Any]) -> list[Any]:
        return jax.vjp(function.call, xs)[0]

    def backwards(xs: list[Any]) -> list[Any]:
        ys, pull = jax.vjp(function.call, xs)
        return pull(jax.tree.map(jax.numpy.ones_like, ys))[0]

    run = jax.eval_shape if function.compiled else lambda f, xs: f(jax.tree.map(jax.numpy.asarray, xs))
    with function.scope():
        try:
            run(forwards, xs)
        except Exception as error:
            raise _undifferentiable(label, error) from error
        try:
            run(backwards, xs)
        except Exception as error:
            custom = not function.compiled or has_primitive(
                trace(function.call, xs), "custom_vjp_call", "custom_vjp_call_jaxpr"
            )
            if not custom or "Reverse-mode differentiation does not work" in str(error):
                raise _undifferentiable(label, error) from error
            return f"{type(error).__name__}: {_first(error)}"
    return ""


def _undifferentiable(label: str, error: Exception) -> CheckError:
    return CheckError(f"check: {label} cannot be differentiated: {type(error).__name__}: {_first(error)}")


def _first(error: Exception, width: int = 300) -> str:
    """The first line of the text of an error, shortened."""
    lines = str(error).strip().splitlines() or [""]
    return lines[0] if len(lines[0]) <= width else lines[0][: width - 3] + "..."
