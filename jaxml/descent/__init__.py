"""Gradient descent explained by running it: descents that remember their way, surfaces, pictures and animations."""

from jaxml.descent._backprop import Backprop as Backprop
from jaxml.descent._backprop import Factors as Factors
from jaxml.descent._backprop import backprop as backprop
from jaxml.descent._backprop import check_backprop as check_backprop
from jaxml.descent._descend import Trajectory as Trajectory
from jaxml.descent._descend import follow as follow
from jaxml.descent._descend import gd as gd
from jaxml.descent._descend import sgd as sgd
from jaxml.descent._plot import animate_descents as animate_descents
from jaxml.descent._plot import plot_descents as plot_descents
from jaxml.descent._surfaces import ELLIPSE as ELLIPSE
from jaxml.descent._surfaces import ROSENBROCK as ROSENBROCK
from jaxml.descent._surfaces import SADDLE as SADDLE
from jaxml.descent._surfaces import TWO_VALLEYS as TWO_VALLEYS
from jaxml.descent._surfaces import Surface as Surface

__all__ = [
    "ELLIPSE",
    "ROSENBROCK",
    "SADDLE",
    "TWO_VALLEYS",
    "Backprop",
    "Factors",
    "Surface",
    "Trajectory",
    "animate_descents",
    "backprop",
    "check_backprop",
    "follow",
    "gd",
    "plot_descents",
    "sgd",
]
