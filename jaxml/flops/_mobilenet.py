"""MobileNetV1 layer by layer, in closed form."""

from dataclasses import replace

from jaxml.flops._formulas import LayerCost, conv, depthwise, linear, pointwise

# (output channels at width 1, stride) of the 13 blocks: Table 1 of arXiv:1704.04861.
BLOCKS = [
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
]  # fmt: skip


def mobilenet_v1(
    *,
    width: float | int = 1.0,
    resolution: int = 224,
    num_classes: int = 1000,
    standard: bool = False,
    batch: int = 1,
    itemsize: int = 4,
    batch_norm: bool = False,
    bias: bool = False,
) -> list[LayerCost]:
    """The layers of MobileNetV1 (arXiv:1704.04861) in order; `sum(...)` gives the network.

    `width` is the paper's alpha (channels are rounded down, as in Keras; the published widths divide evenly) and
    `resolution` its rho. `standard` puts one full convolution in place of every separable block: Table 4's "Conv
    MobileNet".
    Parameters are the paper's 4.2 M by default; `batch_norm` adds gamma and beta of the normalisation behind each
    convolution, `bias` the classifier's bias: with both, the number of trainable parameters. The paper's 4866 M
    multiply-adds for the standard form leave the classifier out; here it is always the last entry.

    >>> sum(mobilenet_v1()).macs, sum(mobilenet_v1(standard=True)).macs
    (568740352, 4867293184)
    >>> sum(mobilenet_v1()).params, sum(mobilenet_v1(batch_norm=True, bias=True)).params
    (4209088, 4231976)
    """
    if not width > 0:
        raise ValueError(f"mobilenet_v1: width must be positive, got {width}")

    def normed(cost: LayerCost) -> LayerCost:
        extra = 2 * cost.output_shape[-1] if batch_norm else 0
        return replace(cost, params=cost.params + extra, weight_bytes=cost.weight_bytes + extra * itemsize)

    def channels(full: int) -> int:
        return max(1, int(full * width))

    size, c = -(-resolution // 2), channels(32)  # "SAME" padding: the size over the stride, rounded up
    layers = [normed(conv(batch, resolution, size, 3, c, kernel=3, itemsize=itemsize, name="stem"))]
    for index, (full, stride) in enumerate(BLOCKS, start=1):
        out, n, name = -(-size // stride), channels(full), f"block{index}"
        if standard:
            costs = [conv(batch, size, out, c, n, kernel=3, itemsize=itemsize, name=f"{name}/conv")]
        else:
            costs = [
                depthwise(batch, size, out, c, kernel=3, itemsize=itemsize, name=f"{name}/depthwise"),
                pointwise(batch, out, c, n, itemsize=itemsize, name=f"{name}/pointwise"),
            ]
        layers += map(normed, costs)
        size, c = out, n
    return [*layers, linear(batch, c, num_classes, bias=bias, itemsize=itemsize, name="classifier")]
