"""The translation of `jaxml train translate`: pairs, tokens and network before training, scores after it."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx

import jaxml.functional as F
from jaxml import data, models, nn
from jaxml.data._extras import require

MODEL, WEIGHTS, TOKENIZER = "model.json", "weights.safetensors", "tokenizer.json"
SCORES, TRANSLATIONS = "scores.json", "translations.tsv"
VOCAB_SIZE, MAX_LENGTH, BEAM_SIZE, SMOOTHING = 2000, 48, 4, 0.1


@dataclass(frozen=True)
class Translation:
    """What is trained on, what makes tokens of text, and what is scored in the end. `train` are batches for `fit`,
    `validation` a list of such."""

    name: str
    module: Any
    tokenizer: data.Tokenizer
    train: data.TokenBatches
    validation: list[Any]
    test: data.Pairs
    pairs: tuple[int, int, int]  # in training, in validation, and of these two those that are too long

    def apply(self) -> tuple[Any, Any, Any]:
        """The network as `fit` takes it, with source and target for its inputs."""
        apply, params, state = nn.functionalize(self.module)

        def run(params: Any, state: Any, x: Any, *, train: bool) -> tuple[Any, Any]:
            return apply(params, state, *x, train=train)

        return run, params, state

    def keep(self, folder: Path) -> None:
        """Write what `jaxml predict` makes the network and the tokens again of."""
        made = {"model": "seq2seq", "options": asdict(self.module.config)}
        (folder / MODEL).write_text(json.dumps(made, indent=2))
        self.tokenizer.save(folder / TOKENIZER)

    def finish(self, result: Any, folder: Path, *, beam_size: int) -> dict[str, Any]:
        """Write the weights of the best epoch; translate the test sentences, score them, and keep both."""
        nnx.update(self.module, result.best.params, result.best.state)
        models.save_weights(self.module, folder / WEIGHTS)
        translate = Translator(self.module, self.tokenizer, beam_size=beam_size)
        written = translate(self.test.source)
        scores = score(written, self.test.target) | {"sentences": len(written), "beam_size": beam_size}
        rows = zip(self.test.source, self.test.target, written, strict=True)
        lines = ["\t".join(" ".join(cell.split()) for cell in row) for row in rows]
        (folder / TRANSLATIONS).write_text("\n".join(["source\treference\ttranslation", *lines, ""]), encoding="utf-8")
        (folder / SCORES).write_text(json.dumps(scores, indent=2))
        return scores


def prepare(
    pairs: Path | None, *, vocab_size: int, max_length: int, batch_size: int, beam_size: int, validation: float,
    seed: int, options: Mapping[str, Any],
) -> Translation:  # fmt: skip
    """The pairs of a file, or the catalogues', split by sentence: half of `validation` to look at while training, half
    to test on. The tokens are those of the training sentences alone."""
    for library in ("tokenizers", "sacrebleu", "safetensors"):  # said now, and not when the training is done
        require("train translate", library, library, "text")
    found = data.english_korean() if pairs is None else data.read_pairs(pairs)
    fractions = (1 - validation, validation / 2, validation / 2)
    training, valid, test = data.split_pairs(found, fractions=fractions, seed=seed)
    tokenizer = data.BytePairTokenizer.train([*training.source, *training.target], vocab_size=vocab_size)
    bounds = [max(1, max_length // parts) for parts in (6, 3, 2, 1)]
    batches, kept = [], []
    for part, shuffle in ((training, True), (valid, False)):
        rows = [
            (tokenizer.encode(s), [*tokenizer.encode(t), tokenizer.eos])
            for s, t in zip(part.source, part.target, strict=True)
        ]
        fit = [row for row in rows if max(map(len, row)) <= max_length]
        if not fit:
            raise ValueError(f"train translate: no pair has at most {max_length} tokens; --max-length must be larger")
        kept.append(len(fit))
        make = partial(data.TokenBatches, lengths=bounds, seed=seed, shuffle=shuffle)
        batches.append(make([s for s, _ in fit], [t for _, t in fit], batch_size=batch_size))
    dropped = len(training) + len(valid) - sum(kept)
    if dropped:
        print(
            f"{dropped} of {len(training) + len(valid)} pairs have more than {max_length} tokens and are not trained "
            f"on; all {len(test)} test sentences are translated",
            file=sys.stderr,
        )
    size = len(tokenizer)
    check_beams("train translate", beam_size, size)
    given = {"num_classes": size, "num_embeddings": size, "max_length": max_length, "length": max_length, **options}
    module = models.create("seq2seq", rngs=nnx.Rngs(seed), **given)
    return Translation("translate" if pairs is None else pairs.stem, module, tokenizer, batches[0], batches[1].epoch(0),
                       test, (*kept, dropped))  # fmt: skip


def loss(logits: Any, y: Any, *, label_smoothing: float = SMOOTHING) -> Any:
    """The cross entropy of a sentence's tokens, so weighted that the mean over sentences is that over tokens."""
    tokens, weight = y
    per_sentence = F.softmax_cross_entropy_with_integer_labels(
        logits, tokens, ignore_index=data.Tokenizer.pad, label_smoothing=label_smoothing
    )
    return per_sentence * weight.astype(per_sentence.dtype)


