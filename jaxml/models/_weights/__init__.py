"""Files of pretrained weights: a reader a format, a table of names a family."""

from jaxml.models._weights._load import load_weights as load_weights
from jaxml.models._weights._report import WeightsReport as WeightsReport
from jaxml.models._weights._save import save_weights as save_weights

__all__ = ["WeightsReport", "load_weights", "save_weights"]
