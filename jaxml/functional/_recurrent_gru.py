"""A gated recurrent unit over time, reset after the product, with its gradient by hand."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.functional._dtypes import wide
from jaxml.functional._recurrent_blocks import over_time
from jaxml.functional._recurrent_gates import (
    back_in_time,
    before,
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
)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def gru_scan(
    reverse: bool,
    x: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array,
    b_hh: Array,
    h0: Array,
    inside: Array | None,
    mask: Array | None,
    shares: tuple[Array | None],
) -> tuple[Array, Array]:
    """Outputs `(T, B, H)` and the last h of `x`, `(T, B, I)`; the rest is as in `lstm_scan`.

    The derivative is defined everywhere, and computed as in `lstm_scan`.
    """
    return _forward(reverse, False, x, w_ih, w_hh, b_ih, b_hh, h0, inside, mask, shares)[:2]


def _forward(
    reverse: bool,
    keep: bool,
    x: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array,
    b_hh: Array,
    h0: Array,
    inside: Array | None,
    mask: Array | None,
    shares: tuple[Array | None],
) -> Any:
    dtype, b_x, b_h, whole = x.dtype, biases(b_ih, 3), biases(b_hh, 3), state_is_saved(inside, mask, shares)

    def step(h: Array, inputs: Any) -> Any:
        projected, within, (share,) = inputs
        products = jnp.split(jnp.matmul(seen(mask, h), w_hh), 3, 1)
        r_x, z_x, n_x = (wide(a) + b for a, b in zip(projected, b_x, strict=True))
        r_h, z_h, n_h = (wide(a) + b for a, b in zip(products, b_h, strict=True))
        r, z = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
        n = jnp.tanh(n_x + r * n_h)
        new = kept(within, share, (n + z * (wide(h) - n)).astype(dtype), h)
        saved = (*(a.astype(dtype) for a in (r, z, n, n_h)), *((h,) if whole else ())) if keep else ()
        return new, (new if within is None else jnp.where(within, new, 0), saved)

    h, (y, saved) = over_time(step, h0, x, w_ih, 3, (inside, shares), reverse=reverse, keep=keep)
    return y, h, saved


def _fwd(reverse: bool, x: Array, w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array, h0: Array, *varied: Any) -> Any:
    y, h, saved = _forward(reverse, True, x, w_ih, w_hh, b_ih, b_hh, h0, *varied)
    return (y, h), (x, w_ih, w_hh, h0, y, saved, *varied)


def _bwd(reverse: bool, residuals: Any, cotangents: Any) -> Any:
    x, w_ih, w_hh, h0, y, (r, z, n, n_h, *h), inside, mask, shares = residuals
    dy, dh = map(jnp.asarray, cotangents)
    dtype, back, size = x.dtype, transposed(w_hh), w_hh.shape[0]
    h_before = h[0] if h else before(y, h0, reverse)

    def step(dh: Array, inputs: Any) -> Any:
        dy, within, (share,), saved = inputs
        r, z, n, n_h, h = map(wide, saved)
        dh = dh + (wide(dy) if within is None else jnp.where(within, wide(dy), 0))
        d_share = of_share(within, share, dh, n + z * (h - n), h)
        dh, past = parted(within, share, dh)
        d_n = dh * (1 - z) * (1 - n * n)
        d_r, d_z, d_h = d_n * n_h * r * (1 - r), dh * (h - n) * z * (1 - z), d_n * r
        d = jnp.concatenate([d_r, d_z, d_h], 1).astype(dtype)
        dh = seen(mask, wide(jnp.matmul(d, back))) + dh * z
        return dh + past, (d, d_n.astype(dtype), (d_share,))

    xs = (dy, inside, shares, (r, z, n, n_h, h_before))
    dh, (d, d_n, d_shares) = back_in_time(step, wide(dh), xs, reverse)
    d_mask = of_mask(mask, d, w_hh, h_before)
    d_rz, two = d[..., : 2 * size], 2 * size
    dx = jnp.matmul(d_rz, w_ih[:, :two].T) + jnp.matmul(d_n, w_ih[:, two:].T)
    x_t = transposed(x)
    dw_ih = jnp.concatenate([over_rows(x_t, d_rz), over_rows(x_t, d_n)], 1)
    dw_hh = over_rows(transposed(seen(mask, h_before)), d)
    db = wide(d).sum((0, 1)).astype(dtype)
    db_ih = jnp.concatenate([db[:two], wide(d_n).sum((0, 1)).astype(dtype)])
    return dx, dw_ih, dw_hh, db_ih, db, dh.astype(dtype), None, d_mask, d_shares


gru_scan.defvjp(_fwd, _bwd)
