"""Claims and coverage: padding, resizing, sampling, moves between pixels and channels."""

import jaxml.functional as F

from ._claim import Claim, first, last
from ._row import Row


def drawn(*shapes):
    return lambda rng, options: [rng.standard_normal(shape) for shape in shapes]


SHAPES = {1: (2, 5, 3), 2: (2, 5, 4, 3), 3: (1, 3, 4, 5, 2)}
MODES = {
    1: ("nearest", "nearest-exact", "linear", "area"),
    2: ("nearest", "nearest-exact", "bilinear", "bicubic", "area"),
    3: ("nearest", "nearest-exact", "trilinear", "area"),
}
SIZES = {1: (1, 3, 5, 8), 2: ((1, 1), (3, 7), (8, 9), (5, 2)), 3: ((2, 7, 5), (6, 1, 8))}


def smooth(options):
    return "linear" in options["mode"] or options["mode"] == "bicubic"


def interpolate(n, by):
    def theirs(torch, x, *, mode, align_corners=False, antialias=False, output_size=None, scale_factor=None):
        aligned = align_corners if smooth({"mode": mode}) else None
        return last(torch.nn.functional.interpolate(
            first(x), output_size, scale_factor, mode, aligned, antialias=antialias
        ))  # fmt: skip

    factors = (0.5, 1.5, 2.0, 2.6) if n < 3 else (0.7, 2.0)
    grid = {"output_size": SIZES[n]} if by == "size" else {"scale_factor": factors}
    return Claim(
        "interpolate", "nn.functional.interpolate", drawn(SHAPES[n]), F.interpolate, theirs,
        {**grid, "mode": MODES[n], "align_corners": (False, True)},
        lambda o: smooth(o) or not o["align_corners"], variant=f"{n}d-{by}",
    )  # fmt: skip


def antialiased(torch, x, **options):
    return last(torch.nn.functional.interpolate(first(x), antialias=True, **options))


def sample(n):
    shapes = ((2, 4, 5, 3), (2, 3, 4, 2)) if n == 2 else ((2, 3, 4, 5, 2), (2, 2, 3, 2, 3))

    def make(rng, options):
        return [rng.standard_normal(shapes[0]), rng.uniform(-2.5, 2.5, shapes[1])]  # beyond the edges too

    def theirs(torch, x, grid, *, mode, **options):
        mode = mode.replace("trilinear", "bilinear")
        return last(torch.nn.functional.grid_sample(first(x), grid, mode, **options))

    modes = ("bilinear", "nearest", "bicubic") if n == 2 else ("trilinear", "nearest")
    return Claim(
        "grid_sample", "nn.functional.grid_sample", make, F.grid_sample, theirs,
        {"mode": modes, "padding_mode": ("zeros", "border", "reflection"), "align_corners": (False, True)},
        differentiable=(0, 1), variant=f"{n}d",
    )  # fmt: skip


def affine(n):
    def theirs(torch, theta, *, output_size, align_corners):
        return torch.nn.functional.affine_grid(theta, (2, 1, *output_size), align_corners)

    sizes = ((4, 5), (1, 3), (2, 1)) if n == 2 else ((2, 3, 4), (1, 3, 1))
    return Claim(
        "affine_grid", "nn.functional.affine_grid", drawn((2, n, n + 1)), F.affine_grid, theirs,
        {"output_size": sizes, "align_corners": (False, True)},
        lambda o: not (o["align_corners"] and 1 in o["output_size"]),  # PyTorch warns
        variant=f"{n}d",
    )  # fmt: skip


def pad(n):
    def theirs(torch, x, *, padding, mode, **options):
        pairs = [padding] * n if isinstance(padding, int) else padding
        flat = [p for pair in reversed(pairs) for p in ((pair, pair) if isinstance(pair, int) else pair)]
        return last(torch.nn.functional.pad(first(x), flat, mode, **options))

    paddings = (0, 2, ((1, 2),) * n, tuple(range(1, n + 1)))
    return Claim(
        "pad", "nn.functional.pad", drawn((2, *(4, 5, 6)[:n], 3)), F.pad, theirs,
        {"padding": paddings, "mode": ("constant", "reflect", "replicate", "circular")}, variant=f"{n}d",
    )  # fmt: skip


