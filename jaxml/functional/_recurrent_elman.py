"""Elman's network over time with its gradient by hand: nothing is kept but the states."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxml.functional._dtypes import wide
from jaxml.functional._recurrent_cells import ACTIVATIONS
from jaxml.functional._recurrent_gates import (
    all_rows,
    back_in_time,
    biases,
    kept,
    parted,
    projections,
    transposed,
    transposed_before,
)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def rnn_scan(
    reverse: bool, activation: str, x: Array, w_ih: Array, w_hh: Array, b: Array, h0: Array, inside: Array | None
) -> tuple[Array, Array]:
    """Outputs `(T, B, H)` and the last h of `x`, `(T, B, I)`; `inside` `(T, B, 1)` says which steps exist.

    The derivative of relu at 0 is 0. It is computed as in `lstm_scan`.
    """
    return _forward(reverse, activation, x, w_ih, w_hh, b, h0, inside)[:2]


def _forward(
    reverse: bool, activation: str, x: Array, w_ih: Array, w_hh: Array, b: Array, h0: Array, inside: Any
) -> Any:
    (bias,) = biases(b, 1)

    def step(h: Array, inputs: Any) -> Any:
        (projected,), within = inputs
        new = ACTIVATIONS[activation](wide(projected) + wide(jnp.matmul(h, w_hh)) + bias).astype(h.dtype)
        y = new if within is None else jnp.where(within, new, 0)
        return kept(within, new, h), (y, () if within is None else (h,))

    h, (y, saved) = lax.scan(step, h0, (projections(x, w_ih, 1), inside), reverse=reverse)
    return y, h, saved


def _fwd(reverse: bool, activation: str, x: Array, w_ih: Array, w_hh: Array, b: Array, h0: Array, inside: Any) -> Any:
    y, h, saved = _forward(reverse, activation, x, w_ih, w_hh, b, h0, inside)
    return (y, h), (x, w_ih, w_hh, h0, y, saved, inside)


def _bwd(reverse: bool, activation: str, residuals: Any, cotangents: Any) -> Any:
    x, w_ih, w_hh, h0, y, saved, inside = residuals
    dy, dh = map(jnp.asarray, cotangents)
    dtype, back = x.dtype, transposed(w_hh)

    def step(dh: Array, inputs: Any) -> Any:
        dy, within, y = inputs
        dh, past = parted(within, dh)
        dh, y = dh + (wide(dy) if within is None else jnp.where(within, wide(dy), 0)), wide(y)
        d = (dh * (1 - y * y) if activation == "tanh" else jnp.where(y > 0, dh, 0)).astype(dtype)
        dh = wide(jnp.matmul(d, back))
        return dh if within is None else dh + past, d

    dh, d = back_in_time(step, wide(dh), (dy, inside, y), reverse)
    h_before = transposed(saved[0]) if saved else transposed_before(y, h0, reverse)
    d = all_rows(d)
    dx = jnp.matmul(d, w_ih.T).reshape(x.shape)
    dw_ih, dw_hh = jnp.matmul(transposed(x), d), jnp.matmul(h_before, d)
    return dx, dw_ih, dw_hh, wide(d).sum(0).astype(dtype), dh.astype(dtype), None


rnn_scan.defvjp(_fwd, _bwd)
