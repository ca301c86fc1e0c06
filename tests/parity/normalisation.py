"""Claims and coverage: normalisation."""

import importlib
from types import SimpleNamespace

import jaxml.functional as F

from ._claim import Claim, first, kernel, last
from ._row import Row

IMAGE, C = (2, 3, 5, 6), (6,)
EPS = (1e-5, 1e-3, 0.1)


def operands(rng, options):
    """An image, its scale and bias; the image's mean may be large, or its channels constant."""
    x = options.get("spread", 1) * rng.standard_normal(IMAGE) + options.get("mean", 0)
    return [x, rng.standard_normal(C), rng.standard_normal(C)]


def with_statistics(rng, options):
    x, scale, bias = operands(rng, options)
    return [x, scale, bias, rng.standard_normal(C), rng.uniform(0.5, 2, C)]


def over_axes(rng, options):
    x, _, _ = operands(rng, options)
    shape = IMAGE[-options["axes"] :]
    return [x, rng.standard_normal(shape), rng.standard_normal(shape)]


def weight(rng, options):
    return [rng.standard_normal((3, 2, 4, 6)), rng.standard_normal(C)]


def given(affine, scale, bias):
    """Both, the scale alone, or neither."""
    return {"both": (scale, bias), "scale": (scale, None), "none": (None, None)}[affine]


def our_batch_norm(x, scale, bias, mean, var, *, affine, train, rate, eps):
    """PyTorch's rate is the share of the new statistics, and its running variance is the unbiased one."""
    y, new_mean, new_var = F.batch_norm(
        x, mean, var, *given(affine, scale, bias), train=train, momentum=1 - rate, eps=eps
    )
    n = x.size // x.shape[-1]
    kept = (1 - rate) * var
    return y, new_mean, kept + (new_var - kept) * (n / (n - 1)) if train else new_var


def their_batch_norm(torch, x, scale, bias, mean, var, *, affine, train, rate, eps):
    mean, var = mean.clone(), var.clone()
    y = torch.nn.functional.batch_norm(
        first(x), mean, var, *given(affine, scale, bias), training=train, momentum=rate, eps=eps
    )
    return last(y), mean, var


def their_layer_norm(torch, x, scale, bias, *, affine, axes, eps, **drawn):
    return torch.nn.functional.layer_norm(x, IMAGE[-axes:], *given(affine, scale, bias), eps=eps)


def their_spectral_norm(torch, w, u, *, steps, eps):
    """What the hook of `nn.utils.spectral_norm` computes, for a module with this kernel and this u."""
    hook = importlib.import_module("torch.nn.utils.spectral_norm").SpectralNorm("weight", steps, 0, eps)
    module = SimpleNamespace(weight_orig=kernel(w), weight_u=u.clone(), weight_v=torch.zeros(24, dtype=w.dtype))
    y = hook.compute_weight(module, do_power_iteration=True)
    return y.movedim((0, 1), (-1, -2)), module.weight_u


