"""Will it fit? Linux promises memory it does not have and then kills the process, and with it every row before, so the
host is asked beforehand. An accelerator refuses by itself."""

from collections.abc import Callable
from typing import Any

import jax

from jaxml.data._memory import available


def require(size: float) -> None:
    """`MemoryError` when `size` more bytes would not fit into the host's memory."""
    if size > (free := available()):
        raise MemoryError(f"{size:.3g} bytes are needed, {free:.3g} are there")


def require_for(f: Callable[..., Any], *args: Any, temp_bytes: int | None) -> None:
    """The same for one run of the compiled `f(*args)`, where the device's memory is the host's."""
    if jax.default_backend() == "cpu":
        jaxpr = jax.make_jaxpr(f)(*args)
        require((temp_bytes or 0) + sum(a.size * a.dtype.itemsize for a in jaxpr.out_avals) + _patches(jaxpr.jaxpr))


def _patches(jaxpr: Any) -> int:
    """Bytes of the largest matrix of patches: XLA:CPU makes one in a convolution, and leaves it out of its figures."""
    largest = 0
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "conv_general_dilated":
            out, w = eqn.outvars[0].aval, eqn.invars[1].aval
            channels = w.shape[eqn.params["dimension_numbers"].rhs_spec[0]]
            largest = max(largest, (out.size // channels) * (w.size // channels) * 4)  # float32 always
        parts = [p for value in eqn.params.values() for p in (value if isinstance(value, tuple | list) else (value,))]
        inner = [getattr(part, "jaxpr", part) for part in parts]
        largest = max([largest, *(_patches(part) for part in inner if hasattr(part, "eqns"))])
    return largest