METRICS = {"cross_entropy": partial(loss, label_smoothing=0.0)}


def score(written: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """BLEU and chrF by sacrebleu, of the whole, with their signatures."""
    library = require("train translate", "sacrebleu.metrics", "sacrebleu", "text")
    found: dict[str, Any] = {}
    for name, metric in (("bleu", library.BLEU()), ("chrf", library.CHRF())):
        found[name] = metric.corpus_score(list(written), [list(references)]).score
        found[f"{name}_signature"] = str(metric.get_signature())
    return found


def check_beams(command: str, beam_size: int, vocabulary: int) -> None:
    """Errors: ValueError for a beam that is wider than the vocabulary."""
    if beam_size > vocabulary:
        raise ValueError(f"{command}: --beam-size must be at most the number of tokens, {vocabulary}, got {beam_size}")


class _Decoder(nnx.Module):
    """`decode` of a network in place of its call, for `functionalize`."""

    def __init__(self, model: Any, **options: Any):
        self.model, self.options = model, tuple(options.items())

    def __call__(self, x: Any) -> Any:
        return self.model.decode(x, **dict(self.options))


class Translator:
    """A network and its tokens as a function of sentences, in batches of similar length."""

    def __init__(self, model: Any, tokenizer: data.Tokenizer, *, beam_size: int, length_penalty: float = 0.6):
        import jax

        check_beams("predict", beam_size, len(tokenizer))
        self.tokenizer = tokenizer
        apply, self._params, self._state = nn.functionalize(
            _Decoder(model, beam_size=beam_size, length_penalty=length_penalty)
        )
        self._decode = jax.jit(lambda params, state, x: apply(params, state, x)[0].tokens)

    def __call__(self, sentences: Sequence[str], *, batch_size: int = 64) -> list[str]:
        rows = [self.tokenizer.encode(sentence) for sentence in sentences]
        order = np.argsort([len(row) for row in rows], kind="stable")
        found = [""] * len(rows)
        size = min(batch_size, len(rows))
        for at in range(0, len(rows), size):
            index = np.resize(order[at : at + size], size)
            length = max(1, *(len(rows[n]) for n in index))
            x = np.full((size, -(-length // 16) * 16), self.tokenizer.pad, np.int32)  # of few different lengths
            for place, n in enumerate(index):
                x[place, : len(rows[n])] = rows[n]
            for n, tokens in zip(index, np.asarray(self._decode(self._params, self._state, x)), strict=True):
                found[n] = self.tokenizer.decode(tokens)
        return found


def load(folder: Path, *, beam_size: int) -> Translator:
    """The network of a finished run.

    Errors: ValueError for a folder without one.
    """
    missing = [name for name in (MODEL, TOKENIZER, WEIGHTS) if not (folder / name).exists()]
    if missing:
        raise ValueError(
            f"predict: {folder} must hold a finished run of `jaxml train translate`, it has no "
            f"{' and no '.join(missing)}"
        )
    made = json.loads((folder / MODEL).read_text())
    model = models.create(made["model"], rngs=nnx.Rngs(0), weights=folder / WEIGHTS, **made["options"])
    return Translator(model, data.load_tokenizer(folder / TOKENIZER), beam_size=beam_size)
