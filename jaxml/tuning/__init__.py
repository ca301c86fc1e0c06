"""Tuning: which learning rate, and which of many settings."""

from jaxml.tuning._distributions import Choice as Choice
from jaxml.tuning._distributions import Distribution as Distribution
from jaxml.tuning._distributions import Integers as Integers
from jaxml.tuning._distributions import LogUniform as LogUniform
from jaxml.tuning._distributions import Uniform as Uniform
from jaxml.tuning._learning_rate import LearningRateRange as LearningRateRange
from jaxml.tuning._learning_rate import find_learning_rate as find_learning_rate
from jaxml.tuning._learning_rate import learning_rate_range as learning_rate_range
from jaxml.tuning._result import Search as Search
from jaxml.tuning._search import grid_search as grid_search
from jaxml.tuning._search import random_search as random_search

__all__ = [
    "Choice",
    "Distribution",
    "Integers",
    "LearningRateRange",
    "LogUniform",
    "Search",
    "Uniform",
    "find_learning_rate",
    "grid_search",
    "learning_rate_range",
    "random_search",
]
