"""The counts of a program while it is walked, by scope and primitive."""

from dataclasses import dataclass

from jaxml.flops._cost import Cost

Scope = tuple[str, ...]


@dataclass(frozen=True)
class Product:
    """One execution of a matrix product, a convolution or a kernel: what no compiler fuses away."""

    dtype: str
    flops: int
    bytes: int


class Tally:
    """Costs by `(scope, primitive)`, how often each product runs, and what could not be counted."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Scope, str], Cost] = {}
        self.products: dict[Product, int] = {}
        self.uncounted: dict[str, str] = {}

    def add(self, scope: Scope, name: str, cost: Cost) -> None:
        key = (scope, name)
        self.rows[key] = self.rows[key] + cost if key in self.rows else cost

    def product(self, dtype: str, flops: int, nbytes: int) -> None:
        """One execution; a roofline needs each apart, since its own bytes set the bandwidth."""
        key = Product(dtype, flops, nbytes)
        self.products[key] = self.products.get(key, 0) + 1

    def merge(self, other: "Tally", times: int = 1) -> None:
        """All that `other` has, `times` over."""
        for (scope, name), cost in other.rows.items():
            self.add(scope, name, cost * times if times != 1 else cost)
        for product, number in other.products.items():
            self.products[product] = self.products.get(product, 0) + number * times
        if times:
            for name, reason in other.uncounted.items():
                self.miss(name, reason)

    def miss(self, name: str, reason: str) -> None:
        known = self.uncounted.get(name)
        if known is None:
            self.uncounted[name] = reason
        elif reason not in known:
            self.uncounted[name] = f"{known}; {reason}"

    def total(self) -> Cost:
        return sum(self.rows.values(), Cost())

    def cost(self, params: int | None = None) -> Cost:
        """The whole, with its parts."""
        primitives: dict[str, Cost] = {}
        scopes: dict[str, Cost] = {}
        for (scope, name), part in self.rows.items():
            _add(primitives, name, part)
            for depth in range(len(scope)):
                _add(scopes, "/".join(scope[: depth + 1]), part)
        whole = self.total()
        return Cost(
            whole.macs,
            whole.other,
            whole.transcendentals,
            whole.bytes,
            whole.activations,
            params,
            primitives,
            scopes,
            self.uncounted,
        )


def _add(parts: dict[str, Cost], name: str, part: Cost) -> None:
    parts[name] = parts.get(name, Cost()) + part


def by_flops(tally: Tally) -> tuple[int, int, int]:
    """What makes one of several tallies the costliest: its FLOPs, then its transcendentals, then its bytes."""
    whole = tally.total()
    return whole.flops, whole.transcendentals, whole.bytes
