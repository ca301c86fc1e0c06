"""The table of cases: every public function of `jaxml.functional`, with the options that matter."""

from _case import Case
from cases_basic import CASES as BASIC
from cases_conv import CASES as CONV

ALL: list[Case] = [*BASIC, *CONV]
DIFFERENTIABLE: list[Case] = [case for case in ALL if case.differentiable_args]
