"""Training: one compiled step, and a plain loop around it."""

from jaxml.train._loop import Result as Result
from jaxml.train._loop import fit as fit
from jaxml.train._step import make_eval_step as make_eval_step
from jaxml.train._step import make_train_step as make_train_step

__all__ = [
    "Result",
    "fit",
    "make_eval_step",
    "make_train_step",
]
