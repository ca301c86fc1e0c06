"""The data sets that come inside scikit-learn, by name."""

import numpy as np

from jaxml.data._dataset import Dataset
from jaxml.data._extras import require
from jaxml.data._numbers import host_float
from jaxml.functional._checks import check_choice

TASKS = {
    "iris": "classification",
    "wine": "classification",
    "breast_cancer": "classification",
    "digits": "classification",
    "diabetes": "regression",
    "linnerud": "regression",
}


def names() -> tuple[str, ...]:
    """The names that `load` knows.

    >>> names()
    ('iris', 'wine', 'breast_cancer', 'digits', 'diabetes', 'linnerud')
    """
    return tuple(TASKS)


def load(name: str) -> Dataset:
    """One of the small real data sets that scikit-learn brings along; nothing is downloaded.

    | name | x | y |
    |---|---|---|
    | iris | (150, 4) | 3 species |
    | wine | (178, 13) | 3 growers |
    | breast_cancer | (569, 30) | malignant, benign |
    | digits | (1797, 8, 8, 1), grey from 0 to 1 | the digits 0 to 9 |
    | diabetes | (442, 10), standardised by its authors | (442,) disease progression |
    | linnerud | (20, 3) exercises | (20, 3) weight, waist, pulse |

    Numbers are float32 (float64 where JAX's 64-bit mode is on), classes int32.

    Errors: ValueError for another name; ImportError where scikit-learn is not installed.

    >>> iris = load("iris")
    >>> iris.x.shape, iris.class_names
    ((150, 4), ('setosa', 'versicolor', 'virginica'))
    """
    if name in ("mnist", "fashion_mnist"):
        raise ValueError(f"load: {name} is not embedded; read its files with mnist_folder(path) or fashion_mnist()")
    check_choice("load", "name", name, TASKS)
    found = getattr(require("load", "sklearn.datasets", "scikit-learn"), f"load_{name}")()
    x, y, task = host_float(found["data"]), found["target"], TASKS[name]
    if name == "digits":
        x = x.reshape(-1, 8, 8, 1) / x.dtype.type(16)
    features = tuple(str(n) for n in found["feature_names"])
    if task == "regression":
        return Dataset(x, host_float(y), feature_names=features, task=task)
    classes = tuple(str(n) for n in found["target_names"])
    return Dataset(x, y.astype(np.int32), feature_names=features, class_names=classes, task=task)
