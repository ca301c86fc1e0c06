"""Claims and coverage: convolutions, their transposes and gradients, patches."""

import jaxml.functional as F

from ._claim import Claim, first, kernel, last
from ._row import Row

STRIDED = {"stride": (1, 2), "padding": ("VALID", 0, 1, 2), "dilation": (1, 2), "groups": (1, 2)}
SIZE = {1: (7,), 2: (7, 6), 3: (4, 5, 4)}
KERNEL = {1: (3,), 2: (3, 2), 3: (2, 3, 2)}
CHANNELS, OUT = 4, 6


def images(n, *, bias=True):
    """An image, a kernel and a bias."""

    def make(rng, options):
        shapes = ((2, *SIZE[n], CHANNELS), (*KERNEL[n], CHANNELS // options["groups"], OUT), (OUT,))
        return [rng.standard_normal(shape) for shape in shapes[: 2 + bias]]

    return make


def torch_padding(padding):
    return 0 if padding == "VALID" else padding


def conv(n):
    def theirs(torch, x, w, b, *, padding, **options):
        f = getattr(torch.nn.functional, f"conv{n}d")
        return last(f(first(x), kernel(w), b, padding=torch_padding(padding), **options))

    return Claim(
        f"conv{n}d", f"nn.functional.conv{n}d", images(n), getattr(F, f"conv{n}d"), theirs,
        STRIDED | {"padding": ("VALID", 0, 1)} if n == 3 else STRIDED, differentiable=(0, 1, 2),
    )  # fmt: skip


def same(torch, x, w, b, **options):
    return last(torch.nn.functional.conv2d(first(x), kernel(w), b, padding="same", **options))


def depthwise(torch, x, w, b, *, padding, **options):
    return last(torch.nn.functional.conv2d(first(x), kernel(w), b, padding=torch_padding(padding), groups=4, **options))


def separable(torch, x, w_depthwise, w_pointwise, b, *, padding, **options):
    y = torch.nn.functional.conv2d(first(x), kernel(w_depthwise), padding=padding, groups=4, **options)
    return last(torch.nn.functional.conv2d(y, w_pointwise.T[:, :, None, None], b))


def drawn(*shapes):
    return lambda rng, options: [rng.standard_normal(shape) for shape in shapes]


def transposed_kernel(w, groups):
    """(*k, C/groups, O) as PyTorch's (C, O/groups, *k)."""
    parts = w.unflatten(-1, (groups, -1)).movedim(-2, 0)  # group, *k, C/groups, O/groups
    return parts.movedim((-2, -1), (1, 2)).flatten(0, 1)


def conv_transpose(n):
    def theirs(torch, x, w, b, *, groups, padding, **options):
        f = getattr(torch.nn.functional, f"conv_transpose{n}d")
        w = transposed_kernel(w, groups)
        return last(f(first(x), w, b, groups=groups, padding=torch_padding(padding), **options))

    def valid(options):
        return options["output_padding"] < max(options["stride"], options["dilation"])

    grid = STRIDED | {"stride": (1, 2, 3), "output_padding": (0, 1, 2)} | ({"padding": (0, 1)} if n == 3 else {})
    return Claim(
        f"conv_transpose{n}d", f"nn.functional.conv_transpose{n}d", images(n), getattr(F, f"conv_transpose{n}d"),
        theirs, grid, valid, (0, 1, 2),
    )  # fmt: skip


def depthwise_transposed(torch, x, w, **options):
    return last(torch.nn.functional.conv_transpose2d(first(x), transposed_kernel(w, 4), groups=4, **options))


def outputs(n, options):
    """The spatial size of the convolution's result."""
    stride, padding, dilation = options["stride"], torch_padding(options["padding"]), options["dilation"]
    pairs = zip(SIZE[n], KERNEL[n], strict=True)
    return tuple((size + 2 * padding - (k - 1) * dilation - 1) // stride + 1 for size, k in pairs)


def conv_grad(n, which):
    """`torch.nn.grad`'s functions of the kernel and of the input."""

    def make(rng, options):
        x, w = images(n, bias=False)(rng, options)
        dy = rng.standard_normal((2, *outputs(n, options), OUT))
        return [dy, w] if which == "input" else [x, dy]

    def ours(a, b, **options):
        if which == "input":
            return getattr(F, f"conv{n}d_input_grad")(a, b, input_size=SIZE[n], **options)
        return getattr(F, f"conv{n}d_weight_grad")(a, b, window=KERNEL[n], **options)

    def theirs(torch, a, b, *, padding, **options):
        f, options = getattr(torch.nn.grad, f"conv{n}d_{which}"), {**options, "padding": torch_padding(padding)}
        if which == "input":
            return last(f((2, CHANNELS, *SIZE[n]), kernel(b), first(a), **options))
        w = f(first(a), (OUT, CHANNELS // options["groups"], *KERNEL[n]), first(b), **options)
        return w.movedim((0, 1), (-1, -2))

    return Claim(
        f"conv{n}d_{which}_grad", f"nn.grad.conv{n}d_{which}", make, ours, theirs,
        STRIDED | {"padding": ("VALID", 0, 1)}, differentiable=(0, 1),
    )  # fmt: skip


WINDOW = {"stride": (1, 2, (2, 1)), "padding": (0, 1, (1, 2)), "dilation": (1, 2, (1, 2))}


def unfold(torch, x, **options):
    columns = torch.nn.functional.unfold(first(x), (3, 2), **options)  # N, C*taps, L
    rows = columns.unflatten(1, (x.shape[-1], 6)).movedim((1, 2), (3, 2))  # N, L, taps, C
    return rows.flatten(2).unflatten(1, folded_outputs(options))


def fold(torch, y, **options):
    columns = y.flatten(1, 2).unflatten(-1, (6, 3)).movedim((1, 2, 3), (3, 2, 1)).flatten(1, 2)
    return last(torch.nn.functional.fold(columns, (7, 6), (3, 2), **options))


def folded_outputs(options):
    s, p, d = (v if isinstance(v, tuple) else (v, v) for v in (options[o] for o in ("stride", "padding", "dilation")))
    return tuple((n + 2 * p[a] - (k - 1) * d[a] - 1) // s[a] + 1 for a, (n, k) in enumerate(((7, 3), (6, 2))))


CLAIMS = [
    *map(conv, (1, 2, 3)),
    Claim(
        "conv2d", "nn.functional.conv2d", drawn((2, 7, 6, 4), (3, 5, 2, 6), (6,)), F.conv2d, same,
        {"dilation": (1, 2, (3, 1)), "groups": (2,)}, differentiable=(0, 1, 2), variant="same",
    ),
    Claim(
        "depthwise_conv2d", "nn.functional.conv2d", drawn((2, 7, 6, 4), (3, 3, 1, 8), (8,)), F.depthwise_conv2d,
        depthwise, {"stride": (1, 2, (2, 1)), "padding": ("VALID", 0, 1, (2, 3)), "dilation": (1, 2)},
        differentiable=(0, 1, 2),
    ),
    Claim(
        "pointwise_conv2d", "nn.functional.conv2d", drawn((2, 3, 4, 4), (4, 6), (6,)), F.pointwise_conv2d,
        lambda torch, x, w, b: last(torch.nn.functional.conv2d(first(x), w.T[:, :, None, None], b)),
        differentiable=(0, 1, 2),
    ),
    Claim(
        "separable_conv2d", "nn.functional.conv2d", drawn((2, 7, 6, 4), (3, 3, 1, 8), (8, 5), (5,)),
        F.separable_conv2d, separable, {"stride": (1, 2), "padding": (0, 1), "dilation": (1, 2)},
        differentiable=(0, 1, 2, 3),
    ),
    *map(conv_transpose, (1, 2, 3)),
    Claim(
        "conv_transpose2d", "nn.functional.conv_transpose2d", drawn((2, 4, 5, 4), (3, 3, 1, 4)),
        lambda x, w, **options: F.conv_transpose2d(x, w, groups=4, **options), depthwise_transposed,
        {"stride": (1, 2, 3), "padding": (0, 1), "output_padding": (0, 1, 2), "dilation": (1, 2)},
        lambda o: o["output_padding"] < max(o["stride"], o["dilation"]), (0, 1), variant="depthwise",
    ),
    *(conv_grad(n, which) for n in (1, 2, 3) for which in ("input", "weight")),
    Claim(
        "unfold", "nn.functional.unfold", drawn((2, 7, 6, 3)), lambda x, **o: F.unfold(x, window=(3, 2), **o), unfold,
        WINDOW,
    ),
    Claim(
        "fold", "nn.functional.fold", lambda rng, o: [rng.standard_normal((2, *folded_outputs(o), 18))],
        lambda y, **o: F.fold(y, output_size=(7, 6), window=(3, 2), **o), fold, WINDOW,
    ),
]  # fmt: skip

DIMENSIONS = (1, 2, 3)
ROWS = [
    *(
        Row((f"conv{n}d",), ("conv",), f"conv{n}d", reason='"SAME" at strides above 1 is TensorFlow\'s and Keras\'s')
        for n in DIMENSIONS
    ),
    Row((), ("depthwise_conv",), "depthwise_conv2d", reason="PyTorch: conv2d with as many groups as channels"),
    Row((), (), "pointwise_conv2d", reason="PyTorch, Keras: conv2d with a 1x1 kernel"),
    Row((), ("separable_conv",), "separable_conv2d"),
    *(
        Row((f"conv_transpose{n}d",), ("conv_transpose",), f"conv_transpose{n}d", reason="kernels (*k, C/groups, O)")
        for n in DIMENSIONS
    ),
    *(
        Row((f"nn.grad.conv{n}d_{which}",), (), f"conv{n}d_{which}_grad")
        for n in DIMENSIONS
        for which in ("input", "weight")
    ),
    Row(
        ("unfold",), ("unfold", "image.extract_patches", "image.extract_patches_3d"), "unfold",
        reason="channels inside of the taps, the outputs' axes kept apart; 1 to 3 dimensions",
    ),
    Row(("fold",), ("fold",), "fold", reason="as unfold"),
    Row(("conv_tbc",), reason="`conv1d` of `x.swapaxes(0, 1)`: another layout, no other function"),
    Row((), ("layers.LocallyConnected1D",), reason="`jax.lax.conv_general_dilated_local` is it"),
    Row((), reason="FFT convolution: `jax.scipy.signal.fftconvolve` is it"),
    Row(
        reason="deformable (torchvision.ops), octave and dynamic convolution, involution: each of few networks, and "
        "composed of `grid_sample`, `unfold` and products",
    ),
    Row(
        ("ao.nn.quantized.functional.conv2d",),
        reason="int8 arithmetic: a matter of the compiler and of quantisation libraries, not a function of floats",
    ),
]  # fmt: skip
