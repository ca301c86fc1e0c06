"""Flax NNX modules: parameters and static configuration, and one call into `jaxml.functional` each."""

from jaxml.nn._batch_norm import BatchNorm as BatchNorm
from jaxml.nn._bridge import abstract as abstract
from jaxml.nn._bridge import count_params as count_params
from jaxml.nn._bridge import functionalize as functionalize
from jaxml.nn._containers import Activation as Activation
from jaxml.nn._containers import Flatten as Flatten
from jaxml.nn._containers import Sequential as Sequential
from jaxml.nn._conv import Conv as Conv
from jaxml.nn._conv import DepthwiseConv as DepthwiseConv
from jaxml.nn._conv import SeparableConv as SeparableConv
from jaxml.nn._dropout import Dropout as Dropout
from jaxml.nn._linear import Linear as Linear
from jaxml.nn._pool import AvgPool as AvgPool
from jaxml.nn._pool import GlobalAvgPool as GlobalAvgPool
from jaxml.nn._pool import GlobalMaxPool as GlobalMaxPool
from jaxml.nn._pool import MaxPool as MaxPool
from jaxml.nn._summary import Summary as Summary
from jaxml.nn._summary import SummaryRow as SummaryRow
from jaxml.nn._summary import summary as summary

__all__ = [
    "Activation",
    "AvgPool",
    "BatchNorm",
    "Conv",
    "DepthwiseConv",
    "Dropout",
    "Flatten",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "Linear",
    "MaxPool",
    "SeparableConv",
    "Sequential",
    "Summary",
    "SummaryRow",
    "abstract",
    "count_params",
    "functionalize",
    "summary",
]
