"""Every topic has a page with an equation, lines that run, a picture and a paper, and a test on real data."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Row of the topic table -> its page under docs/topics, and a test that exercises it on real data. `page` is the page's
# own program, which tests/test_readme.py runs.
TOPICS = {
    "supervised learning, fit and predict": ("supervised", "test_recipes.py::test_digits_in_seconds"),
    "unsupervised learning, groups": ("unsupervised", "test_estimators.py::test_kmeans_finds_the_groups_of_the_digits"),
    "reinforcement learning": ("reinforcement-learning", "test_rl_agents.py::test_ppo_solves_cart_pole"),
    "transfer learning": ("transfer-learning", "test_examples.py::test_faces_from_forty_photographs"),
    "weights, bias and variance, their trade-off": ("bias-variance", "page"),
    "activations and losses": ("activations-losses", "page"),
    "why no activation is linear": ("no-activation", "page"),
    "gradient descent, local minima, learning rate": ("gradient-descent", "page"),
    "stochastic gradient descent": (
        "sgd",
        "test_descent.py::test_sgd_finds_the_least_squares_of_real_data_and_scatters_around_it",
    ),
    "preprocessing, missing values": ("preprocessing", "page"),
    "hyper-parameter tuning": ("tuning", "page"),
    "overfitting": ("overfitting", "page"),
    "forward pass, backpropagation, the chain rule": (
        "backpropagation",
        "test_descent.py::test_backprop_is_autodiffs_gradient",
    ),
    "CNN, pooling, flatten": ("cnn", "test_recipes.py::test_fashion_mnist_in_part"),
    "MobileNet, the cost of depthwise separable": ("mobilenet", "test_weights_real.py::test_top_1"),
    "ResNet, skip connections, residual learning": ("resnet", "page"),
    "the bottleneck 256 -> 64 -> 64 -> 256": ("bottleneck", "test_weights_real.py::test_top_1"),
    "RNN, vanishing gradient": ("rnn", "page"),
    "LSTM gates, GRU": ("lstm-gru", "test_forecast.py::test_forecaster_beats_the_simple_forecasts"),
    "sequence to sequence": ("seq2seq", "test_weights_g2p.py::test_english_words"),
    "momentum, AdaGrad, RMSProp, Adam": ("optimizers", "page"),
    "MSE, binary cross entropy": ("mse-cross-entropy", "page"),
    "sigmoid, ReLU": ("sigmoid-relu", "page"),
    "linear and logistic regression": ("regression", "test_estimators.py::test_logistic_regression_is_scikit_learns"),
}
LINES = 10  # besides imports


def faults(page: str) -> list[str]:
    """What a topic's page lacks."""
    programs = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    found = []
    if len(programs) != 1:
        found.append(f"one program, not {len(programs)}")
    if (
        sum(bool(line) and not line.startswith(("import ", "from ")) for p in programs for line in p.splitlines())
        > LINES
    ):
        found.append(f"at most {LINES} lines of program beside imports")
    if not all(re.search(r"^(assert |print\(.*\)  # )", p, re.M) for p in programs):
        found.append("a program that says what comes out")
    if not re.search(r"^    \S", re.sub(r"```.*?```", "", page, flags=re.S), re.M):
        found.append("an equation")
    if not re.search(r"^!\[[^]]+\]\(\S+\)$", page, re.M):
        found.append("a picture")
    if "python examples/" not in page:
        found.append("what draws the picture")
    if not re.search(r"^(Paper|Papers|Book): \S", page, re.M):
        found.append("a paper")
    return found


@pytest.mark.parametrize("topic", TOPICS)
def test_topic(topic):
    name, test = TOPICS[topic]
    page = (ROOT / "docs" / "topics" / f"{name}.md").read_text()
    assert faults(page) == []
    assert f"topics/{name}.md" in (ROOT / "mkdocs.yml").read_text()
    if test == "page":
        assert "data.load(" in page
        return
    file, _, function = test.partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text())
    assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_no_page_is_left_over():
    pages = {path.stem for path in (ROOT / "docs" / "topics").glob("*.md")}
    assert pages == {page for page, _ in TOPICS.values()} | {"index"}


def test_pictures_are_drawn_by_an_example():
    """The line that the page gives names a file of the repository, and the picture beside the page."""
    for path in (ROOT / "docs" / "topics").glob("*.md"):
        for script, picture in re.findall(r"`python (examples/\S+) (\S+?)`", path.read_text()):
            assert (ROOT / script).is_file() and (ROOT / picture).is_file(), (path.name, script, picture)


def test_a_page_that_lacks_all_is_found():
    assert faults("# A topic\n\nWords.\n") == [
        "one program, not 0", "an equation", "a picture", "what draws the picture", "a paper"
    ]  # fmt: skip
    assert "a program that says what comes out" in faults("```python\nx = 1\n```\n")
    long = "```python\n" + "x = 1\n" * 20 + "assert x\n```\n"
    assert f"at most {LINES} lines of program beside imports" in faults(long)
