"""`jaxml train translate` and `jaxml predict RUN`: what they keep, print, resume and refuse."""

import json

import numpy as np
import pytest
from _devices import run_on_devices
from typer.testing import CliRunner

from jaxml import data
from jaxml.cli import _train, _translate
from jaxml.cli._app import app

pytestmark = pytest.mark.loose_promotion  # optax's schedules mix integers and floats

WORDS = {
    "red": "빨간",
    "blue": "파란",
    "small": "작은",
    "big": "큰",
    "old": "낡은",
    "new": "새",
    "cat": "고양이",
    "dog": "개",
}
SMALL = ("--vocab-size", 300, "--hidden-features", 16, "--max-length", 8, "--batch-size", 16)


def command(name, *arguments, stdin=None):
    return CliRunner().invoke(app, [name, *map(str, arguments)], env={"COLUMNS": "160"}, input=stdin)


def train(*arguments):
    return command("train", "translate", *arguments)


def shown(result):
    """The error's words without its frame."""
    return " ".join(result.output.replace("│", " ").split())


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Three or four words, and the same in the other order in Korean: a language to be learned."""
    rng, lines = np.random.default_rng(0), set()
    while len(lines) < 200:
        words = rng.choice(list(WORDS), 3 + rng.integers(2))
        lines.add(f"{' '.join(words)}\t{' '.join(WORDS[w] for w in words[::-1])}")
    path = tmp_path_factory.mktemp("pairs") / "toy.tsv"
    path.write_text("\n".join(sorted(lines)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(pairs, tmp_path_factory):
    """The folder of a run of four epochs, and what it printed on either stream."""
    folder = tmp_path_factory.mktemp("run")
    result = train("--pairs", pairs, *SMALL, "--epochs", 4, "--out", folder, "--json", "--quiet")
    assert result.exit_code == 0, result.output
    return folder, json.loads(result.stdout), result.stderr


def test_a_run_keeps_what_it_learned_and_its_scores(run, pairs):
    folder, found, said = run
    assert (found["data"], found["model"], found["task"]) == ("toy", "seq2seq", "translation")
    dropped = 180 - found["examples"] - found["validation_examples"]
    assert found["test"]["sentences"] == 20 and 0 < dropped < 120
    assert said.startswith(
        f"{dropped} of 180 pairs have more than 8 tokens and are not trained on; all 20 test sentences"
    )
    losses = found["history"]["loss"]
    assert losses[-1] < losses[0] and len(found["history"]["val_cross_entropy"]) == 4
    kept = json.loads((folder / "scores.json").read_text())
    assert kept == found["test"] and 0 <= kept["bleu"] <= 100 and "nc:6" in kept["chrf_signature"]
    rows = [line.split("\t") for line in (folder / "translations.tsv").read_text(encoding="utf-8").splitlines()]
    assert rows[0] == ["source", "reference", "translation"] and len(rows) == 21
    given = data.read_pairs(pairs)
    assert {tuple(row[:2]) for row in rows[1:]} <= set(zip(given.source, given.target, strict=True))
    # No test sentence was trained on, and the tokens are of the training part alone.
    training, _, test = data.split_pairs(given, seed=0)
    assert {row[0] for row in rows[1:]} == set(test.source) and not set(test.source) & set(training.source)
    tokenizer = data.BytePairTokenizer.train([*training.source, *training.target], vocab_size=300)
    assert data.load_tokenizer(folder / "tokenizer.json").encode(given.target[0]) == tokenizer.encode(given.target[0])


def test_predict_translates_lines_as_the_run_did(run):
    folder, _, _ = run
    rows = [line.split("\t") for line in (folder / "translations.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    several = command("predict", folder, *(row[0] for row in rows[:3]), "--json")
    assert several.exit_code == 0, several.output
    assert json.loads(several.stdout)["results"] == [{"source": s, "translation": t} for s, _, t in rows[:3]]
    read = command("predict", folder, "-", stdin="\n".join(["", *(row[0] for row in rows[:3])]).encode())
    # Print may not show control characters of an untrained network, so only how many lines there are.
    assert read.exit_code == 0 and "\ufeff" not in read.stdout


@pytest.mark.slow
def test_a_resumed_run_goes_on_to_the_same_bits(run, pairs, tmp_path, monkeypatch):
    """Cut off after its second epoch: the same history, weights and translations as without."""
    folder, whole, _ = run

    def stop(epoch):
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    arguments = ("--pairs", pairs, *SMALL, "--epochs", 4, "--out", tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(_train, "_print_epoch", stop)
        assert train(*arguments).exit_code == 130
    assert not (tmp_path / "weights.safetensors").exists()
    early = command("predict", tmp_path, "red cat")
    assert early.exit_code == 2 and "must hold a finished run" in shown(early)
    other = train(*arguments, "--resume", "--beam-size", 2)
    assert other.exit_code == 2 and "--beam-size was None, now 2" in shown(other)
    rest = train(*arguments, "--resume", "--quiet")
    assert "seq2seq on toy" in rest.stdout and f"test  bleu {whole['test']['bleu']:.4g}" in rest.stdout
    for name in ("metrics.jsonl", "scores.json", "weights.safetensors", "translations.tsv", "tokenizer.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


@pytest.mark.slow
def test_a_small_language_is_learned(pairs, tmp_path):
    """Words and their order; 2.5 % of the sentences would be right if the words were and their order was guessed."""
    options = ("--hidden-features", 64, "--epochs", 60, "--learning-rate", 1e-2, "--max-length", 12)
    result = train("--pairs", pairs, *SMALL, *options, "--out", tmp_path, "--json", "--quiet")
    assert json.loads(result.stdout)["test"]["bleu"] > 90
    said = command("predict", tmp_path, "small red dog", "--json")
    assert json.loads(said.stdout)["results"][0]["translation"] == "개 빨간 작은"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "x", "--augment"], "--target and --augment are not for translation"),
        (["--model", "mlp"], "--model of a translation is seq2seq, got mlp"),
        (["--pairs", "LATIN"], "latin.tsv must be UTF-8 text, byte 2 (0xe9) is not; save it as UTF-8"),
        (["--pairs", "ONE"], "one.tsv, line 1: there must be a sentence, a tab and its translation, got 1 column"),
        (["--pairs", "EMPTY"], "empty.tsv must hold at least one pair, it is empty"),
        (["--pairs", "nowhere.tsv"], "nowhere.tsv"),
        (["--pairs", "PAIRS", "--max-length", 1], "no pair has at most 1 tokens; --max-length must be larger"),
        (["--pairs", "PAIRS", "--vocab-size", 100], "260"),
        (["--pairs", "PAIRS", "--beam-size", 2001], "--beam-size must be at most the number of tokens,"),
        (["--pairs", "PAIRS", "--validation", 0.001], "would be empty with 200 examples"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message, pairs, tmp_path):
    (tmp_path / "latin.tsv").write_bytes("caf\u00e9\tx".encode("latin-1")[1:])
    (tmp_path / "one.tsv").write_text("only")
    (tmp_path / "empty.tsv").write_text("\n")
    names = {"PAIRS": pairs} | {name.upper(): tmp_path / f"{name}.tsv" for name in ("latin", "one", "empty")}
    result = train(*(names.get(a, a) for a in arguments), "--out", tmp_path / "run", "--quiet")
    assert result.exit_code == 2, result.output
    assert message in shown(result)


def test_options_of_translation_are_refused_elsewhere(tmp_path):
    result = command("train", "iris", "--vocab-size", 300, "--out", tmp_path)
    assert result.exit_code == 2 and "--vocab-size is for `jaxml train translate`" in shown(result)


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["RUN", "a", "--weights", "x"], None, "has its own weights: leave --weights out"),
        (["RUN", "-"], b"ab\xff", "standard input must be UTF-8 text, byte 2 (0xff) is not"),
        (["RUN", "-"], b"\n", "there must be a sentence to translate, got none"),
        (["RUN", "a", "--beam-size", "999"], None, "predict: --beam-size must be at most the number of tokens,"),
        (["EMPTY", "a"], None, "it has no model.json and no tokenizer.json and no weights.safetensors"),
        (["linear", "a.png"], None, "linear needs --weights: a file, a folder, or hub:owner/repo"),
    ],
)
def test_what_cannot_be_predicted(arguments, stdin, message, run, tmp_path):
    names = {"RUN": run[0], "EMPTY": tmp_path}
    result = command("predict", *(names.get(a, a) for a in arguments), stdin=stdin)
    assert result.exit_code == 2 and message in shown(result)


def test_scores_are_sacrebleus():
    """By hand: of "a b c d e" against "a b c d f" 4 of 5 words, 3 of 4 pairs, 2 of 3, 1 of 2."""
    found = _translate.score(["a b c d e"], ["a b c d f"])
    assert np.isclose(found["bleu"], 100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)
    assert _translate.score(["같은 문장입니다"] * 2, ["같은 문장입니다"] * 2)["chrf"] == 100
    assert _translate.score(["가"], ["나"])["chrf"] == 0


def test_a_models_name_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linear").mkdir()
    assert "linear needs --weights" in shown(command("predict", "linear", "a.png"))


@pytest.mark.slow
def test_two_devices_train_what_one_does(run, pairs, tmp_path):
    """`--mesh 2` parts every batch between two devices: the same losses but for rounding, and a run that translates."""
    options = ["--pairs", str(pairs), *map(str, SMALL), "--epochs", "4", "--out", str(tmp_path / "run"), "--quiet"]
    said = run_on_devices(
        f"""
        from jaxml.cli._app import app

        app({["train", "translate", *options, "--mesh", "2", "--json"]!r}, standalone_mode=False)
        """
    )
    two, one = json.loads(said)["history"], run[1]["history"]
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4)
    assert command("predict", tmp_path / "run", "red cat").exit_code == 0
