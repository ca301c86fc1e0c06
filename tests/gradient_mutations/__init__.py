"""Right gradients and broken ones, to see what a gradient checker is worth: `python -m tests.gradient_mutations`."""

from .case import Case as Case
from .correct import CORRECT as CORRECT
from .mutants import MUTANTS as MUTANTS

__all__ = ["CORRECT", "MUTANTS", "Case"]
