"""What a program costs: MACs, FLOPs and bytes counted from its jaxpr, and closed forms for layers."""

from jaxml.flops._ceilings import Ceilings as Ceilings
from jaxml.flops._cost import Cost as Cost
from jaxml.flops._count import count as count
from jaxml.flops._errors import CountError as CountError
from jaxml.flops._explain import Explanation as Explanation
from jaxml.flops._explain import Gap as Gap
from jaxml.flops._explain import explain as explain
from jaxml.flops._formulas import ITEMSIZE as ITEMSIZE
from jaxml.flops._formulas import LayerCost as LayerCost
from jaxml.flops._formulas import conv as conv
from jaxml.flops._formulas import depthwise as depthwise
from jaxml.flops._formulas import linear as linear
from jaxml.flops._formulas import pointwise as pointwise
from jaxml.flops._formulas import separable as separable
from jaxml.flops._formulas import separable_ratio as separable_ratio
from jaxml.flops._mobilenet import mobilenet_v1 as mobilenet_v1
from jaxml.flops._probe import ceilings as ceilings
from jaxml.flops._roofline import Roofline as Roofline
from jaxml.flops._roofline import roofline as roofline
from jaxml.flops._roofline_plot import plot_roofline as plot_roofline
from jaxml.flops._rules import Call as Call
from jaxml.flops._rules import rule as rule

__all__ = [
    "ITEMSIZE",
    "Call",
    "Ceilings",
    "Cost",
    "CountError",
    "Explanation",
    "Gap",
    "LayerCost",
    "Roofline",
    "ceilings",
    "conv",
    "count",
    "depthwise",
    "explain",
    "linear",
    "mobilenet_v1",
    "plot_roofline",
    "pointwise",
    "roofline",
    "rule",
    "separable",
    "separable_ratio",
]
