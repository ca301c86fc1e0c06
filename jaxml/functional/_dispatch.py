"""Which implementation `implementation=None` means: one small table, justified by benchmarks/README.md.

On a platform that nobody has measured the answer is XLA's own convolution.
"""

import math
from typing import Any

import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxml.functional._window import Window

# Beyond this many taps the unrolled sum compiles slowly.
SHIFT_MAX_TAPS = 128

# Stems: with this few input channels patches and a matrix product beat XLA:CPU's convolution, as long as the patches
# are small. A 3x3 stem on 3 channels (27 entries each) takes 3.5 ms as against 6.3, a 7x7 one (147) 41 as against 27.
IM2COL_MAX_CHANNELS = 4
IM2COL_MAX_ENTRIES = 64

# Winograd's form of 3x3 convolutions pays from this product of input and output channels on, by the larger stride. With
# few channels it loses where its arrays go beyond the 32 MiB up to which glibc keeps memory: fresh pages cost more.
WINOGRAD_MIN_PRODUCT = {1: 32 * 64, 2: 64 * 128}
WINOGRAD_MANY_CHANNELS = 128
WINOGRAD_MAX_BYTES = 2**25

# (platform, direction) -> implementation
DEPTHWISE = {
    ("cpu", "forward"): "shift",
    ("cpu", "input_grad"): "shift",
    ("cpu", "weight_grad"): "shift",
}


def depthwise_choice(platform: str | None, direction: str, window: Window) -> str:
    """`"shift"` or `"xla"` for `direction` in `forward`, `input_grad`, `weight_grad` on `platform`."""
    if window.kernel[0] * window.kernel[1] > SHIFT_MAX_TAPS:
        return "xla"
    return DEPTHWISE.get((platform or "", direction), "xla")


def conv_choice(platform: str, choices: tuple[str, ...], *, channels: int, window: Window) -> str:
    """`"im2col"` or `"xla"` for a dense convolution on `platform`."""
    entries = channels * math.prod(window.kernel)
    few = channels <= IM2COL_MAX_CHANNELS and entries <= IM2COL_MAX_ENTRIES and len(window.kernel) == 2
    return "im2col" if platform == "cpu" and few and "im2col" in choices else "xla"


def winograd_choice(
    platform: str | None, direction: str, numbers: Any, channels: tuple[int, int], stride: int, dtype: DTypeLike
) -> str:
    """`"winograd"` or `"xla"` for `direction` of a 3x3 convolution with these input and output channels.

    `numbers`: how many the scheme has of each channel, over all images; in an exported program it may be no number.
    """
    if platform != "cpu" or dtype != jnp.float32 or math.prod(channels) < WINOGRAD_MIN_PRODUCT[stride]:
        return "xla"
    held = sum(channels) if direction == "weight_grad" else max(channels)
    small = isinstance(numbers, int) and numbers * held * jnp.dtype(dtype).itemsize <= WINOGRAD_MAX_BYTES
    return "winograd" if small or min(channels) >= WINOGRAD_MANY_CHANNELS else "xla"
