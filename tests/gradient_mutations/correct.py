"""The table of correct cases: the base functions with their rules unbroken, and the hard ones of two more files."""

from functools import partial
from itertools import cycle

import jax

from .bases import BASES
from .case import LOW, Case
from .correct_hard import HARD, right
from .correct_maths import MATHS
from .mutants import HALF_BASES, REVERSE_ONLY
from .mutants_special import SECOND, normal
from .mutations import Mutation, broken, drawn, size_of

UNBROKEN = Mutation("right rule", lambda tree: tree, 0.0)


def unbroken(group: str, base: str, n: int, dtype: str, kind: str, order: int = 1) -> Case:
    """A base function with its right rule."""
    size, at = size_of(base, n), f", order {order}" if order > 1 else ""
    f, make, truth = broken(base, UNBROKEN, kind), partial(drawn, base, n, dtype), BASES[base].f
    return Case(
        f"{base}: right rule{at} [{kind}, {dtype}, {size}]", group, kind, size, dtype, f, make, False, truth, order
    )


def rules() -> list[Case]:
    """Every base function by both rules, at every size, and in half precision."""
    dtypes, cases = cycle(["float32", "float64", "float64", "float32"]), []
    for base in BASES:
        for n in BASES[base].sizes:
            cases.append(unbroken("right rule", base, n, next(dtypes), "vjp"))
            if base not in REVERSE_ONLY:
                cases.append(unbroken("right rule", base, n, next(dtypes), "jvp"))
    for base in HALF_BASES:
        for n, kind in zip(BASES[base].sizes[:4:2], ("vjp", "jvp"), strict=False):
            cases += [unbroken("low precision", base, n, dtype, kind) for dtype in LOW]
    return cases


def second_order() -> list[Case]:
    """Right to the second derivative."""
    cases = []
    for base, sizes in SECOND.items():
        kinds = cycle(["vjp", "jvp"])
        for n, dtype in zip(sizes, ("float64", "float32", "float32"), strict=False):
            cases.append(unbroken("second order", base, n, dtype, next(kinds), order=2))
    for title, f in [
        ("x^3 at 0", lambda x: x**3),
        ("sin", jax.numpy.sin),
        ("log-cosh", lambda x: jax.numpy.log(jax.numpy.cosh(x))),
        ("softplus", jax.nn.softplus),
        ("norm", lambda x: jax.numpy.sqrt((x**2).sum() + 1)),
        ("logsumexp", jax.nn.logsumexp),
        ("linear", lambda x: 3 * x),
    ]:
        x = normal(7)
        x[2] = 0.0
        cases += right("second order", f"{title}, order 2", f, x, order=2)
    return cases


CORRECT: list[Case] = [*rules(), *second_order(), *HARD, *MATHS]