CLAIMS = [
    *(interpolate(n, by) for n in (1, 2, 3) for by in ("size", "factor")),
    Claim(
        "interpolate", "nn.functional.interpolate", drawn((2, 7, 6, 3)),
        lambda x, size=None, **options: F.interpolate(x, output_size=size, antialias=True, **options), antialiased,
        {"size": ((3, 2), (2, 9), (9, 8), (1, 5)), "mode": ("bilinear", "bicubic")}, variant="antialias",
    ),
    sample(2), sample(3), affine(2), affine(3), pad(1), pad(2), pad(3),
    Claim(
        "pixel_shuffle", "nn.functional.pixel_shuffle", drawn((2, 3, 2, 36)), F.pixel_shuffle,
        lambda torch, x, upscale_factor: last(torch.nn.functional.pixel_shuffle(first(x), upscale_factor)),
        {"upscale_factor": (1, 2, 3)},
    ),
    Claim(
        "pixel_unshuffle", "nn.functional.pixel_unshuffle", drawn((2, 6, 12, 2)), F.pixel_unshuffle,
        lambda torch, x, downscale_factor: last(torch.nn.functional.pixel_unshuffle(first(x), downscale_factor)),
        {"downscale_factor": (1, 2, 3)},
    ),
    Claim(
        "channel_shuffle", "nn.functional.channel_shuffle", drawn((2, 3, 2, 12)), F.channel_shuffle,
        lambda torch, x, groups: last(torch.nn.functional.channel_shuffle(first(x), groups)),
        {"groups": (1, 2, 3, 4)},
    ),
]  # fmt: skip

UPSAMPLE = "deprecated by PyTorch in favour of interpolate"
ROWS = [
    Row(
        ("pad",), ("pad", "image.pad_images"), "pad",
        reason="spatial axes only, never negative; circular and causal convolutions are recipes in its docstring",
    ),
    Row(
        ("interpolate",), ("image.resize",), "interpolate",
        reason="recompute_scale_factor=True is output_size; antialias not with align_corners",
    ),
    Row(("upsample",), (), "interpolate", reason=UPSAMPLE),
    Row(("upsample_nearest",), (), "interpolate", reason=f'{UPSAMPLE}: mode="nearest"'),
    Row(("upsample_bilinear",), (), "interpolate", reason=f'{UPSAMPLE}: mode="bilinear", align_corners=True'),
    Row(("grid_sample",), (), "grid_sample", reason='the linear mode of volumes is "trilinear"'),
    Row(
        ("affine_grid",), ("image.affine_transform",), "affine_grid",
        reason="Keras's is this and `grid_sample`, in pixels",
    ),
    Row(
        ("pixel_shuffle",), ("depth_to_space",), "pixel_shuffle",
        reason="PyTorch's order of channels, not depth_to_space's",
    ),
    Row(("pixel_unshuffle",), ("space_to_depth",), "pixel_unshuffle", reason="as pixel_shuffle"),
    Row(("channel_shuffle",), (), "channel_shuffle"),
    Row(("native_channel_shuffle",), (), "channel_shuffle", reason="PyTorch's inner name of the same"),
    Row(
        (), ("image.map_coordinates",),
        reason="`jax.scipy.ndimage.map_coordinates` is it; for images with channels, `grid_sample`",
    ),
    Row((), ("image.scale_and_translate",), reason="`jax.image.scale_and_translate` is it"),
    Row((), ("image.crop_images",), reason="a slice: `x[:, top:-bottom, left:-right]`"),
    Row(
        (), ("image.perspective_transform", "image.elastic_transform", "image.gaussian_blur", "image.sobel_edges"),
        reason="augmentation of images, not layers; `grid_sample` and `depthwise_conv2d` make them",
    ),
    Row(
        (), ("image.hsv_to_rgb", "image.rgb_to_hsv", "image.rgb_to_grayscale", "image.ssim", "psnr"),
        reason="colour and the quality of images: no layer or loss of PyTorch's; dm-pix has them",
    ),
]  # fmt: skip
