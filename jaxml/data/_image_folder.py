"""Images on disk, a folder for each class, read when they are asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxml.data._dataset import Dataset
from jaxml.data._extras import require
from jaxml.functional._checks import check_choice, check_positive

F = "image_folder"
ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Images:
    """Image files that look like an array `(N, H, W, C)` of float32 from 0 to 1, and are read when they are indexed.

    `images[3]` reads one, `images[[3, 5]]` and `images[:8]` a batch, `np.asarray(images)` all; `images.take(index)` is
    the same for some of them, and reads nothing.

    Errors: ValueError that names the file that cannot be read.
    """

    paths: tuple[Path, ...]
    size: tuple[int, int]
    channels: int = 3

    dtype = np.dtype(np.float32)
    ndim = 4

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, C)."""
        return (len(self.paths), *self.size, self.channels)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, int | np.integer):
            return self._read(self.paths[index])
        chosen = self.take(index).paths
        return np.stack([self._read(path) for path in chosen]) if chosen else np.zeros((0, *self.shape[1:]), self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def take(self, index: Any) -> "Images":
        """Some of the images: at positions, in a slice, or where a mask is True."""
        chosen = np.arange(len(self.paths))[index].ravel()
        return Images(tuple(self.paths[n] for n in chosen), self.size, self.channels)

    def _read(self, path: Path) -> np.ndarray:
        from PIL import Image, ImageOps

        try:
            with Image.open(path) as file:
                image = ImageOps.exif_transpose(file).convert(MODES[self.channels])
                height, width = self.size
                if image.size != (width, height):
                    image = image.resize((width, height), Image.Resampling.BILINEAR)
                pixels = np.asarray(image, np.float32) / 255
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"{F}: {path} cannot be read as an image, mend or remove it: {error}") from error
        return pixels.reshape(*self.size, self.channels)


def image_folder(path: str | Path, *, size: int | tuple[int, int], channels: int = 3) -> Dataset:
    """Images in a folder for each class: `x` is an `Images` of shape `(N, H, W, C)`, `y` `(N,)` int32.

    The classes are the names of the sub-folders, sorted; the images those of their files, at any depth, that end as
    images do. Nothing is read before `x` is indexed, so the set may be larger than memory; `split` and `k_fold` keep it
    so. Images are turned as their EXIF entry says, and resized to `size` (side, or height and width; bilinear, the
    proportions are not kept).

    channels: 1 (grey), 3 (RGB) or 4 (RGBA); every image is converted.

    Errors: ValueError without sub-folders, for one without images, or for a wrong option; FileNotFoundError where
    there is no such folder; ImportError without pillow.
    """
    require(F, "PIL", "pillow")
    sides = (size, size) if isinstance(size, int) else tuple(size)
    check_positive(F, "size", sides)
    check_choice(F, "the number of sides in size", len(sides), (2,))
    check_choice(F, "channels", channels, MODES)
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"{F}: {folder} must be a folder")
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        raise ValueError(f"{F}: {folder} must have a sub-folder for each class, got none")
    paths, y = [], []
    for label, of_class in enumerate(classes):
        found = sorted(p for p in of_class.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
        if not found:
            raise ValueError(f"{F}: {of_class} must hold images ({', '.join(sorted(ENDINGS))}), got none; remove it")
        paths += found
        y += [label] * len(found)
    images = Images(tuple(paths), (sides[0], sides[1]), channels)
    names = tuple(p.name for p in classes)
    return Dataset(images, np.array(y, np.int32), class_names=names, task="classification")
