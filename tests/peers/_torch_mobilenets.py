"""torchvision's MobileNetV2 and V3 with the names of their state_dicts, written again: torchvision is no dependency."""

from functools import partial

import torch
from torch import nn

# Expansion, channels, repetitions, stride.
STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
# Kernel, expanded, out, squeeze-and-excite, hard swish, stride; "large" first, then its last layers.
ROWS = {
    "large": "3 16 16 - R 1|3 64 24 - R 2|3 72 24 - R 1|5 72 40 S R 2|5 120 40 S R 1|5 120 40 S R 1|3 240 80 - H 2"
    "|3 200 80 - H 1|3 184 80 - H 1|3 184 80 - H 1|3 480 112 S H 1|3 672 112 S H 1|5 672 160 S H 2|5 960 160 S H 1"
    "|5 960 160 S H 1",
    "small": "3 16 16 S R 2|3 72 24 - R 2|3 88 24 - R 1|5 96 40 S H 2|5 240 40 S H 1|5 240 40 S H 1|5 120 48 S H 1"
    "|5 144 48 S H 1|5 288 96 S H 2|5 576 96 S H 1|5 576 96 S H 1",
}
LAST = {"large": 1280, "small": 1024}
NORMS = {2: nn.BatchNorm2d, 3: partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)}


def divisible(channels: float) -> int:
    """The multiple of 8 nearest to it, not less than 0.9 of it."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near if near >= 0.9 * channels else near + 8


def unit(version, i, o, kernel=3, stride=1, groups=1, act: type[nn.Module] | None = nn.ReLU6) -> nn.Sequential:
    """Convolution, norm, activation: entries 0, 1 and 2."""
    conv = nn.Conv2d(i, o, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
    return nn.Sequential(conv, NORMS[version](o), *([act()] if act else []))


class Squeeze(nn.Module):
    """x times a gate for each channel, of the means of all."""

    def __init__(self, channels: int):
        super().__init__()
        squeezed = divisible(channels // 4)
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate = self.fc2(torch.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * nn.functional.hardsigmoid(gate)


class Inverted(nn.Module):
    """Its layers are `conv.*` in version 2, `block.*` in version 3."""

    def __init__(self, version, i, wide, o, kernel=3, stride=1, act: type[nn.Module] = nn.ReLU6, squeeze=False):
        super().__init__()
        layers: list[nn.Module] = [unit(version, i, wide, 1, act=act)] if wide != i else []
        layers.append(unit(version, wide, wide, kernel, stride, wide, act))
        if squeeze:
            layers.append(Squeeze(wide))
        last = unit(version, wide, o, 1, act=None)
        layers += list(last) if version == 2 else [last]
        self.name = {2: "conv", 3: "block"}[version]
        setattr(self, self.name, nn.Sequential(*layers))
        self.residual = stride == 1 and i == o

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = getattr(self, self.name)(x)
        return x + y if self.residual else y


class MobileNet(nn.Module):
    """`forward` returns the logits, `activations` all that ours has by name, too."""

    features: nn.Sequential
    classifier: nn.Sequential

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activations(x)["logits"]

    def activations(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        blocks, found = len(self.features) - 2, {}
        for n, layer in enumerate(self.features):
            x = layer(x)
            found["stem" if n == 0 else "features" if n > blocks else f"blocks/{n - 1}"] = x
        found["pool"] = x.mean((2, 3))
        return found | {"logits": self.classifier(found["pool"])}


class MobileNetV2(MobileNet):
    def __init__(self, num_classes: int = 1000, width: float = 1.0):
        super().__init__()
        i = divisible(32 * width)
        layers: list[nn.Module] = [unit(2, 3, i, stride=2)]
        for expansion, channels, repetitions, stride in STAGES:
            o = divisible(channels * width)
            for n in range(repetitions):
                layers.append(Inverted(2, i, i * expansion, o, stride=stride if n == 0 else 1))
                i = o
        last = divisible(1280 * max(1.0, width))
        self.features = nn.Sequential(*layers, unit(2, i, last, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, num_classes))


class MobileNetV3(MobileNet):
    def __init__(self, size: str, num_classes: int = 1000):
        super().__init__()
        i, layers = 16, [unit(3, 3, 16, stride=2, act=nn.Hardswish)]
        for row in ROWS[size].split("|"):
            kernel, wide, o, squeeze, act, stride = row.split()
            acts = {"R": nn.ReLU, "H": nn.Hardswish}
            layers.append(Inverted(3, i, int(wide), int(o), int(kernel), int(stride), acts[act], squeeze == "S"))
            i = int(o)
        self.features = nn.Sequential(*layers, unit(3, i, 6 * i, 1, act=nn.Hardswish))
        hidden = nn.Linear(6 * i, LAST[size])
        self.classifier = nn.Sequential(hidden, nn.Hardswish(), nn.Dropout(0.2), nn.Linear(LAST[size], num_classes))
