"""Gradients verified: `check(f, *args)` says leaf by leaf whether the gradient of `f` is right, and how it knows."""

from jaxml.gradcheck._check import check
from jaxml.gradcheck._errors import CheckError, GradientError
from jaxml.gradcheck._gradient import Gradient
from jaxml.gradcheck._report import GradReport, LeafReport

__all__ = ["CheckError", "GradReport", "Gradient", "GradientError", "LeafReport", "check"]
