"""A custom gradient with what its check needs."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxml.gradcheck._check import check
from jaxml.gradcheck._report import GradReport


class Gradient(NamedTuple):
    """A custom gradient to be checked: `f` against autodiff of `reference` at the arguments `make_args(seed)` gives.

    order: 2 where the derivative of the gradient is checked too.
    """

    name: str
    f: Callable[..., Any]
    reference: Callable[..., Any] | None
    make_args: Callable[[int], tuple[Any, ...]]
    order: int = 2

    def check(self, *, seed: int = 0) -> GradReport:
        """The report on it; `seed` draws the arguments as well."""
        args = self.make_args(seed)
        return check(self.f, *args, reference=self.reference, order=self.order, seed=seed, name=self.name)
