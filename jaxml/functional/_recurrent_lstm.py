"""A long short-term memory over time with its gradient by hand: gates are kept, weights wait until after the loop."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.functional._dtypes import wide
from jaxml.functional._recurrent_blocks import over_time
from jaxml.functional._recurrent_gates import (
    back_in_time,
    biases,
    kept,
    of_mask,
    of_share,
    over_rows,
    parted,
    seen,
    sigmoid,
    state_is_saved,
    transposed,
    transposed_before,
)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def lstm_scan(
    reverse: bool,
    x: Array,
    w_ih: Array,
    w_hh: Array,
    b: Array,
    h0: Array,
    c0: Array,
    inside: Array | None,
    mask: Array | None,
    shares: tuple[Array | None, Array | None],
) -> tuple[Array, Array, Array]:
    """Outputs `(T, B, H)` and the last h and c of `x`, `(T, B, I)`; `inside` `(T, B, 1)` says which steps exist.

    `mask`, `(B, H)`, multiplies h before `w_hh`; `shares` of the old h and c, `(T, B, H)`, stay.

    The derivative is defined everywhere. It carries the cotangents of h and c backwards, each step one product with
    `w_hhᵀ`; those of the weights are one product each over all steps. The backward pass is made of operations that
    have derivatives, so that higher orders are right.
    """
    return _forward(reverse, False, x, w_ih, w_hh, b, h0, c0, inside, mask, shares)[:3]


def _forward(
    reverse: bool,
    keep: bool,
    x: Array,
    w_ih: Array,
    w_hh: Array,
    b: Array,
    h0: Array,
    c0: Array,
    inside: Array | None,
    mask: Array | None,
    shares: tuple[Array | None, Array | None],
) -> tuple[Array, Array, Array, Any]:
    dtype, bs, whole = x.dtype, biases(b, 4), state_is_saved(inside, mask, shares)

    def step(state: tuple[Array, Array], inputs: Any) -> Any:
        (h, c), (projected, within, (share_h, share_c)) = state, inputs
        products = jnp.split(jnp.matmul(seen(mask, h), w_hh), 4, 1)
        i, f, g, o = (wide(u) + wide(v) + b for u, v, b in zip(projected, products, bs, strict=True))
        i, f, g, o = sigmoid(i), sigmoid(f), jnp.tanh(g), sigmoid(o)
        new_c = f * wide(c) + i * g
        new_h = (o * jnp.tanh(new_c)).astype(dtype)
        new_h, new_c = kept(within, share_h, new_h, h), kept(within, share_c, new_c.astype(dtype), c)
        saved = (c, *(a.astype(dtype) for a in (i, f, g, o)), *((h,) if whole else ())) if keep else ()
        return (new_h, new_c), (new_h if within is None else jnp.where(within, new_h, 0), saved)

    (h, c), (y, saved) = over_time(step, (h0, c0), x, w_ih, 4, (inside, shares), reverse=reverse, keep=keep)
    return y, h, c, saved


def _fwd(reverse: bool, x: Array, w_ih: Array, w_hh: Array, b: Array, h0: Array, c0: Array, *varied: Any) -> Any:
    y, h, c, saved = _forward(reverse, True, x, w_ih, w_hh, b, h0, c0, *varied)
    return (y, h, c), (x, w_ih, w_hh, h0, y, saved, *varied)


def _bwd(reverse: bool, residuals: Any, cotangents: Any) -> Any:
    x, w_ih, w_hh, h0, y, saved, inside, mask, shares = residuals
    dy, dh, dc = map(jnp.asarray, cotangents)
    dtype, back = x.dtype, transposed(w_hh)

    def step(state: tuple[Array, Array], inputs: Any) -> Any:
        (dh, dc), (dy, within, (share_h, share_c), saved) = state, inputs
        c, i, f, g, o, *h = map(wide, saved)
        dh = dh + (wide(dy) if within is None else jnp.where(within, wide(dy), 0))
        new = f * c + i * g
        t = jnp.tanh(new)
        old = h[0] if h else None
        d_shares = of_share(within, share_h, dh, o * t, old), of_share(within, share_c, dc, new, c)
        dh, dh_past = parted(within, share_h, dh)
        dc, dc_past = parted(within, share_c, dc)
        dc = dc + dh * o * (1 - t * t)
        d = jnp.concatenate(
            [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * t * o * (1 - o)], 1
        ).astype(dtype)
        dh, dc = seen(mask, wide(jnp.matmul(d, back))), dc * f
        return (dh + dh_past, dc + dc_past), (d, d_shares)

    (dh, dc), (d, d_shares) = back_in_time(step, (wide(dh), wide(dc)), (dy, inside, shares, saved), reverse)
    h = saved[5] if len(saved) > 5 else None
    h_before = transposed_before(y, h0, reverse) if h is None else transposed(seen(mask, h))
    d_mask = of_mask(mask, d, w_hh, h)
    dx, db = jnp.matmul(d, w_ih.T), wide(d).sum((0, 1)).astype(dtype)
    dw_ih, dw_hh = over_rows(transposed(x), d), over_rows(h_before, d)
    return dx, dw_ih, dw_hh, db, dh.astype(dtype), dc.astype(dtype), None, d_mask, d_shares


lstm_scan.defvjp(_fwd, _bwd)
