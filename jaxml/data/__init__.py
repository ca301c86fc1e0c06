"""Data: sets by name and from files, preprocessing that is fitted once and used anywhere, splits, augmentation."""

from jaxml.data._categories import OneHot as OneHot
from jaxml.data._categories import Ordinal as Ordinal
from jaxml.data._chain import Chain as Chain
from jaxml.data._columns import Columns as Columns
from jaxml.data._dataset import Dataset as Dataset
from jaxml.data._elementwise import Clip as Clip
from jaxml.data._elementwise import Identity as Identity
from jaxml.data._elementwise import Log as Log
from jaxml.data._embedded import load as load
from jaxml.data._embedded import names as names
from jaxml.data._impute import Impute as Impute
from jaxml.data._json import from_json as from_json
from jaxml.data._json import to_json as to_json
from jaxml.data._scale import MinMax as MinMax
from jaxml.data._scale import Robust as Robust
from jaxml.data._scale import Standardize as Standardize

__all__ = [
    "Chain",
    "Clip",
    "Columns",
    "Dataset",
    "Identity",
    "Impute",
    "Log",
    "MinMax",
    "OneHot",
    "Ordinal",
    "Robust",
    "Standardize",
    "from_json",
    "load",
    "names",
    "to_json",
]
