"""torchvision's ResNet-50 and MobileNetV2 in PyTorch, layer by layer (torchvision itself need not be installed)."""

from typing import Any

RESNET50 = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # width, blocks, stride
# Table 2 of arXiv:1801.04381: expansion, channels, repetitions, stride
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _conv(torch: Any, i: int, o: int, kernel: int, stride: int = 1, groups: int = 1) -> list[Any]:
    convolution = torch.nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, torch.nn.BatchNorm2d(o)]


def _residual(torch: Any, layers: list[Any], projection: list[Any], last: Any) -> Any:
    """`last(layers(x) + projection(x))`; an empty `projection` is x itself."""

    class Residual(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers, self.projection = torch.nn.Sequential(*layers), torch.nn.Sequential(*projection)
            self.last = last

        def forward(self, x: Any) -> Any:
            return self.last(self.layers(x) + self.projection(x))

    return Residual()


def resnet50(torch: Any, num_classes: int) -> Any:
    """Version 1.5: the stride in the 3x3; PyTorch's own initialisation."""

    def relu() -> Any:
        return torch.nn.ReLU(inplace=True)

    layers, channels = [*_conv(torch, 3, 64, 7, 2), relu(), torch.nn.MaxPool2d(3, 2, 1)], 64
    for width, blocks, first in RESNET50:
        for block in range(blocks):
            stride, out = first if block == 0 else 1, 4 * width
            main = [*_conv(torch, channels, width, 1), relu(), *_conv(torch, width, width, 3, stride), relu()]
            projection = _conv(torch, channels, out, 1, stride) if block == 0 else []
            layers.append(_residual(torch, [*main, *_conv(torch, width, out, 1)], projection, relu()))
            channels = out
    return _with_head(torch, layers, channels, num_classes)


def mobilenet_v2(torch: Any, num_classes: int) -> Any:
    """Width 1, no dropout."""

    def relu6() -> Any:
        return torch.nn.ReLU6(inplace=True)

    layers, channels = [*_conv(torch, 3, 32, 3, 2), relu6()], 32
    for expansion, out, repetitions, first in MOBILENET_V2:
        for block in range(repetitions):
            stride, wide = first if block == 0 else 1, expansion * channels
            main = [] if expansion == 1 else [*_conv(torch, channels, wide, 1), relu6()]
            main += [*_conv(torch, wide, wide, 3, stride, groups=wide), relu6(), *_conv(torch, wide, out, 1)]
            adds = stride == 1 and channels == out
            layers += [_residual(torch, main, [], torch.nn.Identity())] if adds else main
            channels = out
    return _with_head(torch, [*layers, *_conv(torch, channels, 1280, 1), relu6()], 1280, num_classes)


def _with_head(torch: Any, layers: list[Any], channels: int, num_classes: int) -> Any:
    pool = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    return torch.nn.Sequential(*layers, *pool, torch.nn.Linear(channels, num_classes))
