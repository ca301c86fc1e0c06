"""`count`: the cost of a function, from its jaxpr."""

import inspect
import math
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr
from jax.interpreters import partial_eval

from jaxml.flops import (  # noqa: F401  the rules enter themselves into the table
    _rules_attention,
    _rules_conv,
    _rules_elementwise,
    _rules_linalg,
    _rules_moves,
    _rules_opaque,
    _rules_products,
    _rules_random,
    _rules_reduce,
    _rules_sparse,
)
from jaxml.flops._cost import Cost
from jaxml.flops._errors import CountError
from jaxml.flops._walk import Walker

PADDING = ("include", "exclude")
BRANCH = ("max", "min")


def count(
    f: Callable[..., Any],
    *args: Any,
    padding: str = "include",
    trip_count: int | None = None,
    branch: str | int = "max",
    params: str | int | None = None,
) -> Cost:
    """What `f(*args)` costs, in exact integers, from its jaxpr: nothing is run and nothing is compiled.

    args: arrays, `jax.ShapeDtypeStruct`s, or pytrees of either, of any size.
    padding: "include" counts every tap of every output position, as the papers do; "exclude" leaves out taps that read
        padding. Zeros put between inputs never count, so a transposed convolution, and the d/dx and d/dw of a
        convolution, cost what the forward pass costs.
    trip_count: the steps of each `while` whose number cannot be proved. Without it such a loop is in `uncounted`.
    branch: which branch of a `cond` or `switch` counts: "max" the costliest, "min" the cheapest, an int the one with
        this index.
    params: the name or position of the argument that holds the parameters, for `Cost.params`.

    Matrix products and convolutions are MACs; one MAC makes 2 FLOPs. Other arithmetic, comparisons, logic and
    selections are one FLOP an element, of integers too; transcendentals are counted apart, conversions and moves are
    nothing. A scan counts its body as often as it runs. A gradient is counted as the program it is: `count(jax.grad(f),
    x)`. What the result does not depend on is left out, as a compiler would.

    Errors: `CountError` for a function that cannot be traced with these arguments (its error is kept as the cause), for
    an option that does not exist, a `trip_count` that no loop needs, and `params` that are no argument. What has no
    rule is no error: it is named in `uncounted`.

    >>> x = jax.ShapeDtypeStruct((8, 784), "float32")
    >>> w = jax.ShapeDtypeStruct((784, 10), "float32")
    >>> cost = count(lambda x, w: jax.nn.relu(x @ w), x, w, params="w")
    >>> cost.macs, cost.flops, cost.params
    (62720, 125520, 7840)
    """
    check_options(padding=padding, trip_count=trip_count, branch=branch)
    walker = Walker(padding, branch, trip_count)
    tally, _ = walker.walk(traced(f, *args), ())
    if trip_count is not None and not walker.used_trip_count:
        raise CountError(
            f"count: trip_count={trip_count} was given, but {_name(f)} has no while loop of unknown length"
        )
    return tally.cost(None if params is None else _elements(f, args, params))


def check_options(*, padding: str, trip_count: int | None, branch: str | int) -> None:
    """`CountError` for values that do not exist."""
    if padding not in PADDING:
        raise CountError(f"count: padding must be 'include' or 'exclude', got {padding!r}{_near(padding, PADDING)}")
    if branch not in BRANCH and (not isinstance(branch, int) or isinstance(branch, bool) or branch < 0):
        raise CountError(f"count: branch must be 'max', 'min' or an index, got {branch!r}{_near(branch, BRANCH)}")
    if trip_count is not None and (not isinstance(trip_count, int) or trip_count < 0):
        raise CountError(f"count: trip_count must be an int of at least 0, got {trip_count!r}")


def traced(f: Callable[..., Any], *args: Any) -> ClosedJaxpr:
    """The jaxpr of `f(*args)` without what its result does not need."""
    if not callable(f):
        raise CountError(f"count: f must be a function, got {type(f).__name__}")
    try:
        # A jitted function knows which of its arguments are static.
        closed = f.trace(*args).jaxpr if isinstance(f, jax.stages.Wrapped) else jax.make_jaxpr(f)(*args)
    except Exception as error:
        shapes = ", ".join(map(_shapes, args))
        message = str(error).strip().split("\n")[0] or type(error).__name__
        raise CountError(f"count: {_name(f)}({shapes}) cannot be traced: {type(error).__name__}: {message}") from error
    sizes = {n for v in closed.jaxpr.invars for n in getattr(v.aval, "shape", ())}
    if symbolic := [str(n) for n in sizes if not isinstance(n, int)]:
        raise CountError(f"count: every size must be a number, got {', '.join(sorted(symbolic))}")
    jaxpr, _ = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars), instantiate=True)
    return ClosedJaxpr(jaxpr, closed.consts)


def _elements(f: Callable[..., Any], args: tuple[Any, ...], params: str | int) -> int:
    """The number of elements in an argument."""
    names = list(range(len(args)))
    chosen: dict[Any, Any] = dict(enumerate(args))
    if isinstance(params, str):
        try:
            chosen = dict(inspect.signature(f).bind(*args).arguments)
        except (TypeError, ValueError):
            chosen = {}
        names = list(chosen)
    if params not in chosen:
        known = ", ".join(map(repr, names)) or "none"
        near = _near(params, [str(name) for name in names])
        raise CountError(f"count: params={params!r} is no argument of {_name(f)} (arguments: {known}){near}")
    return sum(math.prod(getattr(leaf, "shape", ())) for leaf in jax.tree.leaves(chosen[params]))


def _near(wrong: Any, names: Any) -> str:
    found = get_close_matches(str(wrong), names, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _name(f: Any) -> str:
    return getattr(f, "__name__", None) or type(f).__name__


def _shapes(tree: Any) -> str:
    """The arguments as they are written in a message: `float32[8,3]`, a pytree by the number of its leaves."""
    leaves = jax.tree.leaves(tree)
    if len(leaves) == 1 and hasattr(leaves[0], "shape") and leaves[0] is tree:
        return f"{getattr(tree, 'dtype', '?')}[{','.join(map(str, tree.shape))}]"
    return f"{type(tree).__name__} of {len(leaves)} arrays" if leaves and leaves[0] is not tree else repr(tree)[:40]
