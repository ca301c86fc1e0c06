"""Pairs of sentences and tokens: every script comes back, and what is wrong is named with its file, line and byte."""

import gzip
import json
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxml import data
from jaxml.data._packages import fetch_package
from jaxml.data._pairs import sentence_key

# Hangul in both forms, a family of emoji, combining accents, right to left, what separates lines in Unicode.
TEXTS = [
    "속성 이름으로 사용할 수 없습니다.", unicodedata.normalize("NFD", "한국어"), "👨‍👩‍👧 and 🇰🇷!", "e\u0301 ≠ é",
    "שלום עולם", "  blanks \t around\n ", "a\u2028b\u0085c", "<pad> [UNK] </s> ▁ Ġ", "{0} '%1'", "", "\x00\x01",
]  # fmt: skip


@pytest.fixture(scope="module")
def pieces():
    return data.BytePairTokenizer.train(["the cat sat on the mat", "고양이가 앉았습니다", *TEXTS] * 3, vocab_size=320)


def write(path, raw):
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    return path


def test_pairs_are_read_as_they_are(tmp_path):
    text = '\ufeff"It\'s"\t그것은 👋\n\n e\u0301 \tÉ\r\nx\u2028y\tz'
    want = data.Pairs(('"It\'s"', "e\u0301", "x\u2028y"), ("그것은 👋", "É", "z"))
    assert data.read_pairs(write(tmp_path / "pairs.tsv", text)) == want
    assert data.read_pairs(write(tmp_path / "pairs.tsv.gz", gzip.compress(text.encode()))) == want


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("한국어\tKorean".encode("euc-kr"), r"pairs.tsv must be UTF-8 text, byte 0 \(0xc7\) is not"),
        (b"\xef\xbb\xbfab\tc\xff", r"pairs.tsv must be UTF-8 text, byte 7 \(0xff\) is not"),
        ("\ufeffab\t1\n".encode("utf-16"), r"must be UTF-8 text, byte 0 \(0xff\)"),
        ("", "must hold at least one pair, it is empty"),
        ("\n \n", "must hold at least one pair, it is empty"),
        (
            "a\tb\nonly one\n",
            "pairs.tsv, line 2: there must be a sentence, a tab and its translation, got 1 column: 'on",
        ),
        ("a\tb\tc", "line 1: there must be .* got 3 columns"),
        ("a\tb\n\tc", "line 2: the sentence is empty"),
        ("a\t ", "line 1: the translation is empty"),
    ],
)
def test_what_is_no_table_of_pairs_is_refused(raw, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        data.read_pairs(write(tmp_path / "pairs.tsv", raw))


def test_pairs_of_other_lengths():
    with pytest.raises(ValueError, match="as many targets as sources, got 2 and 1"):
        data.Pairs(("a", "b"), ("c",))


def test_no_sentence_is_in_two_parts():
    """Of a sentence there are several translations, and forms that differ in case, blanks and composition."""
    sentences = [f"caf\u00e9 {n}" for n in range(40)]
    source = [*sentences, *(s.upper() for s in sentences), *(unicodedata.normalize("NFD", s) + " " for s in sentences)]
    pairs = data.Pairs(tuple(source), tuple(map(str, range(120))))
    parts = data.split_pairs(pairs, fractions=(0.8, 0.1, 0.1), seed=3)
    keys = [{sentence_key(s) for s in part.source} for part in parts]
    assert [len(part) for part in parts] == [96, 12, 12]
    assert not keys[0] & keys[1] and not keys[0] & keys[2] and not keys[1] & keys[2]
    assert sorted(t for part in parts for t in part.target) == sorted(pairs.target)
    # The order of the pairs does not matter, the seed does.
    backwards = data.split_pairs(pairs.take(range(119, -1, -1)), fractions=(0.8, 0.1, 0.1), seed=3)
    assert [set(p.target) for p in backwards] == [set(p.target) for p in parts]
    assert set(data.split_pairs(pairs, seed=4)[2].target) != set(parts[2].target)


def typescript(folder, script, korean):
    lib = folder / "package" / "lib"
    (lib / "ko").mkdir(parents=True)
    write(lib / "typescript.js", script)
    write(lib / "ko" / "diagnosticMessages.generated.json", korean)
    return folder


def test_typescript_is_read_as_text(tmp_path):
    """Quotes of either kind, escapes, codes written as 4e3; what is not translated is left out."""
    script = r"""
      a: diag(1002, 1 /* Error */, "a_1002", "Say \"{0}\" \u{1F44B} \ud83d\udc4b\x21."),
      b: diag(4e3, 1 /* Error */, "b_4000", 'It is "so".', void 0, true),
      c: diag(3, 0 /* Warning */, "c_3", "Same"), d: diag(4, 1 /* Error */, "d_4", "Not there"), mydiag("x", "y")
    """
    korean = {"a_1002": "말하기", "b_4000": "그렇습니다", "c_3": "Same", "e_5": "없음"}
    pairs = data.typescript_pairs(typescript(tmp_path, script, json.dumps(korean)))
    assert pairs == data.Pairs(('Say "{0}" 👋 👋!.', 'It is "so".'), ("말하기", "그렇습니다"))
    with pytest.raises(FileNotFoundError, match="is not there; the languages are ko"):
        data.typescript_pairs(tmp_path, language="xx")


@pytest.mark.parametrize(
    ("script", "korean", "message"),
    [
        ("nothing", "{}", "must hold messages as diag"),
        ("nothing", "{", "must be JSON"),
        (b"\xff", "{}", r"typescript.js must be UTF-8 text, byte 0 \(0xff\)"),
        ("nothing", b'{"a": "\xff"}', "diagnosticMessages.generated.json must be UTF-8 text, byte 7"),
    ],
)
def test_what_is_no_typescript_is_refused(script, korean, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        data.typescript_pairs(typescript(tmp_path, script, korean))
    with pytest.raises(FileNotFoundError, match=r"no typescript.js"):
        data.typescript_pairs(tmp_path / "elsewhere")


def mo_file(messages):
    """A gettext catalogue as msgfmt writes it."""
    rows = [(k.encode(), v if isinstance(v, bytes) else v.encode()) for k, v in sorted(messages.items())]
    start, text, tables = 28 + 16 * len(rows), b"", [b"", b""]
    for which in (0, 1):
        for row in rows:
            tables[which] += np.array([len(row[which]), start + len(text)], "<u4").tobytes()
            text += row[which] + b"\0"
    head = np.array([0x950412DE, 0, len(rows), 28, 28 + 8 * len(rows), 0, 0], "<u4").tobytes()
    return head + tables[0] + tables[1] + text


HEAD = {"": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=1; plural=0;\n"}


def test_gettext_catalogues(tmp_path):
    """The head is no message, a context is none of the text, and of plurals the singular's form is taken."""
    write(tmp_path / "a.mo", mo_file(HEAD | {"menu\x04Open": "열기", "%1 cell\0%1 cells": "%1개 셀", "Dask": "Dask"}))
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep" / "b.mo", mo_file(HEAD | {"Open": "열기", "Close": "닫기"}))
    found = data.gettext_pairs(tmp_path)
    assert dict(zip(found.source, found.target, strict=True)) == {"Open": "열기", "%1 cell": "%1개 셀", "Close": "닫기"}
    assert len(data.gettext_pairs(tmp_path / "deep" / "b.mo")) == 2


def test_what_is_no_catalogue_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must hold \.mo files, there is none"):
        data.gettext_pairs(tmp_path)
    with pytest.raises(ValueError, match=r"a.mo must be a gettext \.mo file"):
        data.gettext_pairs(write(tmp_path / "a.mo", "not one"))
    whole = mo_file(HEAD | {"Open": "열기"})
    with pytest.raises(ValueError, match=r"a.mo must be a gettext \.mo file"):
        data.gettext_pairs(write(tmp_path / "a.mo", whole[:40]))
    with pytest.raises(ValueError, match=r"a.mo must be UTF-8 text, byte 1 of a message"):
        data.gettext_pairs(write(tmp_path / "a.mo", mo_file(HEAD | {"Open": b"a\xff"})))


def test_packages_are_named_in_full(tmp_path, monkeypatch):
    for name in ("typescript", "npm:", "apt:x", "pypi:--index-url=x"):
        with pytest.raises(ValueError, match="name must be 'pypi:NAME==VERSION' or 'npm:NAME@VERSION'"):
            fetch_package(name, cache=tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConnectionError, match=r"npm:typescript@5\.9\.3 cannot be fetched"):
        fetch_package("npm:typescript@5.9.3", cache=tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    (tmp_path / "npm-typescript@5.9.3").mkdir()
    assert fetch_package("npm:typescript@5.9.3", cache=tmp_path) == tmp_path / "npm-typescript@5.9.3"


@pytest.mark.slow
def test_english_korean():
    from _real_weights import CACHE

    try:
        pairs = data.english_korean(cache=CACHE)
    except ConnectionError as error:
        pytest.skip(str(error))
    assert len(pairs) == len(set(zip(pairs.source, pairs.target, strict=True))) == 4364
    found = dict(zip(pairs.source, pairs.target, strict=True))
    assert found["Identifier expected."] == "식별자가 필요합니다."
    assert found["'{0}' expected."] == "'{0}'이(가) 필요합니다."
    assert sum(any("\uac00" <= c <= "\ud7a3" for c in t) for t in pairs.target) > 4200


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_comes_back(text, pieces):
    tokens = pieces.encode(text)
    assert pieces.decode(tokens) == text
    assert min(tokens, default=4) >= 4  # no special token, though the text spells some
    assert pieces.decode([pieces.bos, *tokens, pieces.eos, *tokens, pieces.pad]) == text
    characters = data.CharacterTokenizer.train(TEXTS)
    assert characters.decode(characters.encode(text)) == text


@given(st.text(max_size=30))
def test_any_text_comes_back(text):
    pieces = any_pieces()
    assert pieces.decode(pieces.encode(text)) == text


def any_pieces(made=[]):  # noqa: B006  (once: hypothesis refuses fixtures of a function's scope)
    if not made:
        made.append(data.BytePairTokenizer.train(["ab 가나 ab 가나"], vocab_size=270))
    return made[0]


def test_batches_are_filled_up(pieces):
    rows = [pieces.encode("the cat"), pieces.encode("고양이")]
    got = pieces.batch(["the cat", "고양이"], length=20, bos=True, eos=True)
    assert (got.shape, got.dtype) == ((2, 20), np.int32)
    for row, tokens in zip(got.tolist(), rows, strict=True):
        assert row == [2, *tokens, 3] + [0] * (18 - len(tokens))
    assert pieces.batch(["the cat", ""]).shape == (2, len(rows[0]))
    assert pieces.batch([""]).tolist() == [[0]]
    with pytest.raises(ValueError, match=r"text 1 has \d+ tokens, more than length=3: 'the cat sat"):
        pieces.batch(["the", "the cat sat on the mat"], length=3)
    with pytest.raises(ValueError, match="texts must be a list of at least one text, got 'the'"):
        pieces.batch("the")
    with pytest.raises(ValueError, match="length must be positive"):
        pieces.batch(["the"], length=0)


def test_unknown_characters():
    tolerant, strict = (data.CharacterTokenizer("abc", unknown=u) for u in (True, False))
    assert tolerant.encode("aé") == [4, tolerant.unk] and tolerant.decode([4, 1]) == "a\ufffd"
    with pytest.raises(ValueError, match=r"'é' \(U\+00E9\) at position 1 of 'aé' is not in the vocabulary"):
        strict.encode("aé")
    with pytest.raises(ValueError, match="tokens must be below 7, the vocabulary's size, got 7"):
        strict.decode([4, 7])
    with pytest.raises(ValueError, match="tokens must be below 7, the vocabulary's size, got -1"):
        strict.decode([-1])
    with pytest.raises(ValueError, match="characters must hold at least one"):
        data.CharacterTokenizer("")


def test_training_says_what_it_needs():
    with pytest.raises(ValueError, match="vocab_size must be at least 260, the bytes and special tokens, got 100"):
        data.BytePairTokenizer.train(["a"], vocab_size=100)
    assert len(data.BytePairTokenizer.train(["ab"], vocab_size=300)) == 260  # no pair occurs twice
    with pytest.raises(ValueError, match="must be one that the library wrote"):
        data.BytePairTokenizer("{}")


def test_half_a_character_is_no_error(pieces):
    assert pieces.decode(pieces.encode("가")[:1] if len(pieces.encode("가")) > 1 else [200]) == "\ufffd"
    assert pieces.decode([*pieces.encode("the"), pieces.unk, *pieces.encode("cat")]) == "the\ufffdcat"


def test_tokenizers_are_saved(tmp_path, pieces):
    for made in (pieces, data.CharacterTokenizer("가나\u0301👋", unknown=False)):
        made.save(tmp_path / "tokenizer.json")
        again = data.load_tokenizer(tmp_path / "tokenizer.json")
        assert type(again) is type(made) and len(again) == len(made)
        assert again.encode("가나") == made.encode("가나")
        again.save(tmp_path / "again.json")
        assert (tmp_path / "again.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\xff", "must be a file that Tokenizer.save wrote"),
        ("[]", "must be a file that Tokenizer.save wrote"),
        ('{"kind": "CharacterTokenizer"}', "must be a file that Tokenizer.save wrote"),
        ('{"format": 2, "kind": "CharacterTokenizer"}', "format must be one of 1, got 2"),
        ('{"format": 1, "kind": "Words"}', "kind must be one of"),
        ('{"format": 1, "kind": "CharacterTokenizer"}', "tokenizer.json is incomplete"),
        ('{"format": 1, "kind": "BytePairTokenizer", "pieces": {}}', "must be one that the library wrote"),
    ],
)
def test_what_is_no_tokenizer_is_refused(raw, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        data.load_tokenizer(write(tmp_path / "tokenizer.json", raw))


def test_the_same_texts_give_the_same_tokens_in_another_process(pieces):
    """Its maps are hashed by a seed of the process; ties must not depend on it."""
    code = (
        "import sys; sys.path.insert(0, 'tests'); from test_data_text import TEXTS, data\n"
        "texts = ['the cat sat on the mat', '고양이가 앉았습니다', *TEXTS] * 3\n"
        "print(data.BytePairTokenizer.train(texts, vocab_size=320).encode('고양이 sat on 이름으로'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout) == pieces.encode("고양이 sat on 이름으로")
