"""Sentences and their translations: read from a table, and split so that no sentence is learned and tested on."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxml.data._files import read_bytes
from jaxml.data._split import split


@dataclass(frozen=True)
class Pairs:
    """N sentences `source` and what they are in the other language, `target`; `len(pairs)` is N.

    >>> pairs = Pairs(("one", "two"), ("하나", "둘"))
    >>> len(pairs), pairs.take([1]).target
    (2, ('둘',))
    """

    source: tuple[str, ...]
    target: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.source) != len(self.target):
            raise ValueError(
                f"Pairs: there must be as many targets as sources, got {len(self.source)} and {len(self.target)}"
            )

    def __len__(self) -> int:
        return len(self.source)

    def take(self, index: Any) -> "Pairs":
        """The pairs at `index`, an array of positions."""
        positions = np.asarray(index, np.int64).tolist()
        return Pairs(tuple(self.source[n] for n in positions), tuple(self.target[n] for n in positions))


def read_pairs(path: str | Path) -> Pairs:
    """Pairs of sentences from a text file, gzip-compressed or not: one pair a line, a tab between the two.

    UTF-8, with or without its mark at the beginning; blanks around a sentence and empty lines do not count. Nothing
    else is changed: quotation marks, upper case and the form of accents stay as they are.

    Errors: ValueError that names the file, and the line or the byte: for text that is not UTF-8, a file without pairs,
    a line without a tab or with more than one, an empty sentence. OSError for a file that cannot be opened.
    """
    text = decoded("read_pairs", path, read_bytes("read_pairs", path))
    source, target = [], []
    # Not splitlines(), to which other characters of Unicode end a line too.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != 2:
            raise ValueError(
                f"read_pairs: {path}, line {number}: there must be a sentence, a tab and its translation, got "
                f"{len(cells)} column{'s' * (len(cells) > 1)}: {_short(line)}"
            )
        if not all(cells):
            which = "sentence" if not cells[0] else "translation"
            raise ValueError(f"read_pairs: {path}, line {number}: the {which} is empty")
        source.append(cells[0])
        target.append(cells[1])
    if not source:
        raise ValueError(f"read_pairs: {path} must hold at least one pair, it is empty")
    return Pairs(tuple(source), tuple(target))


def split_pairs(pairs: Pairs, *, fractions: tuple[float, ...] = (0.8, 0.1, 0.1), seed: int = 0) -> tuple[Pairs, ...]:
    """Cut `pairs` at random into parts of these `fractions` of the *sentences*: all translations of one stay together.

    Sentences that differ in case, in blanks or in the Unicode form of their characters alone count as one. The same
    seed gives the same parts, on every machine, whatever the order of the pairs.

    Errors: as `split`, which gets the number of different sentences.

    >>> parts = split_pairs(Pairs(("a", "b", "A ", "c"), ("1", "2", "3", "4")), fractions=(0.67, 0.33))
    >>> [sorted(part.source) for part in parts]
    [['A ', 'a', 'c'], ['b']]
    """
    of: dict[str, list[int]] = {}
    for n, sentence in enumerate(pairs.source):
        of.setdefault(sentence_key(sentence), []).append(n)
    keys = sorted(of)
    parts = split(len(keys), fractions=fractions, seed=seed)
    return tuple(pairs.take([n for k in part.tolist() for n in of[keys[k]]]) for part in parts)


def sentence_key(sentence: str) -> str:
    """What is the same for sentences that count as one."""
    return " ".join(unicodedata.normalize("NFKC", sentence).casefold().split())


def distinct(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """The pairs in their order, each once, without those that say nothing or are not translated."""
    kept = dict.fromkeys((s.strip(), t.strip()) for s, t in pairs)
    found = [(s, t) for s, t in kept if s and t and s != t]
    return Pairs(tuple(s for s, _ in found), tuple(t for _, t in found))


def decoded(function: str, path: str | Path, raw: bytes) -> str:
    """The text of a file; where it is not UTF-8, an error that names the byte."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The mark, where there is one, is not counted by the decoder.
        at = error.start + 3 * raw.startswith(b"\xef\xbb\xbf")
        raise ValueError(
            f"{function}: {path} must be UTF-8 text, byte {at} (0x{raw[at]:02x}) is not; save it as UTF-8"
        ) from None


def _short(line: str) -> str:
    return repr(line if len(line) <= 40 else line[:37] + "...")
