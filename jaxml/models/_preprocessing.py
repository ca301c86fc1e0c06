"""What has to be done to an image before a network sees it: a part of its weights."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from jaxml.functional._checks import check_choice, check_positive, check_within
from jaxml.models._extras import require

_CHANNELS = {"RGB": "RGB", "BGR": "RGB", "L": "L"}
_LARGEST = 16384  # side of a square: what a file of weights says may be a lie that fills the memory
_MOST_PIXELS = 2**27  # of an image between resize and crop: a few bytes of file can be 1 pixel wide and very long
_INTERPOLATIONS = ("bilinear", "bicubic", "nearest", "lanczos")


@dataclass(frozen=True)
class Preprocessing:
    """Image files to the array a network was trained on: `x = (pixel / scale - mean) / std`, after a resize.

    size: side of the square that the network sees.
    resize: the short side becomes so long, and the middle is cut out, as torchvision does; None squashes the whole
        image into the square, as Keras and TF-slim do.
    scale, mean, std: of pixels from 0 to 255; mean and std one number for each of `channels`, in that order.
    channels: "RGB", "BGR" or "L" (grey). Images of any other mode are converted: 16 bits are scaled to 8, transparency
        is dropped.
    interpolation: Pillow's, which averages where it shrinks: "bilinear", "bicubic", "lanczos", or "nearest".
    labels: the names of the classes, where they are known.

    Called with one image or a sequence, each a path, a Pillow image or an array of uint8 (H, W) or (H, W, 3), it
    returns float32 (N, size, size, C). Images are turned as their EXIF entry says.

    Errors: ValueError for options that make no sense, and one that names the image that cannot be read or is too narrow
    to be resized; ImportError without pillow.

    >>> import numpy as np; from jaxml import models
    >>> models.Preprocessing()(np.full((300, 200, 3), 255, np.uint8)).shape
    (1, 224, 224, 3)
    """

    size: int = 224
    resize: int | None = 256
    scale: float = 255.0
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    channels: str = "RGB"
    interpolation: str = "bilinear"
    labels: tuple[str, ...] | None = None

    def __post_init__(self):
        f = "Preprocessing"
        check_positive(f, "size", (self.size,))
        check_within(f, "size", self.size, 1, _LARGEST)
        check_choice(f, "channels", self.channels, _CHANNELS)
        check_choice(f, "interpolation", self.interpolation, _INTERPOLATIONS)
        if self.resize is not None and not (isinstance(self.resize, int) and self.resize >= self.size):
            raise ValueError(f"{f}: resize must be at least size, {self.size}, got {self.resize}")
        for name in ("mean", "std"):
            numbers = getattr(self, name)
            if len(numbers) != self.depth or not all(isinstance(x, Real) and isfinite(x) for x in numbers):
                raise ValueError(f"{f}: {name} must have {self.depth} numbers for {self.channels}, got {numbers}")
        if self.labels is not None and (
            isinstance(self.labels, str) or not all(isinstance(name, str) for name in self.labels)
        ):
            raise ValueError(f"{f}: labels must be a tuple of names, got {self.labels!r:.80}")
        if not self.scale > 0 or not all(s > 0 for s in self.std):
            raise ValueError(f"{f}: scale and std must be positive, got {self.scale} and {self.std}")

    @property
    def depth(self) -> int:
        """Channels of what comes out."""
        return 1 if self.channels == "L" else 3

    def __call__(self, images: Any) -> np.ndarray:
        listed = images if isinstance(images, Sequence) and not isinstance(images, str | bytes) else [images]
        if not listed:
            return np.zeros((0, self.size, self.size, self.depth), np.float32)
        return np.stack([self._one(image) for image in listed])

    def _one(self, image: Any) -> np.ndarray:
        opened = _opened(image, _CHANNELS[self.channels])
        pixels = np.asarray(self._square(opened, _name(image)), np.float32).reshape(self.size, self.size, self.depth)
        pixels = pixels[..., ::-1] if self.channels == "BGR" else pixels
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        return (pixels / np.float32(self.scale) - mean) / std

    def _square(self, image: Any, name: str) -> Any:
        from PIL import Image

        method = Image.Resampling[self.interpolation.upper()]
        if self.resize is None:
            return image.resize((self.size, self.size), method)
        width, height = image.size
        short = min(width, height)
        # torchvision's rounding: down for the long side, to even for the place of the crop
        width, height = (int(self.resize * side / short) for side in (width, height))
        if width * height > _MOST_PIXELS:
            raise ValueError(
                f"Preprocessing: {name} is too narrow: its short side resized, it would be {width}x{height}"
            )
        image = image.resize((width, height), method)
        left, top = round((width - self.size) / 2), round((height - self.size) / 2)
        return image.crop((left, top, left + self.size, top + self.size))

    def for_size(self, size: int) -> "Preprocessing":
        """The same for a network that sees squares of another size; `resize` keeps its proportion."""
        resize = None if self.resize is None else round(self.resize * size / self.size)
        return replace(self, size=size, resize=resize)

    def to_json(self) -> str:
        """As text, for `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Preprocessing":
        """Back from `to_json`; ValueError for anything else."""
        try:
            found = json.loads(text)
            known = {field.name for field in fields(cls)}
            if not isinstance(found, dict) or not set(found) <= known:
                raise ValueError(f"its entries must be of {', '.join(sorted(known))}")
            lists = {name: tuple(value) for name, value in found.items() if isinstance(value, list)}
            return cls(**{**found, **lists})
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"Preprocessing: not the text of one: {error}") from error


def _name(image: Any) -> str:
    return str(image) if isinstance(image, str | Path) else f"an image of type {type(image).__name__}"


def _opened(image: Any, mode: str) -> Any:
    """A Pillow image of the mode."""
    require("Preprocessing", "PIL", "pillow")
    from PIL import Image, ImageOps

    name = _name(image)
    try:
        if isinstance(image, str | Path):
            with Image.open(image) as file:
                return _converted(ImageOps.exif_transpose(file), mode)
        if isinstance(image, Image.Image):
            return _converted(image, mode)
        pixels = np.asarray(image)
        if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))):
            raise ValueError(f"arrays must be uint8 (H, W) or (H, W, 3), got {pixels.dtype} {pixels.shape}")
        return _converted(Image.fromarray(pixels), mode)
    except (OSError, SyntaxError, ValueError, TypeError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"Preprocessing: {name} cannot be read as an image: {error}") from error


def _converted(image: Any, mode: str) -> Any:
    """Pillow clips what is above 255 in an image of 16 bits, so those are scaled first."""
    from PIL import Image

    if 0 in image.size:
        raise ValueError(f"it has no pixels, {image.size}")
    if image.mode.startswith("I"):
        pixels = np.asarray(image).astype(np.int64)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError(f"pixels of more than 16 bits, from {pixels.min()} to {pixels.max()}")
        image = Image.fromarray((pixels // 257).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("pixels are floating point, of a range that is not known; make them 8 bits")
    return image.convert(mode)


TORCHVISION = Preprocessing()
# Keras's "tf" mode, and TF-slim's: from -1 to 1
UNIT = Preprocessing(resize=None, scale=127.5, mean=(1.0, 1.0, 1.0), std=(1.0, 1.0, 1.0))
UNIT_128 = replace(UNIT, scale=128.0)
# Keras's "caffe" mode: means taken off, in the order blue, green, red
CAFFE = Preprocessing(resize=None, scale=1.0, mean=(103.939, 116.779, 123.68), std=(1.0, 1.0, 1.0), channels="BGR")
