"""Windows of a series, the weather of Seattle, and the forecaster that beats the simple forecasts on it."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from typer.testing import CliRunner

from jaxml import data, models
from jaxml.cli._app import app
from jaxml.cli._forecast import Series
from jaxml.data import windows

ROOT = Path(__file__).parents[1]


def test_windows():
    """Each forecast step is in one part; what is seen may be older; features go along."""
    x = np.arange(20.0).reshape(10, 2)
    seen, wanted = windows(x, targets=x[:, :1], length=3, horizon=2)
    assert seen.shape == (6, 3, 2) and wanted.shape == (6, 2, 1)
    np.testing.assert_array_equal(seen[2], x[2:5])
    np.testing.assert_array_equal(wanted[2], x[5:7, :1])
    parts = [windows(np.arange(10), length=3, horizon=2, start=start, stop=stop) for start, stop in ((0, 6), (6, 10))]
    assert [set(y.ravel().tolist()) for _, y in parts] == [{3, 4, 5}, {6, 7, 8, 9}]
    assert parts[1][0][0].tolist() == [3, 4, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"targets": np.ones(4), "length": 2},
            r"^windows: x and targets must have the same number of steps, got \(5,\)",
        ),
        ({"length": 0}, r"^windows: length, horizon must be positive integers, got \(0, 1\)"),
        (
            {"length": 2, "horizon": 4},
            r"^windows: no window of 2 steps and 4 to forecast from 0 to 5: make them shorter",
        ),
        ({"length": 1, "start": 3, "stop": 3}, r"0 <= start < stop <= 5 must hold, got start=3, stop=3"),
        ({"length": 1, "stop": 6}, r"0 <= start < stop <= 5 must hold, got start=0, stop=6"),
    ],
)
def test_windows_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        windows(np.arange(5), **options)


def test_weather_is_read(tmp_path):
    """From a package that is there already; its columns are numbers, days and words."""
    folder = tmp_path / "pypi-vega-datasets==0.9.0" / "vega_datasets" / "_data"
    folder.mkdir(parents=True)
    header, row = "date,precipitation,temp_max,temp_min,wind,weather", "2012/01/01,0.0,12.8,5.0,4.7,drizzle"
    (folder / "seattle-weather.csv").write_text(f"{header}\n{row}\n2012/01/02,10.9,10.6,2.8,4.5,rain\n")
    columns = data.seattle_weather(cache=tmp_path)
    assert columns["date"].tolist()[1].isoformat() == "2012-01-02" and columns["weather"].tolist() == [
        "drizzle",
        "rain",
    ]
    np.testing.assert_array_equal(columns["temp_max"], [12.8, 10.6])
    np.testing.assert_array_equal(columns["precipitation"], [0, 10.9])


def test_nothing_leaks_into_the_scaling():
    """What the days behind the training part were changes neither scale nor what is usual."""
    days = np.arange("2012-01-01", "2013-07-01", dtype="datetime64[D]")
    rng = np.random.default_rng(0)
    columns = {name: rng.uniform(1, 20, len(days)) for name in ("temp_max", "temp_min", "wind", "precipitation")}
    other = {name: np.where(np.arange(len(days)) < 400, column, 99.0) for name, column in columns.items()}
    one, two = (Series({"date": days, **c}, 400) for c in (columns, other))
    np.testing.assert_array_equal(one.scale, two.scale)
    np.testing.assert_array_equal(one.x[:400], two.x[:400])
    assert (one.x[400:, :4] != two.x[400:, :4]).all()
    z = one.y[:7][None]
    np.testing.assert_allclose(one.degrees(z, np.array([0]))[0], columns["temp_max"][:7], rtol=1e-5)


def run(*arguments, **env):
    env = {"COLUMNS": "300", **env}
    return CliRunner().invoke(app, ["train", "seattle_weather", *map(str, arguments)], env=env)


@pytest.mark.slow
@pytest.mark.loose_promotion  # optax's schedules mix integers and floats
def test_forecaster_beats_the_simple_forecasts(tmp_path):
    """On the twelve months of 2015, by the margins that docs/recipes.md has, at each day of the horizon."""
    cache = str(ROOT / ".cache" / "packages")
    try:
        data.seattle_weather(cache=cache)
    except ConnectionError as error:
        pytest.skip(str(error))
    result = run("--json", "--quiet", "--out", tmp_path / "run", JAXML_CACHE=cache)
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    print(said["test"])
    found = {
        name: np.array(errors) for name, errors in json.loads((tmp_path / "run" / "scores.json").read_text()).items()
    }
    network = found.pop("forecaster")
    assert network.shape == (7,) and network.mean() == pytest.approx(said["test"]["forecaster"])
    for name in ("persistence", "a_week_before", "a_year_before"):
        assert (network < found[name]).all() and network.mean() < 0.85 * found[name].mean(), name
    assert network.mean() < 0.9 * found["usual_for_the_day"].mean()
    assert network.mean() == pytest.approx(2.81, abs=0.06)
    scaling = json.loads((tmp_path / "run" / "series.json").read_text())
    assert scaling["columns"][0] == "temp_max" and len(scaling["scale"]) == 4
    options = {"in_features": 6, "horizon": 7, "residual": False}
    models.create("forecaster", rngs=nnx.Rngs(1), weights=tmp_path / "run" / "weights.safetensors", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "mlp"], "--model of seattle_weather is forecaster, got mlp"),
        (
            ["--validation", "0.3"],
            "--validation is not for seattle_weather, whose parts begin at 2014-07-01 and 2015-01",
        ),
        (["--target", "wind", "--beam-size", "2"], "--target and --beam-size are not for seattle_weather"),
    ],
)
def test_options_that_do_not_fit(options, message, tmp_path):
    result = run(*options, "--out", tmp_path / "run")
    assert result.exit_code == 2 and message in " ".join(result.output.replace("│", " ").split())
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def weather(tmp_path_factory):
    """A cache that holds four years of made-up weather in the place of Seattle's, and the run of one epoch on it."""
    cache, out = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("run")
    folder = cache / "pypi-vega-datasets==0.9.0" / "vega_datasets" / "_data"
    folder.mkdir(parents=True)
    rng, days = np.random.default_rng(0), np.arange("2012-01-01", "2016-01-01", dtype="datetime64[D]")
    rows = [",".join([str(d), *(f"{v:.1f}" for v in rng.uniform(1, 20, 4)), "sun"]) for d in days]
    table = folder / "seattle-weather.csv"
    table.write_text("\n".join(["date,precipitation,temp_max,temp_min,wind,weather", *rows, ""]))
    result = run("--quiet", "--epochs", 1, "--out", out, JAXML_CACHE=str(cache))
    assert result.exit_code == 0, result.output
    return table, out, data.seattle_weather(cache=cache)


