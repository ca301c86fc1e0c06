"""Training: one compiled step, and a loop around it that loses nothing."""

from jaxml.train._average import average_params as average_params
from jaxml.train._average import averaged as averaged
from jaxml.train._callbacks import EarlyStopping as EarlyStopping
from jaxml.train._callbacks import ReduceOnPlateau as ReduceOnPlateau
from jaxml.train._checkpoint import DamagedCheckpointError as DamagedCheckpointError
from jaxml.train._distributed import initialize_distributed as initialize_distributed
from jaxml.train._fit import fit as fit
from jaxml.train._loss_scale import loss_scaled as loss_scaled
from jaxml.train._overfit import Overfit as Overfit
from jaxml.train._overfit import overfit_one_batch as overfit_one_batch
from jaxml.train._precision import in_dtype as in_dtype
from jaxml.train._processes import LostProcessError as LostProcessError
from jaxml.train._result import Best as Best
from jaxml.train._result import Epoch as Epoch
from jaxml.train._result import Result as Result
from jaxml.train._step import make_eval_step as make_eval_step
from jaxml.train._step import make_train_step as make_train_step

__all__ = [
    "Best",
    "DamagedCheckpointError",
    "EarlyStopping",
    "Epoch",
    "LostProcessError",
    "Overfit",
    "ReduceOnPlateau",
    "Result",
    "average_params",
    "averaged",
    "fit",
    "in_dtype",
    "initialize_distributed",
    "loss_scaled",
    "make_eval_step",
    "make_train_step",
    "overfit_one_batch",
]
