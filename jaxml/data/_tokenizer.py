"""Text as numbers and back: characters, or pieces of words that byte pair encoding found."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxml.data._extras import require
from jaxml.functional._checks import check_choice, check_positive

FORMAT = 1
SPECIAL = ("pad", "unk", "bos", "eos")
PAD, UNK, BOS, EOS = range(4)
BYTES = 256


class Tokenizer(ABC):
    """What `CharacterTokenizer` and `BytePairTokenizer` share: `encode` and `decode`, batches, files.

    The first tokens are special: `pad` 0, `unk` 1, `bos` 2, `eos` 3. Text never becomes one of them, even where it
    looks like one, but for `unk`. `len(tokenizer)` is the size of the vocabulary, these four among it.
    """

    pad, unk, bos, eos = PAD, UNK, BOS, EOS

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The tokens of `text`, without `bos` and `eos`."""

    @abstractmethod
    def _text(self, tokens: list[int]) -> str:
        """The text of tokens that are not special, but for `unk`."""

    @abstractmethod
    def _config(self) -> dict[str, Any]:
        """What `load_tokenizer` makes it again of."""

    def decode(self, tokens: Any) -> str:
        """The text of `tokens`, a row of an array or any numbers, up to the first `eos`.

        `pad` and `bos` say nothing, `unk` is U+FFFD.
        Errors: ValueError for a number that is no token.
        """
        kept = []
        for token in (int(t) for t in tokens):
            if not 0 <= token < len(self):
                raise ValueError(f"decode: tokens must be below {len(self)}, the vocabulary's size, got {token}")
            if token == EOS:
                break
            if token not in (PAD, BOS):
                kept.append(token)
        return self._text(kept)

    def batch(
        self, texts: Sequence[str], *, length: int | None = None, bos: bool = False, eos: bool = False
    ) -> np.ndarray:
        """The tokens of all `texts`, int32 (N, length), filled up with `pad`; `bos` before and `eos` after each.

        length: as many as the longest has, unless given.
        Errors: ValueError for no text, and for one that has more tokens than `length`, which names it.
        """
        if isinstance(texts, str) or not len(texts):
            raise ValueError(f"batch: texts must be a list of at least one text, got {texts!r}")
        rows = [[BOS] * bos + self.encode(text) + [EOS] * eos for text in texts]
        if length is None:
            length = max(1, *map(len, rows))
        check_positive("batch", "length", [length])
        out = np.full((len(rows), length), PAD, np.int32)
        for n, row in enumerate(rows):
            if len(row) > length:
                raise ValueError(f"batch: text {n} has {len(row)} tokens, more than length={length}: {texts[n][:60]!r}")
            out[n, : len(row)] = row
        return out

    def save(self, path: str | Path) -> None:
        """Write it as JSON, which `load_tokenizer` reads."""
        text = json.dumps({"format": FORMAT, "kind": type(self).__name__} | self._config(), ensure_ascii=False)
        Path(path).write_text(text, encoding="utf-8")


class CharacterTokenizer(Tokenizer):
    """One token for each character (code point of Unicode) of `characters`.

    A character that is not among them becomes `unk`, or with `unknown=False` is an error.

    >>> tokenizer = CharacterTokenizer("가나다")
    >>> tokenizer.encode("나가!"), tokenizer.decode([5, 4]), len(tokenizer)
    ([5, 4, 1], '나가', 7)
    """

    def __init__(self, characters: Iterable[str], *, unknown: bool = True):
        self.characters, self.unknown = "".join(dict.fromkeys("".join(characters))), unknown
        if not self.characters:
            raise ValueError("CharacterTokenizer: characters must hold at least one")
        self._ids = {c: n for n, c in enumerate(self.characters, len(SPECIAL))}

    @classmethod
    def train(cls, texts: Iterable[str], *, unknown: bool = True) -> "CharacterTokenizer":
        """Of all characters that occur, in the order of their numbers in Unicode."""
        return cls(sorted(set().union(*texts)), unknown=unknown)

    def __len__(self) -> int:
        return len(SPECIAL) + len(self.characters)

    def encode(self, text: str) -> list[int]:
        if not self.unknown:
            for at, c in enumerate(text):
                if c not in self._ids:
                    raise ValueError(
                        f"encode: {c!r} (U+{ord(c):04X}) at position {at} of {text[:40]!r} is not in the vocabulary, "
                        f"which has no token for the unknown"
                    )
        return [self._ids.get(c, UNK) for c in text]

    def _text(self, tokens: list[int]) -> str:
        return "".join("\ufffd" if t == UNK else self.characters[t - len(SPECIAL)] for t in tokens)

    def _config(self) -> dict[str, Any]:
        return {"characters": self.characters, "unknown": self.unknown}


