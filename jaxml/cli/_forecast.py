"""`jaxml train seattle_weather`: the highest temperature of the next seven days, from the last four weeks.

The days that are forecast for training, for choosing the epoch and for the test follow one another; nothing is scaled
by what came later.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import jaxml.functional as F
from jaxml import data, models
from jaxml.cli._train_recipe import RecipeError

NAME, MODEL = "seattle_weather", "forecaster"
LENGTH, HORIZON = 28, 7
VALIDATION, TEST = np.datetime64("2014-07-01"), np.datetime64("2015-01-01")  # where these parts begin
NUMBERS = ("temp_max", "temp_min", "wind", "precipitation")
OPTIONS, SERIES, WEIGHTS, SCORES = "model.json", "series.json", "weights.safetensors", "scores.json"


def year(date: np.ndarray) -> np.ndarray:
    """Where in the year each day is, (N, 2)."""
    day = (date - date.astype("datetime64[Y]")).astype(float)
    return np.stack([np.sin(2 * np.pi * day / 365.25), np.cos(2 * np.pi * day / 365.25)], axis=1)


def usual(date: np.ndarray, waves: np.ndarray) -> np.ndarray:
    """What each number usually is on each day, (N, 4)."""
    return np.concatenate([np.ones((len(date), 1)), year(date)], axis=1) @ waves


def numbers(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """The columns `NUMBERS` side by side, (N, 4)."""
    values = np.stack([columns[name] for name in NUMBERS], axis=1)
    values[:, -1] = np.log1p(values[:, -1])  # rain: most days none, some a lot
    return values


def inputs(columns: Mapping[str, np.ndarray], waves: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """What the network sees of each day, (N, 6)."""
    date = columns["date"]
    return np.concatenate([(numbers(columns) - usual(date, waves)) / scale, year(date)], axis=1).astype(np.float32)


class Series:
    """The columns as numbers of about unit size: departures from the usual value for the day of the year.

    What is usual, a sine and a cosine over the year, and the scale are those of the days before `stop`.
    """

    def __init__(self, columns: Mapping[str, np.ndarray], stop: int):
        date, values = columns["date"], numbers(columns)
        known = np.concatenate([np.ones((len(date), 1)), year(date)], axis=1)[:stop]
        self.waves = np.linalg.lstsq(known, values[:stop], rcond=None)[0]
        self.usual = usual(date, self.waves)
        self.scale = (values - self.usual)[:stop].std(axis=0)
        self.x = inputs(columns, self.waves, self.scale)
        self.y = self.x[:, :1]

    def degrees(self, z: np.ndarray, first: np.ndarray) -> np.ndarray:
        """Forecasts (N, horizon, 1) for the days from `first` (N,) on, in degrees."""
        return z[..., 0] * self.scale[0] + self.usual[:, 0][first[:, None] + np.arange(HORIZON)]

    def keep(self, folder: Path) -> None:
        """What the network's numbers mean."""
        text = {"columns": NUMBERS, "waves": self.waves.tolist(), "scale": self.scale.tolist()}
        (folder / SERIES).write_text(json.dumps(text, indent=2))


class Forecast:
    """The series, cut into parts, and the network."""

    def __init__(self, columns: Mapping[str, np.ndarray], options: Mapping[str, Any], seed: int):
        self.truth, self.end = columns["temp_max"], len(columns["date"])
        validation, self.test = (int(np.searchsorted(columns["date"], day)) for day in (VALIDATION, TEST))
        self.series = Series(columns, validation)
        self.train = self._part(0, validation)
        self.validation = self._part(validation, self.test)
        features = {"in_features": self.series.x.shape[1], "horizon": HORIZON, "length": LENGTH}
        self.module: Any = models.create(MODEL, rngs=nnx.Rngs(seed), **features, **options)

    def keep(self, folder: Path) -> None:
        """Write what `jaxml predict` makes the network and its numbers again of."""
        made = {"model": MODEL, "options": asdict(self.module.config)}
        (folder / OPTIONS).write_text(json.dumps(made, indent=2))
        self.series.keep(folder)

    def _part(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        return data.windows(
            self.series.x, targets=self.series.y, length=LENGTH, horizon=HORIZON, start=start, stop=stop
        )

    def absolute_error(self, outputs: jax.Array, y: jax.Array) -> jax.Array:
        """In degrees: the usual is taken off both."""
        return jnp.abs(outputs - y).mean(axis=(1, 2)) * jnp.asarray(self.series.scale[0], outputs.dtype)

    def scores(self) -> dict[str, np.ndarray]:
        """Of each forecast of the test part the mean absolute error in degrees, of each day of the horizon (7,)."""
        x, _ = self._part(self.test, self.end)
        first = np.arange(self.test, self.end - HORIZON + 1)
        days = first[:, None] + np.arange(HORIZON)
        network = np.asarray(jax.jit(self.module)(jnp.asarray(x)))
        forecasts = {
            MODEL: self.series.degrees(network, first),
            "persistence": np.repeat(self.truth[first - 1][:, None], HORIZON, axis=1),
            "a_week_before": self.truth[days - 7],
            "a_year_before": self.truth[days - 365],
            "usual_for_the_day": self.series.usual[:, 0][days],
            "ridge_regression": self.series.degrees(ridge(self.train, x), first),
        }
        return {name: np.abs(made - self.truth[days]).mean(axis=0) for name, made in forecasts.items()}

    def finish(self, result: Any, folder: Path) -> dict[str, Any]:
        """Write the weights of the best epoch, and what they and simpler forecasts are worth on the test part."""
        nnx.update(self.module, result.best.params, result.best.state)
        models.save_weights(self.module, folder / WEIGHTS)
        found = self.scores()
        (folder / SCORES).write_text(json.dumps({name: errors.tolist() for name, errors in found.items()}, indent=2))
        return {name: float(errors.mean()) for name, errors in found.items()}


def ridge(train: tuple[np.ndarray, np.ndarray], x: np.ndarray, penalty: float = 100.0) -> np.ndarray:
    """Linear regression on all that the network sees."""
    seen, wanted = (np.reshape(part, (len(part), -1)).astype(np.float64) for part in train)
    weights = np.linalg.solve(seen.T @ seen + penalty * np.eye(seen.shape[1]), seen.T @ wanted)
    return (x.reshape(len(x), -1) @ weights)[..., None]


def job(asked: Mapping[str, Any], recipe: Any) -> Any:
    """What `fit` gets.

    Errors: `RecipeError` for another model, and for a part to hold out: the parts are cut by date.
    """
    from jaxml.cli._train_job import Job

    if asked["model"] not in (None, MODEL):
        raise RecipeError(f"--model of {NAME} is {MODEL}, got {asked['model']}")
    if asked["validation"] != 0.2:
        raise RecipeError(f"--validation is not for {NAME}, whose parts begin at {VALIDATION} and {TEST}")
    made = Forecast(data.seattle_weather(), recipe.options, asked["seed"])
    examples = len(made.train[0]), len(made.validation[0])
    return Job(
        data=NAME,
        model=MODEL,
        task="forecast",
        examples=examples,
        module=made.module,
        train=made.train,
        validation=made.validation,
        loss=F.l1_loss,
        metrics={"absolute_error": made.absolute_error},
        steps=asked["epochs"] * math.ceil(examples[0] / asked["batch_size"]),
        keep=made.keep,
        finish=made.finish,
        options={"batch_size": asked["batch_size"]},
    )
