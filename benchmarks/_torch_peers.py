"""The same jobs in PyTorch (channels_last, eager, as many threads as JAX has), for `--peers`.

PyTorch is optional and imported by name, so type checkers and plain runs need not have it.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array

from benchmarks import _torch_networks
from benchmarks._device import cores
from benchmarks._measure import Candidate
from benchmarks._shape import Shape

MISSING = "--peers compares with PyTorch, which is not installed: pip install 'torch==2.13.0'"
Builders = dict[str, Callable[[], Candidate]]
NETWORKS = {"resnet50": _torch_networks.resnet50, "mobilenet_v2": _torch_networks.mobilenet_v2}


def require() -> None:
    """Fail early, with the line that helps, when PyTorch is missing."""
    if importlib.util.find_spec("torch") is None:
        raise ValueError(MISSING)


def _torch() -> Any:
    torch = importlib.import_module("torch")
    torch.set_num_threads(cores())
    return torch


def _place(torch: Any) -> str:
    """PyTorch computes where JAX does; on a TPU it has only the host."""
    return "cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu"


def _candidate(torch: Any, call: Callable[[], Any], to_jax: Callable[[Any], Any] = lambda y: y) -> Candidate:
    """`call` finished before it returns; `to_jax` maps its result to JAX's layouts for comparison."""

    def synchronised() -> Any:
        out = call()
        if _place(torch) == "cuda":
            torch.cuda.synchronize()
        return out

    def arrays(out: Any) -> list[np.ndarray]:
        found = to_jax(out)
        return [t.detach().float().cpu().numpy() for t in (found if isinstance(found, tuple) else (found,))]

    return Candidate(synchronised, arrays)


def _tensor(torch: Any, array: Array) -> Any:
    host = torch.from_numpy(np.asarray(array, np.float32).copy())
    return host.to(_place(torch), getattr(torch, array.dtype.name))


def _image(torch: Any, x: Array) -> Any:
    """(N, H, W, C) as a channels_last tensor (N, C, H, W): the same bytes in the same order."""
    return _tensor(torch, x).permute(0, 3, 1, 2)


def _kernel(torch: Any, w: Array) -> Any:
    """(kh, kw, I, O) as (O, I, kh, kw)."""
    return _tensor(torch, w).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)


def pair(shape: Shape, x: Array, weights: Sequence[Array], *, gradient: bool) -> Builders:
    """`torch-standard` and `torch-separable` for one layer; `weights`: standard, depthwise, pointwise kernels."""
    torch = _torch()
    conv = torch.nn.functional.conv2d
    image = _image(torch, x)
    standard, depthwise = _kernel(torch, weights[0]), _kernel(torch, weights[1])
    pointwise = _kernel(torch, weights[2][None, None])
    options = {"stride": shape.stride, "padding": shape.kernel // 2}

    def separable(x: Any, wd: Any, wp: Any) -> Any:
        return conv(conv(x, wd, groups=shape.in_channels, **options), wp)

    run = partial(_gradient if gradient else _forward, torch)
    return {
        "torch-standard": partial(_candidate, torch, partial(run, partial(conv, **options), image, standard)),
        "torch-separable": partial(_candidate, torch, partial(run, separable, image, depthwise, pointwise)),
    }


def depthwise(shape: Shape, x: Array, w: Array, g: Array) -> Builders:
    """Forward, d/dx, d/dw and the whole gradient of one depthwise convolution."""
    torch = _torch()
    image, kernel, cotangent = _image(torch, x), _kernel(torch, w), _image(torch, g)
    options = {"stride": shape.stride, "padding": shape.kernel // 2, "groups": shape.in_channels}
    conv = partial(torch.nn.functional.conv2d, **options)

    def backward(wanted: list[bool]) -> Any:
        pair_of = [shape.stride] * 2, [shape.kernel // 2] * 2
        return torch.ops.aten.convolution_backward(
            cotangent, image, kernel, None, *pair_of, [1, 1], False, [0, 0], shape.in_channels, wanted
        )

    def nhwc(y: Any) -> Any:
        return y.permute(0, 2, 3, 1)

    def hwio(y: Any) -> Any:
        return y.permute(2, 3, 1, 0)

    calls: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
        "forward": (partial(_forward, torch, conv, image, kernel), nhwc),
        "dx": (lambda: backward([True, False, False])[0], nhwc),
        "dw": (lambda: backward([False, True, False])[1], hwio),
        "gradient": (partial(_gradient, torch, conv, image, kernel), lambda out: (nhwc(out[0]), hwio(out[1]))),
    }
    return {what: partial(_candidate, torch, call, to_jax) for what, (call, to_jax) in calls.items()}


def _forward(torch: Any, f: Callable[..., Any], x: Any, *weights: Any) -> Any:
    with torch.inference_mode():
        return f(x, *weights)


def _gradient(torch: Any, f: Callable[..., Any], x: Any, *weights: Any) -> Any:
    leaves = [t.detach().requires_grad_() for t in (x, *weights)]
    return torch.autograd.grad(f(*leaves).square().sum(), leaves)


def networks(x: Array, labels: Array, num_classes: int, *, training: bool) -> Builders:
    """`torch-standard` and `torch-separable`: MobileNetV1 and its all-standard-convolution twin."""
    return {
        f"torch-{who}": partial(_network, partial(_mobilenet, separable=separable), x, labels, num_classes, training)
        for who, separable in (("standard", False), ("separable", True))
    }


def network(name: str, x: Array, labels: Array, num_classes: int, *, training: bool) -> Builders:
    """`torch`: torchvision's network of this name, one of `NETWORKS`."""
    build = NETWORKS[name]
    return {"torch": partial(_network, build, x, labels, num_classes, training)}


def _network(build: Callable[..., Any], x: Array, labels: Array, num_classes: int, training: bool) -> Candidate:
    torch = _torch()
    image, target = _image(torch, x), torch.from_numpy(np.asarray(labels, np.int64).copy()).to(_place(torch))
    torch.manual_seed(0)
    model = build(torch, num_classes).to(_place(torch), image.dtype).to(memory_format=torch.channels_last)
    if not training:
        return _candidate(torch, partial(_forward, torch, model.eval(), image))
    optimizer = torch.optim.SGD(model.train().parameters(), lr=1e-3)

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(model(image), target)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return _candidate(torch, step)


def _mobilenet(torch: Any, num_classes: int, *, separable: bool) -> Any:
    nn = torch.nn

    def conv(i: int, o: int, kernel: int, stride: int = 1, groups: int = 1) -> list[Any]:
        return [
            nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(inplace=True),
        ]

    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    layers, channels = conv(3, 32, 3, 2), 32
    for width, stride in plan:
        if separable:
            layers += conv(channels, channels, 3, stride, groups=channels) + conv(channels, width, 1)
        else:
            layers += conv(channels, width, 3, stride)
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))
