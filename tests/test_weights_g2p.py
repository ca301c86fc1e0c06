"""The weights of two packages for pronunciation in the recurrent models, against the packages' own NumPy code.

g2p-en's GRU encoder and decoder on 202 English words, g2pM's bidirectional LSTM on 201 Chinese sentences: the same
tokens, and every hidden state within 1e-5.
"""

import ast
import os
import warnings
from functools import cache
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxml import models
from jaxml.models._weights._pickle import load
from jaxml.models._weights._read import read
from tests._real_weights import weights

pytestmark = pytest.mark.slow
TOLERANCE = 1e-5


def source(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on escapes in its texts
        return ast.parse(path.read_text(encoding="utf-8"))


def class_of(name, path, **scope):
    """An instance of a package's class that is not initialised, without what its file imports: nltk, and downloads."""
    tree = source(path)
    constants = [n for n in tree.body if isinstance(n, ast.Assign) and isinstance(n.value, ast.Constant)]
    (wanted,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name]
    tree.body = [*constants, wanted]
    found = {"np": np, "os": os, **scope}
    exec(compile(tree, str(path), "exec"), found)
    return object.__new__(found[name])


# English letters to ARPAbet.
@cache
def english():
    """g2p-en's class with its own weights, and ours; the words are those of its list of homographs, and the two that
    are listed with what it says to them."""
    path = weights("g2p_en")
    theirs = class_of("G2p", weights("g2p_en_code"), dirname=str(path.parent))
    lists = {
        target.attr: ast.literal_eval(flat(node.value))
        for node in ast.walk(source(weights("g2p_en_code")))
        if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Attribute)
        if target.attr in ("graphemes", "phonemes")
    }
    letters, phonemes = lists["graphemes"], lists["phonemes"]
    theirs.g2idx, theirs.idx2p = {g: i for i, g in enumerate(letters)}, dict(enumerate(phonemes))
    theirs.load_variables()
    ours = models.create("g2p_en", rngs=nnx.Rngs(0), weights=path)
    lines = weights("g2p_en_words").read_text(encoding="utf-8").splitlines()
    words = [line.split("|")[0].lower() for line in lines if line[:1] not in ("", "#")]
    words = ["hello", "korea", *dict.fromkeys(w for w in words if w.isascii() and w.isalpha())][:202]
    return SimpleNamespace(theirs=theirs, ours=ours, words=words, letters=letters, phonemes=phonemes)


def flat(node):
    """`["<pad>"] + list("abc") + [...]` as one list."""
    if isinstance(node, ast.BinOp):
        return ast.List([*flat(node.left).elts, *flat(node.right).elts])
    if isinstance(node, ast.Call):
        return ast.List([ast.Constant(letter) for letter in node.args[0].value])
    return node


def tokens_of(words, letters):
    """Letters as numbers, the end behind each word, and zeros up to the longest."""
    x = np.zeros((len(words), max(map(len, words)) + 1), np.int32)
    for row, word in zip(x, words, strict=True):
        row[: len(word) + 1] = [letters.index(letter) for letter in [*word, "</s>"]]
    return jnp.asarray(x)


def test_english_words():
    e = english()
    assert len(e.words) == 202 and len(e.letters) == 29 and len(e.phonemes) == 74
    got = np.asarray(jax.jit(e.ours.decode)(tokens_of(e.words, e.letters)))
    said = [[e.phonemes[t] for t in row[: [*row, 3].index(3)]] for row in got]
    assert said == [e.theirs.predict(word) for word in e.words]
    assert [" ".join(phonemes) for phonemes in said[:2]] == ["HH EH1 L OW0", "K AO1 R IY0 AH0"]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_english_states(dtype):
    """Of the encoder at every letter, of the decoder at every phoneme, fed with what the package says.

    The package computes in float32. Ours in float64 differ from that by 3.6e-6, which is its rounding; in float32, by
    8.7e-6 where it was run, XLA's tanh and sigmoid being less exact than NumPy's.
    """
    e = english()
    x = tokens_of(e.words, e.letters)
    lengths = jnp.asarray([len(word) + 1 for word in e.words], jnp.int32)
    spoken = [e.theirs.predict(word) for word in e.words]
    fed = np.full((len(spoken), max(map(len, spoken)) + 1), 2, np.int32)
    for row, phonemes in zip(fed, spoken, strict=True):
        row[1 : len(phonemes) + 1] = [e.phonemes.index(phoneme) for phoneme in phonemes]

    @jax.jit
    def states(x, fed):
        read, h = e.ours.encoder(e.ours.encoder_embedding(x).astype(dtype), lengths=lengths)
        return read, e.ours.decoder(e.ours.decoder_embedding(fed).astype(dtype), h0=h)[0]

    with jax.enable_x64(dtype == jnp.float64):
        read_states, written = map(np.asarray, states(x, jnp.asarray(fed)))
    assert read_states.dtype == written.dtype == dtype
    t = e.theirs
    for n, (word, phonemes) in enumerate(zip(e.words, spoken, strict=True)):
        want = t.gru(t.encode(word), len(word) + 1, t.enc_w_ih, t.enc_w_hh, t.enc_b_ih, t.enc_b_hh)
        np.testing.assert_allclose(read_states[n, : len(word) + 1], want[0], rtol=0, atol=TOLERANCE)
        assert not read_states[n, len(word) + 1 :].any()
        h = want[:, -1]
        for step, token in enumerate(fed[n, : len(phonemes) + 1]):
            h = t.grucell(t.dec_emb[token][None], h, t.dec_w_ih, t.dec_w_hh, t.dec_b_ih, t.dec_b_hh)
            np.testing.assert_allclose(written[n, step], h[0], rtol=0, atol=TOLERANCE)


