"""What networks cost: parameters, multiply-adds and bytes in closed form."""

from jaxml.flops._formulas import ITEMSIZE as ITEMSIZE
from jaxml.flops._formulas import LayerCost as LayerCost
from jaxml.flops._formulas import conv as conv
from jaxml.flops._formulas import depthwise as depthwise
from jaxml.flops._formulas import linear as linear
from jaxml.flops._formulas import pointwise as pointwise
from jaxml.flops._formulas import separable as separable
from jaxml.flops._formulas import separable_ratio as separable_ratio
from jaxml.flops._mobilenet import mobilenet_v1 as mobilenet_v1

__all__ = [
    "ITEMSIZE",
    "LayerCost",
    "conv",
    "depthwise",
    "linear",
    "mobilenet_v1",
    "pointwise",
    "separable",
    "separable_ratio",
]
