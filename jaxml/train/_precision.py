"""Computing in half precision on parameters kept in full."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import DTypeLike

from jaxml.functional._dtypes import wide
from jaxml.train._step import Apply


def in_dtype(apply: Apply, dtype: DTypeLike) -> Apply:
    """`apply` on inputs cast to `dtype`, with outputs widened to float32 at least and the state in the dtypes it had.

    A model that computes in its input's dtype, as every module of `jaxml.nn` does, then computes in `dtype`, while its
    parameters, their gradients and the optimizer stay in float32, and so do the statistics of its normalisations (mixed
    precision, Micikevicius et al., arXiv:1710.03740). With float16 wrap the optimizer in `loss_scaled`.

    Errors: `ValueError` for a dtype that is not floating.

    >>> apply = in_dtype(lambda w, state, x, train: (x * w.astype(x.dtype), state), "bfloat16")
    >>> float(apply(jnp.array(1 / 3), None, jnp.array(1.0), train=True)[0])
    0.333984375
    """
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"in_dtype: dtype must be a floating type, got {dtype}")

    def narrow(a: Any) -> Any:
        return a.astype(dtype) if jnp.issubdtype(a.dtype, jnp.floating) else a

    def widen(a: Any) -> Any:
        return wide(a) if hasattr(a, "dtype") and jnp.issubdtype(a.dtype, jnp.floating) else a

    def run(params: Any, state: Any, x: Any, *, train: bool) -> tuple[Any, Any]:
        outputs, new_state = apply(params, state, jax.tree.map(narrow, x), train=train)
        new_state = jax.tree.map(
            lambda new, old: new if new.dtype == old.dtype else new.astype(old.dtype), new_state, state
        )
        return jax.tree.map(widen, outputs), new_state

    return run
