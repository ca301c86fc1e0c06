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


# Every distinct separable layer of MobileNetV1 (arXiv:1704.04861, Table 1) at 224 x 224.
MOBILENET = (
    Shape(112, 32, 64),
    Shape(112, 64, 128, stride=2),
    Shape(56, 128, 128),
    Shape(56, 128, 256, stride=2),
    Shape(28, 256, 256),
    Shape(28, 256, 512, stride=2),
    Shape(14, 512, 512),
    Shape(14, 512, 1024, stride=2),
    Shape(7, 1024, 1024),
)
