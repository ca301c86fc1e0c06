"""Tables as text: what the cells are, and where they are wrong."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from jaxml.data._dataset import Dataset
from jaxml.data._files import read_bytes
from jaxml.data._numbers import host_float
from jaxml.functional._checks import check_choice

F = "read_csv"
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?")
KINDS = ("number", "text")


@dataclass(frozen=True)
class _Column:
    """The cells of one column, None where one is missing, and the lines of the file they stand in."""

    name: str
    cells: list[str | None]
    lines: list[int]


def read_csv(
    path: str | Path,
    *,
    target: str | int | None = None,
    task: str | None = None,
    header: bool = True,
    delimiter: str = ",",
    kinds: Mapping[str, str] | None = None,
    missing: tuple[str, ...] = MISSING,
    drop_missing_target: bool = False,
) -> Dataset:
    """A table from a CSV file, gzip-compressed or not: `x` is a dictionary of columns `(N,)`, `y` the target column.

    A column of numbers is a float64 array with NaN where a cell is missing; any other one of strings, with None
    there (`Columns` takes both). A cell is missing if, without the blanks around it, it is one of `missing`.

    target: the column to predict, by name or position (-1 is the last). Text is classified: `y` int32, `class_names`
        sorted. Numbers are predicted as they are, or with task="classification" are classes, each value one.
    header: the first line names the columns. Without it they are called column_0, column_1, ...
    kinds: `{name: "number" | "text"}` for columns where it is not to be guessed. A guess takes a column for numbers
        when more than half of its cells are.
    drop_missing_target: leave out the lines that miss the target, instead of an error.

    Quotes as in RFC 4180, and UTF-8. Errors: ValueError that names the line and the column for text among numbers;
    for lines of another length, names that occur twice, a file without data, a column that is not there (with the
    ones that are near), an unclosed quotation, or a missing target.
    """
    check_choice(F, "task", task, (None, "classification", "regression"))
    names, rows, lines = _rows(path, header, delimiter)
    columns: dict[str, _Column] = {}
    for n, name in enumerate(names):
        cells = [row[n].strip() for row in rows]
        columns[name] = _Column(name, [None if cell in missing else cell for cell in cells], lines)
    kinds = {} if kinds is None else kinds
    for name, kind in kinds.items():
        _known(name, names, "kinds")
        check_choice(F, f"the kind of {name}", kind, KINDS)
    if target is None:
        if task is not None:
            raise ValueError(f"{F}: target must be given for task={task!r}")
        x = {name: _values(path, column, kinds.get(name)) for name, column in columns.items()}
        return Dataset(x, feature_names=tuple(names))
    name = _target(target, names)
    if len(names) == 1:
        raise ValueError(
            f"{F}: {path} must have a column besides the target {name!r}; is delimiter={delimiter!r} right?"
        )
    columns = _with_target(path, columns, name, drop_missing_target)
    x = {other: _values(path, c, kinds.get(other)) for other, c in columns.items() if other != name}
    y = _values(path, columns[name], "number" if task == "regression" else kinds.get(name))
    if task == "regression" or (task is None and y.dtype != object):
        return Dataset(x, host_float(y), feature_names=tuple(x), task="regression")
    values, y = np.unique(y if y.dtype != object else y.astype(str), return_inverse=True)
    classes = tuple(str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in values.tolist())
    return Dataset(x, y.astype(np.int32), feature_names=tuple(x), class_names=classes, task="classification")


def _rows(path: str | Path, header: bool, delimiter: str) -> tuple[list[str], list[list[str]], list[int]]:
    """The names of the columns, the cells of every line, and the line's number (where it ends)."""
    try:
        text = read_bytes(F, path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{F}: {path} must be UTF-8 text, byte {error.start} is not; save it as UTF-8") from None
    if "\0" in text:
        raise ValueError(f"{F}: {path} must be text, it holds zero bytes")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            if row:  # an empty line is none
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise ValueError(f"{F}: {path}, line {reader.line_num}: {error}; is a quotation closed?") from None
    if len(rows) <= header:
        raise ValueError(f"{F}: {path} must hold data, got {'only a header' if rows else 'an empty file'}")
    names = [name.strip() for name in rows[0]] if header else [f"column_{n}" for n in range(len(rows[0]))]
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(names):
            raise ValueError(f"{F}: {path}, line {line}: there must be {len(names)} cells, got {len(row)}")
    if header:
        if all(_number(name) is not None for name in names):
            raise ValueError(f"{F}: {path}, line 1 must name the columns, got numbers; say header=False if it is data")
        names = [name or f"column_{n}" for n, name in enumerate(names)]  # as pandas writes its index
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{F}: {path} must name every column once, {', '.join(map(repr, twice))} occurs twice")
        rows, lines = rows[1:], lines[1:]
    return names, rows, lines


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)  # Python reads 1_000 as a number, tables do not mean it so
    except ValueError:
        return None


def _values(path: str | Path, column: _Column, kind: str | None) -> np.ndarray:
    """The column as floats with NaN, or as strings with None."""
    given = [(cell, line) for cell, line in zip(column.cells, column.lines, strict=True) if cell is not None]
    wrong = [(cell, line) for cell, line in given if _number(cell) is None]
    if kind is None:
        # Of a column without any value nothing is known; numbers it is, which can be imputed.
        kind = "number" if 2 * len(wrong) < len(given) or not given else "text"
    if kind == "text":
        return np.array([*column.cells, None], object)[:-1]
    if wrong:
        cell, line = wrong[0]
        raise ValueError(
            f"{F}: {path}, line {line}, column {column.name!r}: must be a number, got {cell!r} ({len(wrong)} such of "
            f'{len(given)}); mend it, list it in missing, or say kinds={{{column.name!r}: "text"}} (--text '
            f"{column.name})"
        )
    return np.array([np.nan if cell is None else float(cell) for cell in column.cells])


def _known(name: str, names: list[str], option: str) -> str:
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{F}: {option} names {name!r}, the columns are {', '.join(names)}{hint}")
    return name


def _target(target: str | int, names: list[str]) -> str:
    if isinstance(target, str):
        return _known(target, names, "target")
    if not -len(names) <= target < len(names):
        raise ValueError(f"{F}: target must be one of {len(names)} columns, got position {target}")
    return names[target]


def _with_target(path: str | Path, columns: dict[str, _Column], name: str, drop: bool) -> dict[str, _Column]:
    """The lines that have a target, which must be all unless the others are to be dropped."""
    column = columns[name]
    kept = [n for n, cell in enumerate(column.cells) if cell is not None]
    if len(kept) == len(column.cells):
        return columns
    if not drop or not kept:
        line = next(line for cell, line in zip(column.cells, column.lines, strict=True) if cell is None)
        count = len(column.cells) - len(kept)
        raise ValueError(
            f"{F}: {path}, line {line}: target {name!r} is missing, as in {count} of {len(column.cells)} lines; fill "
            "it in, or say drop_missing_target=True (--drop-missing-target)"
        )
    lines = [column.lines[n] for n in kept]
    return {other: _Column(other, [c.cells[n] for n in kept], lines) for other, c in columns.items()}
