"""What each gradient checker says of a case."""

import importlib.util
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads as jax_check_grads

from jaxml import gradcheck

from .case import Case, cast, is_float

NO_REFERENCE = "no reference"
MAX_TORCH = 128  # PyTorch's Jacobians are full: one evaluation for each input, and one for each output


class NotApplicable(Exception):
    """The checker cannot judge such a case; says why."""


@dataclass(frozen=True)
class Verdict:
    """`outcome`: "caught" or "missed" of a mutant, "cleared" or "accused" of a correct case; of either "inconclusive"
    or "not applicable". `note` is the checker's own word, or why not."""

    case: str
    checker: str
    outcome: str
    note: str
    seconds: float


def judge(checker: str, case: Case) -> Verdict:
    """One checker's verdict on one case. An exception is a verdict only where the rule itself is made to raise."""
    start = time.perf_counter()
    try:
        with warnings.catch_warnings(), case.scope(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            wrong, note = CHECKERS[checker](case)
        outcome = _outcome(case, wrong)
    except NotApplicable as why:
        outcome, note = "not applicable", str(why)
    except Exception as error:
        note = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        outcome = "caught" if case.where == "raises" else "not applicable"
    return Verdict(case.name, checker, outcome, note, round(time.perf_counter() - start, 3))


def _outcome(case: Case, wrong: bool | None) -> str:
    if wrong is None:
        return "inconclusive"
    if case.mutant:
        return "caught" if wrong else "missed"
    return "accused" if wrong else "cleared"


def _jaxml(case: Case, **options: Any) -> tuple[bool | None, str]:
    report = gradcheck.check(case.f, *case.make_args(), order=case.order, **options)
    wrong = {"wrong": True, "nan": True, "inconclusive": None}.get(report.verdict, False)
    worst = [leaf for leaf in report.leaves if leaf.verdict == report.verdict]
    reason = f": {worst[0].path}, {worst[0].method}, {worst[0].reason}" if worst else ""
    return wrong, " ".join(f"{report.verdict}{reason}".split())[:200]


def _jaxml_reference(case: Case) -> tuple[bool | None, str]:
    if case.truth is None:
        raise NotApplicable(NO_REFERENCE)
    return _jaxml(case, reference=case.truth)


def _arrays(case: Case) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function and its arguments with JAX's arrays for NumPy's, which have no `at` and which the peers hand on."""
    made = lambda tree: jax.tree.map(lambda x: jnp.asarray(x) if is_float(x) else x, tree)  # noqa: E731
    return (lambda *args: case.f(*made(args))), made(case.make_args())


def _numerical(case: Case, check: Callable[..., Any]) -> tuple[bool, str]:
    f, args = _arrays(case)
    try:
        check(f, args, order=case.order, modes=["fwd", "rev"] if case.forward else ["rev"])
    except AssertionError as error:
        return True, " ".join(str(error).split())[:160]
    return False, ""


def _torch(case: Case) -> tuple[bool, str]:
    if importlib.util.find_spec("torch") is None:
        raise NotApplicable("PyTorch is not installed")
    if case.dtype not in ("float32", "float64"):
        raise NotApplicable(f"{case.dtype} is not bridged")
    with jax.enable_x64(True):
        leaves, tree = jax.tree.flatten(cast(case.make_args(), "float64"))
    places = [i for i, x in enumerate(leaves) if is_float(x)]
    if case.size > MAX_TORCH:
        raise NotApplicable(f"more than {MAX_TORCH} inputs")
    if any(np.iscomplexobj(leaves[i]) for i in places):
        raise NotApplicable("complex arguments are not bridged")

    def f(*xs: Any) -> tuple[Any, ...]:
        new = list(leaves)
        for i, x in zip(places, xs, strict=True):
            new[i] = x
        return tuple(y for y in jax.tree.leaves(case.f(*jax.tree.unflatten(tree, new))) if is_float(y))

    return _torch_gradcheck(f, [leaves[i] for i in places], case)


def _torch_gradcheck(f: Callable[..., Any], point: list[Any], case: Case) -> tuple[bool, str]:
    import torch
    from torch.autograd.gradcheck import GradcheckError  # the package's attribute of that name is the function

    with jax.enable_x64(True):
        jit = case.where not in ("jit", "eager")
        try:
            outputs = sum(math.prod(y.shape) for y in jax.eval_shape(f, *map(jnp.asarray, point)))
        except jax.errors.ConcretizationTypeError:  # a branch by value
            outputs, jit = 0, False
    if outputs > 2 * MAX_TORCH:
        raise NotApplicable(f"more than {2 * MAX_TORCH} outputs")
    inputs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in point]
    apply = _bridge(f, jit=jit)
    try:
        torch.autograd.gradcheck(apply, inputs)
        if case.order == 2:
            torch.autograd.gradgradcheck(apply, inputs)
    except GradcheckError as error:
        return True, " ".join(str(error).split())[:160]
    return False, ""


def _bridge(f: Callable[..., Any], *, jit: bool) -> Callable[..., Any]:
    """A JAX function as one of PyTorch's, whose backward is the bridge of its pull-back, so differentiable again."""
    import torch

    run = jax.jit(f) if jit else f

    def evaluate(*tensors: Any) -> tuple[Any, ...]:
        with jax.enable_x64(True):  # the scope is the thread's own, and backward may run in another
            ys = run(*[jnp.asarray(t.detach().numpy()) for t in tensors])
            return tuple(torch.from_numpy(np.array(y)) for y in ys)

    def pull(*both: Any, n: int) -> tuple[Any, ...]:
        return jax.vjp(f, *both[:n])[1](tuple(both[n:]))

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *xs: Any) -> Any:
            ctx.save_for_backward(*xs)
            return evaluate(*xs)

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            xs = ctx.saved_tensors
            nonlocal back
            back = back or _bridge(lambda *both: pull(*both, n=len(xs)), jit=jit)
            return back(*xs, *cotangents)

    back: Callable[..., Any] | None = None
    return Function.apply


CHECKERS: dict[str, Callable[[Case], tuple[bool | None, str]]] = {
    "jaxml": _jaxml,
    "jaxml, reference=": _jaxml_reference,
    "check_grads": lambda case: _numerical(case, jax_check_grads),
    "chex": lambda case: _numerical(case, chex.assert_numerical_grads),
    "torch": _torch,
}