class BytePairTokenizer(Tokenizer):
    """Pieces of words, by byte pair encoding of the text's UTF-8 bytes, from the library `tokenizers`.

    The 256 bytes are tokens, so nothing is unknown and every text, in any script, comes back as it was; further ones
    are the pairs of tokens that were most frequent in the text it was trained on. `BytePairTokenizer.train(texts)`
    makes one; the same texts give the same. A token may be a part of a character: of such alone, `decode` makes U+FFFD.

    Errors: ImportError where `tokenizers` is not installed (`pip install 'jaxml-nn[text]'`), ValueError for a text
    that is none of its own.
    Reference: Sennrich et al. 2015, arXiv:1508.07909.

    >>> tokenizer = BytePairTokenizer.train(["low lower lowest"] * 9, vocab_size=270)
    >>> tokenizer.decode(tokenizer.encode("낮은 é 👋")), len(tokenizer.encode("lower"))
    ('낮은 é 👋', 3)
    """

    def __init__(self, text: str):
        library = require("BytePairTokenizer", "tokenizers", "tokenizers", "text")
        try:
            self._pieces = library.Tokenizer.from_str(text)
        except Exception as error:  # the library's own, of no narrower class
            raise ValueError(f"BytePairTokenizer: the text must be one that the library wrote: {error}") from None

    @classmethod
    def train(cls, texts: Iterable[str], *, vocab_size: int = 4000) -> "BytePairTokenizer":
        """Of these texts; fewer than `vocab_size` tokens where no pair is left that occurs twice.

        Errors: ValueError for a `vocab_size` that does not hold the bytes and the special tokens.
        """
        if vocab_size < BYTES + len(SPECIAL):
            raise ValueError(
                f"BytePairTokenizer: vocab_size must be at least {BYTES + len(SPECIAL)}, the bytes and special tokens, "
                f"got {vocab_size}"
            )
        library = require("BytePairTokenizer", "tokenizers", "tokenizers", "text")
        pieces = library.Tokenizer(library.models.BPE())
        # Spaces belong to the word after them. No space is put before the first, or it would be there when decoded.
        pieces.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        pieces.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=vocab_size - len(SPECIAL),
            min_frequency=2,
            initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        pieces.train_from_iterator(texts, trainer)
        return cls(pieces.to_str())

    def __len__(self) -> int:
        return len(SPECIAL) + self._pieces.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        # The special tokens are none of the library's, which would find them in the text.
        return [n + len(SPECIAL) for n in self._pieces.encode(text).ids]

    def _text(self, tokens: list[int]) -> str:
        parts: list[list[int]] = [[]]
        for token in tokens:
            if token == UNK:
                parts.append([])
            else:
                parts[-1].append(token - len(SPECIAL))
        return "\ufffd".join(self._pieces.decode(part) for part in parts)

    def _config(self) -> dict[str, Any]:
        return {"pieces": json.loads(self._pieces.to_str())}


def load_tokenizer(path: str | Path) -> Tokenizer:
    """The tokenizer that `save` wrote to the file `path`.

    Errors: ValueError that names the file where it is no such file; FileNotFoundError; ImportError as the class.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        kind, version = found["kind"], found["format"]
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"load_tokenizer: {path} must be a file that Tokenizer.save wrote: {error!r}") from None
    check_choice(f"load_tokenizer: {path}", "format", version, (FORMAT,))
    check_choice(f"load_tokenizer: {path}", "kind", kind, ("CharacterTokenizer", "BytePairTokenizer"))
    try:
        if kind == "CharacterTokenizer":
            return CharacterTokenizer(found["characters"], unknown=found["unknown"])
        return BytePairTokenizer(json.dumps(found["pieces"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"load_tokenizer: {path} is incomplete: {error!r}") from None