def predict(*arguments):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)], env={"COLUMNS": "300"})


@pytest.mark.loose_promotion
def test_predict_forecasts_the_days_after_a_table(weather, tmp_path):
    """As the run's own scores have it: the series scaled by its training part, the network of the best epoch."""
    table, out, columns = weather
    lines = table.read_text().splitlines()
    short = tmp_path / "short.csv"
    short.write_text("\n".join(lines[: 1 + 1461 - 7]))
    result = predict(out, short, "--json")
    assert result.exit_code == 0, result.output
    (got,) = [each["forecast"] for each in json.loads(result.stdout)["results"]]
    assert [row["date"] for row in got] == [f"2015-12-{day}" for day in range(25, 32)]
    made = json.loads((out / "model.json").read_text())
    module = models.create("forecaster", rngs=nnx.Rngs(1), weights=out / "weights.safetensors", **made["options"])
    series = Series(columns, int(np.searchsorted(columns["date"], np.datetime64("2014-07-01"))))
    first = np.array([1461 - 7])
    want = series.degrees(np.asarray(module(jnp.asarray(series.x[None, 1461 - 7 - 28 : 1461 - 7]))), first)[0]
    np.testing.assert_allclose([row["temp_max"] for row in got], want, rtol=1e-5)
    shown = predict(out, short, table)
    assert shown.exit_code == 0 and f"{want[0]:.1f}" in shown.stdout and "2016-01-07" in shown.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:28], "must have 28 days or more, got 27"),
        (lambda lines: [line.replace("temp_min", "low") for line in lines], "it has no temp_min"),
        (lambda lines: [*lines[:-3], *lines[-2:]], "the last 28 days must follow one another, one a row"),
        (lambda lines: [*lines[:-1], "2015-12-31,1,,3,4,sun"], "temp_max must be a number in row 1462, got ''"),
        (lambda lines: [*lines[:-1], "2015-12-31,1,2,nan,4,sun"], "temp_min must be a number in row 1462, got 'nan'"),
        (lambda lines: [*lines[:-1], "yesterday,1,2,3,4,sun"], "the column date must hold days such as 2015-12-31"),
        (lambda lines: [*lines[:-1], b"\xff"], "must be a CSV of UTF-8 text"),
        (lambda lines: [], "must have the columns date, temp_max, temp_min, wind, precipitation; it has no date"),
    ],
)  # fmt: skip
def test_tables_that_say_too_little(change, message, weather, tmp_path):
    table, out, _ = weather
    lines = change(table.read_text().splitlines())
    path = tmp_path / "days.csv"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    result = predict(out, path)
    assert result.exit_code == 2 and message in " ".join(result.output.replace("│", " ").split())


def test_a_run_that_is_not_finished(weather, tmp_path):
    (tmp_path / "series.json").write_text("{}")
    result = predict(tmp_path, weather[0])
    assert result.exit_code == 2 and "it has no model.json and no weights.safetensors" in " ".join(
        result.output.replace("│", " ").split()
    )
    missing = predict(weather[1], tmp_path / "none.csv")
    assert missing.exit_code == 2 and "No such file" in missing.output
