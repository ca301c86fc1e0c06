"""torchvision's ResNet (version 1.5) with the names of its state_dict, written again: torchvision is no dependency."""

from collections import OrderedDict

import torch
from torch import nn

DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def conv(i: int, o: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Without bias, padded on both sides."""
    return nn.Conv2d(i, o, kernel, stride=stride, padding=kernel // 2, bias=False)


class Block(nn.Module):
    """BasicBlock, or Bottleneck with the stride in the 3x3."""

    def __init__(self, i: int, width: int, stride: int, bottleneck: bool):
        super().__init__()
        o = 4 * width if bottleneck else width
        sizes = [(i, width, 1, 1), (width, width, 3, stride), (width, o, 1, 1)]
        for n, size in enumerate(sizes if bottleneck else [(i, width, 3, stride), (width, o, 3, 1)], 1):
            setattr(self, f"conv{n}", conv(*size))
            setattr(self, f"bn{n}", nn.BatchNorm2d(size[1]))
        self.count = 3 if bottleneck else 2
        self.downsample = None
        if stride != 1 or i != o:
            self.downsample = nn.Sequential(conv(i, o, 1, stride), nn.BatchNorm2d(o))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for n in range(1, self.count + 1):
            y = getattr(self, f"bn{n}")(getattr(self, f"conv{n}")(y))
            y = torch.relu(y) if n < self.count else y
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """`forward` returns the logits, `activations` all that ours has by name, too."""

    def __init__(self, layers: int, num_classes: int = 1000):
        super().__init__()
        bottleneck = layers >= 50
        self.conv1, self.bn1 = conv(3, 64, 7, 2), nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        i = 64
        for stage, depth in enumerate(DEPTHS[layers]):
            width, blocks = 64 * 2**stage, []
            for n in range(depth):
                blocks.append(Block(i, width, 2 if stage and n == 0 else 1, bottleneck))
                i = 4 * width if bottleneck else width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(i, num_classes)

    def activations(self, x: torch.Tensor) -> "OrderedDict[str, torch.Tensor]":
        """Stem, blocks, features, pool, logits, in this order."""
        kept = OrderedDict(stem=torch.relu(self.bn1(self.conv1(x))))
        x, count = self.maxpool(kept["stem"]), 0
        for stage in range(1, 5):
            for block in getattr(self, f"layer{stage}"):
                x = block(x)
                kept[f"blocks/{count}"] = x
                count += 1
        kept["features"], kept["pool"] = x, x.mean((2, 3))
        kept["logits"] = self.fc(kept["pool"])
        return kept

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))
