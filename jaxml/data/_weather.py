"""Four years of weather."""

import csv
from pathlib import Path

import numpy as np

from jaxml.data._packages import fetch_package

PACKAGE = "pypi:vega-datasets==0.9.0"
NUMBERS = ("precipitation", "temp_max", "temp_min", "wind")


def seattle_weather(*, cache: str | Path | None = None) -> dict[str, np.ndarray]:
    """The weather of Seattle on each of the 1461 days of 2012 to 2015, as columns by name; fetched once.

    `date` (datetime64 of days), `precipitation` (mm), `temp_max` and `temp_min` (degrees Celsius), `wind` (m/s), and
    `weather`, a word; (1461,) each, without gaps. NOAA's, from the package `vega-datasets` 0.9.0 of PyPI (MIT), by
    `fetch_package` into the folder `cache`.

    Errors: as `fetch_package`.
    """
    (path,) = fetch_package(PACKAGE, cache=cache).rglob("seattle-weather.csv")
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns: dict[str, np.ndarray] = {
        "date": np.array([row["date"].replace("/", "-") for row in rows], "datetime64[D]"),
    }
    columns |= {name: np.array([float(row[name]) for row in rows]) for name in NUMBERS}
    return columns | {"weather": np.array([row["weather"] for row in rows])}
