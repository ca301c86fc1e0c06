"""The table of cases: every public function of `jaxml.functional`, with the options that matter."""

from _case import Case
from cases_activations import CASES as ACTIVATIONS
from cases_attention import CASES as ATTENTION
from cases_basic import CASES as BASIC
from cases_classification import CASES as CLASSIFICATION
from cases_conv import CASES as CONV
from cases_geometry import CASES as GEOMETRY
from cases_metric import CASES as METRIC
from cases_normalisation import CASES as NORMALISATION
from cases_pooling import CASES as POOLING
from cases_random import CASES as RANDOM
from cases_recurrent import CASES as RECURRENT
from cases_regression import CASES as REGRESSION

ALL: list[Case] = [
    *ACTIVATIONS,
    *ATTENTION,
    *RANDOM,
    *BASIC,
    *CLASSIFICATION,
    *CONV,
    *GEOMETRY,
    *METRIC,
    *POOLING,
    *RECURRENT,
    *REGRESSION,
    *NORMALISATION,
]
DIFFERENTIABLE: list[Case] = [case for case in ALL if case.differentiable_args]
