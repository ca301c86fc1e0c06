"""The static geometry of a sliding window, and which outputs each of its taps can reach."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Reach:
    """Along one axis, tap `i` feeds outputs `lo..hi-1`; output `lo` reads input position `start`."""

    lo: int
    hi: int
    start: int

    def __len__(self) -> int:
        return max(self.hi - self.lo, 0)


@dataclasses.dataclass(frozen=True)
class Window:
    """Input size, kernel, stride, dilation and padding of a window, and the channel multiplier beside it."""

    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    multiplier: int = 1

    @property
    def output(self) -> tuple[int, ...]:
        """Number of output positions along each axis."""
        return tuple(
            (size + sum(pads) - (k - 1) * d - 1) // s + 1
            for size, k, s, d, pads in zip(
                self.spatial, self.kernel, self.stride, self.dilation, self.pads, strict=True
            )
        )

    def reaches(self, axis: int) -> tuple[Reach, ...]:
        """For each tap of `axis`, the outputs whose tap lies inside the input: `0 <= o*s + i*d - before < size`."""
        size, s, d = self.spatial[axis], self.stride[axis], self.dilation[axis]
        before = self.pads[axis][0]
        reaches = []
        for i in range(self.kernel[axis]):
            offset = i * d - before
            lo = max(0, -(offset // s))
            hi = max(lo, min(self.output[axis], (size - 1 - offset) // s + 1))
            reaches.append(Reach(lo, hi, lo * s + offset))
        return tuple(reaches)