AFFINE = ("both", "scale", "none")
STATISTICS = {"affine": AFFINE, "eps": EPS, "mean": (0.0, 3.0), "spread": (0.1, 1.0)}
CLAIMS = [
    Claim(
        "batch_norm", "nn.functional.batch_norm", with_statistics, our_batch_norm, their_batch_norm,
        grid={"affine": AFFINE, "train": (True, False), "rate": (0.1, 0.5, 0.0), "eps": EPS}, differentiable=(0, 1, 2),
    ),
    Claim(
        "layer_norm", "nn.functional.layer_norm", over_axes,
        lambda x, scale, bias, affine, axes, eps, mean, spread: F.layer_norm(
            x, *given(affine, scale, bias), axis=tuple(range(-axes, 0)), eps=eps
        ),
        their_layer_norm, grid={"axes": (1, 2, 3), **STATISTICS}, differentiable=(0, 1, 2),
    ),
    Claim(
        "rms_norm", "nn.functional.rms_norm", over_axes,
        lambda x, scale, _, affine, axes, eps: F.rms_norm(
            x, given(affine, scale, None)[0], axis=tuple(range(-axes, 0)), eps=eps
        ),
        lambda torch, x, scale, _, affine, axes, eps: torch.nn.functional.rms_norm(
            x, IMAGE[-axes:], given(affine, scale, None)[0], eps=eps
        ),
        grid={"axes": (1, 2, 3), "affine": ("scale", "none"), "eps": EPS}, differentiable=(0, 1),
    ),
    Claim(
        "group_norm", "nn.functional.group_norm", operands,
        lambda x, scale, bias, affine, groups, eps, mean, spread: F.group_norm(
            x, *given(affine, scale, bias), groups=groups, eps=eps
        ),
        lambda torch, x, scale, bias, affine, groups, eps, mean, spread: last(
            # In channels-last memory PyTorch's float32 is 4e-4 off float64 at 3 ± 0.1, gradients 2e-3; ours 8e-7.
            torch.nn.functional.group_norm(first(x).contiguous(), groups, *given(affine, scale, bias), eps=eps)
        ),
        grid={"groups": (1, 2, 3, 6), **STATISTICS}, differentiable=(0, 1, 2),
    ),
    Claim(
        "instance_norm", "nn.functional.instance_norm", operands,
        lambda x, scale, bias, affine, eps, mean, spread: F.instance_norm(x, *given(affine, scale, bias), eps=eps),
        lambda torch, x, scale, bias, affine, eps, mean, spread: last(
            torch.nn.functional.instance_norm(
                first(x), weight=given(affine, scale, bias)[0], bias=given(affine, scale, bias)[1], eps=eps
            )
        ),
        grid=STATISTICS, differentiable=(0, 1, 2),
    ),
    Claim(
        "local_response_norm", "nn.functional.local_response_norm",
        lambda rng, options: [3 * rng.standard_normal(IMAGE)], F.local_response_norm,
        lambda torch, x, window, **options: last(
            torch.nn.functional.local_response_norm(first(x), window, **options)
        ),
        grid={"window": (1, 2, 3, 5), "alpha": (1e-4, 1.0), "beta": (0.5, 0.75, 1.0), "k": (1.0, 2.0)},
    ),
    Claim(
        "weight_norm", "_weight_norm", weight, F.weight_norm,
        lambda torch, v, g: torch._weight_norm(kernel(v), g.reshape(-1, 1, 1, 1), 0).movedim((0, 1), (-1, -2)),
        differentiable=(0, 1),
    ),
    Claim(
        "spectral_norm", "nn.utils.spectral_norm", weight, F.spectral_norm, their_spectral_norm,
        grid={"steps": (1, 2, 5), "eps": (1e-12, 1e-4)},
    ),
    Claim(
        "fold_batch_norm", "nn.utils.fuse_conv_bn_weights",
        lambda rng, options: [
            rng.standard_normal((3, 2, 4, 6)), *rng.standard_normal((4, *C)), rng.uniform(0.5, 2, C)
        ],
        lambda w, b, mean, scale, bias, var, eps, with_b: F.fold_batch_norm(
            w, b if with_b else None, mean, var, scale, bias, eps=eps
        ),
        lambda torch, w, b, mean, scale, bias, var, eps, with_b: unfolded(
            torch.nn.utils.fuse_conv_bn_weights(kernel(w), b if with_b else None, mean, var, eps, scale, bias)
        ),
        grid={"eps": EPS, "with_b": (True, False)}, differentiable=(),
    ),
]  # fmt: skip


def unfolded(folded):
    w, b = folded
    return w.detach().movedim((0, 1), (-1, -2)), b.detach()


ROWS = [
    Row(
        ("batch_norm",), ("ops.batch_normalization", "ops.moments"), "batch_norm",
        reason="PyTorch's `momentum` is one minus ours, its running variance n/(n-1) of ours",
    ),
    Row(("nn.SyncBatchNorm",), (), "batch_norm", reason="`axis_name` averages the statistics over devices"),
    Row(("layer_norm",), ("ops.layer_normalization",), "layer_norm", reason="`axis` for `normalized_shape`"),
    Row(
        ("rms_norm",), ("ops.rms_normalization",), "rms_norm",
        reason="`eps` defaults to 1e-6, PyTorch's to the dtype's own",
    ),
    Row(("group_norm",), ("layers.GroupNormalization",), "group_norm"),
    Row(
        ("instance_norm",), (), "instance_norm",
        reason="without running statistics: `use_input_stats=False` is `batch_norm(..., train=False)`",
    ),
    Row(
        ("local_response_norm",), (), "local_response_norm",
        reason="`size` is called `window`; TensorFlow's alpha is ours / window",
    ),
    Row(("nn.utils.weight_norm",), (), "weight_norm", reason="a function of direction and length, outputs last"),
    Row(
        ("nn.utils.spectral_norm",), ("layers.SpectralNormalization",), "spectral_norm",
        reason="pure: u goes in and comes out",
    ),
    Row((), (), "weight_standardization", reason="BiT's"),
    Row((), (), "filter_response_norm"),
    Row((), (), "global_response_norm", reason="ConvNeXt V2's"),
    Row(("nn.utils.fuse_conv_bn_weights", "nn.utils.fuse_linear_bn_weights"), (), "fold_batch_norm"),
    Row((), ("layers.UnitNormalization",), "normalize"),
    Row((), (), "", reason="batch renormalisation and ghost batch norm: rare; ghost is `batch_norm` under `jax.vmap`"),
]  # fmt: skip
