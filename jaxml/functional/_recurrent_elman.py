"""Elman's network over time with its gradient by hand: nothing is kept but the states."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.functional._dtypes import wide
from jaxml.functional._recurrent_blocks import over_time
from jaxml.functional._recurrent_cells import ACTIVATIONS
from jaxml.functional._recurrent_gates import (
    back_in_time,
    biases,
    kept,
    of_mask,
    of_share,
    over_rows,
    parted,
    seen,
    state_is_saved,
    transposed,
    transposed_before,
)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def rnn_scan(
    reverse: bool,
    activation: str,
    x: Array,
    w_ih: Array,
    w_hh: Array,
    b: Array,
    h0: Array,
    inside: Array | None,
    mask: Array | None,
    shares: tuple[Array | None],
) -> tuple[Array, Array]:
    """Outputs `(T, B, H)` and the last h of `x`, `(T, B, I)`; the rest is as in `lstm_scan`.

    The derivative of relu at 0 is 0. It is computed as in `lstm_scan`.
    """
    return _forward(reverse, activation, False, x, w_ih, w_hh, b, h0, inside, mask, shares)[:2]


def _forward(
    reverse: bool,
    activation: str,
    keep: bool,
    x: Array,
    w_ih: Array,
    w_hh: Array,
    b: Array,
    h0: Array,
    inside: Array | None,
    mask: Array | None,
    shares: tuple[Array | None],
) -> Any:
    (bias,), whole = biases(b, 1), state_is_saved(inside, mask, shares)

    def step(h: Array, inputs: Any) -> Any:
        (projected,), within, (share,) = inputs
        new = ACTIVATIONS[activation](wide(projected) + wide(jnp.matmul(seen(mask, h), w_hh)) + bias).astype(h.dtype)
        after = kept(within, share, new, h)
        return after, (after if within is None else jnp.where(within, after, 0), (new, h) if whole and keep else ())

    h, (y, saved) = over_time(step, h0, x, w_ih, 1, (inside, shares), reverse=reverse, keep=keep)
    return y, h, saved


def _fwd(reverse: bool, activation: str, x: Array, w_ih: Array, w_hh: Array, b: Array, h0: Array, *varied: Any) -> Any:
    y, h, saved = _forward(reverse, activation, True, x, w_ih, w_hh, b, h0, *varied)
    return (y, h), (x, w_ih, w_hh, h0, y, saved, *varied)


def _bwd(reverse: bool, activation: str, residuals: Any, cotangents: Any) -> Any:
    x, w_ih, w_hh, h0, y, saved, inside, mask, shares = residuals
    new, h = saved or (y, None)
    dy, dh = map(jnp.asarray, cotangents)
    dtype, back = x.dtype, transposed(w_hh)

    def step(dh: Array, inputs: Any) -> Any:
        dy, within, (share,), new, h = inputs
        dh, new = dh + (wide(dy) if within is None else jnp.where(within, wide(dy), 0)), wide(new)
        d_share = of_share(within, share, dh, new, None if h is None else wide(h))
        dh, past = parted(within, share, dh)
        d = (dh * (1 - new * new) if activation == "tanh" else jnp.where(new > 0, dh, 0)).astype(dtype)
        return seen(mask, wide(jnp.matmul(d, back))) + past, (d, (d_share,))

    dh, (d, d_shares) = back_in_time(step, wide(dh), (dy, inside, shares, new, h), reverse)
    h_before = transposed_before(y, h0, reverse) if h is None else transposed(seen(mask, h))
    d_mask = of_mask(mask, d, w_hh, h)
    dx = jnp.matmul(d, w_ih.T)
    dw_ih, dw_hh = over_rows(transposed(x), d), over_rows(h_before, d)
    return dx, dw_ih, dw_hh, wide(d).sum((0, 1)).astype(dtype), dh.astype(dtype), None, d_mask, d_shares


rnn_scan.defvjp(_fwd, _bwd)