# Chinese characters to pinyin.
@cache
def chinese():
    """g2pM's class with the arrays that our reader has found, its tables, and our model."""
    theirs = class_of("G2pM", weights("g2pm_code"))
    path = weights("g2pm")
    theirs.load_variable(read(path))
    tables = {}
    for name in ("characters", "classes", "readings"):
        with open(weights(f"g2pm_{name}"), "rb") as file:
            tables[name] = load(file)
    theirs.char2idx, theirs.cedict = tables["characters"], tables["readings"]
    theirs.idx2class = {index: name for name, index in tables["classes"].items()}
    ours = models.create("g2pm", rngs=nnx.Rngs(0), weights=path)
    return SimpleNamespace(theirs=theirs, ours=ours, **tables)


README = "然而，他红了20年以后，他竟退出了大家的视线。"
PINYIN = "ran2 er2 ， ta1 hong2 le5 2 0 nian2 yi3 hou4 ， ta1 jing4 tui4 chu1 le5 da4 jia1 de5 shi4 xian4 。"


def sentences():
    """The package's own, and 200 of characters drawn from its table, every other one of several readings."""
    c, rng = chinese(), np.random.default_rng(0)
    known = [char for char in c.readings if char in c.characters]
    several = [char for char in known if len(c.readings[char]) > 1]
    made = [README]
    for _ in range(200):
        half = int(rng.integers(2, 16))
        pairs = zip(rng.choice(several, half), rng.choice(known, half), strict=True)
        made.append("".join(char for pair in pairs for char in pair))
    return made


def numbered(sentence, characters):
    unknown = characters["<UNK>"]
    return [characters["시"], *(characters.get(char, unknown) for char in sentence), characters["끝"]]


def test_chinese_sentences():
    c, made = chinese(), sentences()
    rows = [numbered(sentence, c.characters) for sentence in made]
    x = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for row, tokens in zip(x, rows, strict=True):
        row[: len(tokens)] = tokens

    @jax.jit
    def run(x):
        lengths = (x > 0).sum(1, dtype=jnp.int32)
        return c.ours(x).argmax(-1), c.ours.recurrent(c.ours.embedding(x), lengths=lengths)[0]

    got, states = map(np.asarray, run(jnp.asarray(x)))
    for n, tokens in enumerate(rows):
        size, line = len(tokens), np.asarray([tokens], np.int32)
        assert (got[n, :size] == c.theirs.predict(line, list(range(size)))).all()
        # Its `predict` keeps the states to itself; its cells give them.
        for at, cell, order in ((0, c.theirs.fw_lstm_cell, 1), (32, c.theirs.bw_lstm_cell, -1)):
            state, want = None, []
            for vector in c.theirs.get_embedding(line)[0][::order]:
                state = cell(vector[None], state)
                want.append(state[0][0])
            np.testing.assert_allclose(states[n, :size, at : at + 32], want[::order], rtol=0, atol=TOLERANCE)
        assert not states[n, size:].any()


def test_what_the_package_shows():
    """The sentence of its README, from our classes and its table of characters with one reading."""
    c = chinese()
    got = np.asarray(c.ours(jnp.asarray([numbered(README, c.characters)], jnp.int32))).argmax(-1)[0, 1:-1]
    said = [
        char if char not in c.readings else c.readings[char][0] if len(c.readings[char]) == 1 else c.theirs.idx2class[n]
        for char, n in zip(README, got, strict=True)
    ]
    assert said == c.theirs(README, char_split=True)
    assert " ".join(said) == PINYIN
