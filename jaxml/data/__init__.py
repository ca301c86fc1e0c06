"""Data: sets by name and from files, preprocessing that is fitted once and used anywhere, splits, augmentation."""

from jaxml.data._augment import Augment as Augment
from jaxml.data._catalogues import english_korean as english_korean
from jaxml.data._catalogues import gettext_pairs as gettext_pairs
from jaxml.data._catalogues import typescript_pairs as typescript_pairs
from jaxml.data._categories import OneHot as OneHot
from jaxml.data._categories import Ordinal as Ordinal
from jaxml.data._chain import Chain as Chain
from jaxml.data._columns import Columns as Columns
from jaxml.data._csv import read_csv as read_csv
from jaxml.data._dataset import Dataset as Dataset
from jaxml.data._elementwise import Clip as Clip
from jaxml.data._elementwise import Identity as Identity
from jaxml.data._elementwise import Log as Log
from jaxml.data._embedded import load as load
from jaxml.data._embedded import names as names
from jaxml.data._hugging_face import from_hugging_face as from_hugging_face
from jaxml.data._idx import fashion_mnist as fashion_mnist
from jaxml.data._idx import mnist_folder as mnist_folder
from jaxml.data._idx import read_idx as read_idx
from jaxml.data._image_folder import Images as Images
from jaxml.data._image_folder import image_folder as image_folder
from jaxml.data._images import random_affine as random_affine
from jaxml.data._images import random_brightness as random_brightness
from jaxml.data._images import random_contrast as random_contrast
from jaxml.data._images import random_crop as random_crop
from jaxml.data._images import random_erasing as random_erasing
from jaxml.data._images import random_flip as random_flip
from jaxml.data._impute import Impute as Impute
from jaxml.data._json import from_json as from_json
from jaxml.data._json import to_json as to_json
from jaxml.data._packages import fetch_package as fetch_package
from jaxml.data._pairs import Pairs as Pairs
from jaxml.data._pairs import read_pairs as read_pairs
from jaxml.data._pairs import split_pairs as split_pairs
from jaxml.data._scale import MinMax as MinMax
from jaxml.data._scale import Robust as Robust
from jaxml.data._scale import Standardize as Standardize
from jaxml.data._split import k_fold as k_fold
from jaxml.data._split import split as split
from jaxml.data._token_batches import TokenBatches as TokenBatches
from jaxml.data._tokenizer import BytePairTokenizer as BytePairTokenizer
from jaxml.data._tokenizer import CharacterTokenizer as CharacterTokenizer
from jaxml.data._tokenizer import Tokenizer as Tokenizer
from jaxml.data._tokenizer import load_tokenizer as load_tokenizer
from jaxml.data._weather import seattle_weather as seattle_weather
from jaxml.data._windows import windows as windows

__all__ = [
    "Augment",
    "BytePairTokenizer",
    "Chain",
    "CharacterTokenizer",
    "Clip",
    "Columns",
    "Dataset",
    "Identity",
    "Images",
    "Impute",
    "Log",
    "MinMax",
    "OneHot",
    "Ordinal",
    "Pairs",
    "Robust",
    "Standardize",
    "TokenBatches",
    "Tokenizer",
    "english_korean",
    "fashion_mnist",
    "fetch_package",
    "from_hugging_face",
    "from_json",
    "gettext_pairs",
    "image_folder",
    "k_fold",
    "load",
    "load_tokenizer",
    "mnist_folder",
    "names",
    "random_affine",
    "random_brightness",
    "random_contrast",
    "random_crop",
    "random_erasing",
    "random_flip",
    "read_csv",
    "read_idx",
    "read_pairs",
    "seattle_weather",
    "split",
    "split_pairs",
    "to_json",
    "typescript_pairs",
    "windows",
]
