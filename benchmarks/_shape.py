"""The shape of one convolution layer."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A square image through a square convolution, padded by half the kernel, as PyTorch's `padding=k // 2`."""

    size: int
    in_channels: int
    out_channels: int
    stride: int = 1
    kernel: int = 3

    @property
    def out(self) -> int:
        return -(-self.size // self.stride)

    def __str__(self) -> str:
        return f"{self.size}px {self.in_channels}>{self.out_channels} k{self.kernel} s{self.stride}"
