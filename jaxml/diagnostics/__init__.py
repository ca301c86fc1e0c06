"""Why a model does as it does: where it errs, what more data or another option would change, what flows through it."""

from jaxml.diagnostics._activations import ActivationStatistics as ActivationStatistics
from jaxml.diagnostics._activations import activation_statistics as activation_statistics
from jaxml.diagnostics._bias_variance import BiasVariance as BiasVariance
from jaxml.diagnostics._bias_variance import bias_variance as bias_variance
from jaxml.diagnostics._bias_variance import plot_bias_variance as plot_bias_variance
from jaxml.diagnostics._calibration import Calibration as Calibration
from jaxml.diagnostics._calibration import calibration as calibration
from jaxml.diagnostics._confusion import ConfusionMatrix as ConfusionMatrix
from jaxml.diagnostics._confusion import confusion_matrix as confusion_matrix
from jaxml.diagnostics._curves import LearningCurve as LearningCurve
from jaxml.diagnostics._curves import ValidationCurve as ValidationCurve
from jaxml.diagnostics._curves import learning_curve as learning_curve
from jaxml.diagnostics._curves import validation_curve as validation_curve
from jaxml.diagnostics._gradient_flow import GradientFlow as GradientFlow
from jaxml.diagnostics._gradient_flow import gradient_flow as gradient_flow
from jaxml.diagnostics._gradient_profile import GradientProfile as GradientProfile
from jaxml.diagnostics._gradient_profile import gradient_profile as gradient_profile
from jaxml.diagnostics._overfitting import Overfitting as Overfitting
from jaxml.diagnostics._overfitting import OverfittingMonitor as OverfittingMonitor
from jaxml.diagnostics._overfitting import overfitting as overfitting
from jaxml.diagnostics._plot import plot_gradient_profile as plot_gradient_profile
from jaxml.diagnostics._temperature import temperature_scaling as temperature_scaling

__all__ = [
    "ActivationStatistics",
    "BiasVariance",
    "Calibration",
    "ConfusionMatrix",
    "GradientFlow",
    "GradientProfile",
    "LearningCurve",
    "Overfitting",
    "OverfittingMonitor",
    "ValidationCurve",
    "activation_statistics",
    "bias_variance",
    "calibration",
    "confusion_matrix",
    "gradient_flow",
    "gradient_profile",
    "learning_curve",
    "overfitting",
    "plot_bias_variance",
    "plot_gradient_profile",
    "temperature_scaling",
    "validation_curve",
]
