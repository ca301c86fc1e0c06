"""`jaxml predict RUN TEXT...`: sentences translated by a run of `jaxml train translate`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console


def is_run(model: str) -> bool:
    """Whether this is a folder, and not a model's name that a folder has too."""
    if not Path(model).is_dir():
        return False
    from jaxml import models  # with Flax, which `jaxml --help` does without

    return model not in models.names()


def read_lines(texts: Sequence[str]) -> list[str]:
    """The sentences as they are given, or for "-" the lines of standard input.

    Errors: ValueError for none, and for bytes that are not UTF-8.
    """
    found = []
    for text in texts:
        if text != "-":
            found.append(text)
            continue
        raw = sys.stdin.buffer.read()
        try:
            found += raw.decode("utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"predict: standard input must be UTF-8 text, byte {error.start} (0x{raw[error.start]:02x}) is not"
            ) from None
    found = [text.strip() for text in found if text.strip()]
    for text in found:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:  # Python stands in for bytes of the command line that are not UTF-8
            raise ValueError(f"predict: a sentence must be UTF-8 text, character {error.start} is not") from None
    if not found:
        raise ValueError("predict: there must be a sentence to translate, got none")
    return found


def translate(folder: Path, texts: Sequence[str], *, beam_size: int, as_json: bool) -> None:
    """Print what each sentence is in the other language: a line each."""
    from jaxml.cli._translate import load

    sentences = read_lines(texts)
    written = load(folder, beam_size=beam_size)(sentences)
    if as_json:
        results = [{"source": s, "translation": t} for s, t in zip(sentences, written, strict=True)]
        print(json.dumps({"model": str(folder), "results": results}, indent=2, ensure_ascii=False))
        return
    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    for text in written:
        console.print(text)
