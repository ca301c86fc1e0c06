"""Padding of images, as an operation of its own."""

import jax.numpy as jnp
from jaxtyping import Array, Shaped

from jaxml.functional._checks import check_choice, check_number, check_positive, check_rank
from jaxml.functional._padding import Padding, explicit_pads

# What jnp.pad calls them.
_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(
    x: Shaped[Array, "N *spatial C"], *, padding: Padding, mode: str = "constant", value: float = 0.0
) -> Shaped[Array, "N *padded C"]:
    """Pad the spatial axes of `(N, *spatial, C)`, of any dtype, with a constant or with what is in the image.

    `padding` is an int, one int an axis, or one `(before, after)` pair an axis. `mode` is PyTorch's word: "constant"
    (of `value`), "reflect" (about the first and last pixel, not repeating it), "replicate" (the first and last again)
    or "circular". A circular convolution is `conv2d(pad(x, padding=1, mode="circular"), w, padding="VALID")`, and
    likewise for the others; a causal one needs none of it: `conv1d(x, w, padding=(((kw - 1) * dilation, 0),))`.

    Errors: ValueError for a wrong rank, padding or mode, an empty image, a reflection that is not smaller than the
    image, or a circular padding larger than it.

    >>> pad(jnp.arange(3).reshape(1, 3, 1), padding=2, mode="reflect").ravel().tolist()
    [2, 1, 0, 1, 2, 1, 0]
    """
    check_rank("pad", "x", x, (3, 4, 5), "(N, *spatial, C)")
    check_choice("pad", "mode", mode, tuple(_MODES))
    check_number("pad", "value", value)
    spatial = x.shape[1:-1]
    check_positive("pad", "the spatial size of x", spatial)
    widths = explicit_pads("pad", padding, len(spatial), words=())
    within = {"reflect": 1, "circular": 0}.get(mode)
    if within is not None and any(max(pair) > size - within for pair, size in zip(widths, spatial, strict=True)):
        raise ValueError(
            f"pad: {mode} padding must be at most the image's size{' - 1' if within else ''}, got {widths} "
            f"(x: {x.shape})"
        )
    options = {"constant_values": value} if mode == "constant" else {}
    return jnp.pad(x, ((0, 0), *widths, (0, 0)), _MODES[mode], **options)
