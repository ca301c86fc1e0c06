"""The examples run, and reach what the manual says of them."""

import importlib.util
import re
from pathlib import Path

import pytest
from _real_weights import weights

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.loose_promotion  # a reader runs JAX as it comes
def test_faces_from_forty_photographs():
    """On ImageNet's MobileNetV1 >= 98 % of 160 photographs, where the pixels give about 91 %."""
    if importlib.util.find_spec("skimage") is None:
        pytest.skip("the photographs come with scikit-image, which is not installed")
    path, ignore = str(weights("mobilenet_v1")), "final_training_ops/*"  # of the package's own two classes
    found = example("transfer_faces").run("mobilenet_v1", path, ignore=ignore, splits=3)
    pixels, transfer = (sum(column) / len(found) for column in zip(*found, strict=True))
    assert transfer >= 0.98 and pixels <= 0.94, found


def lora_table():
    """Of each row of the manual's table: what is trained, how many parameters, the mean, the least, the most."""
    page = (EXAMPLES.parent / "docs" / "transfer.md").read_text()
    rows = re.findall(r"^\| (the head alone|rank \d+|all of it) \| ([\d,]+) \| (\S+) \| (\S+) \| (\S+) \|$", page, re.M)
    return {name: [float(cell.replace(",", "")) for cell in cells] for name, *cells in rows}


def test_lora_trains_as_many_parameters_as_the_manual_says():
    table, found = lora_table(), example("lora").compare(1)
    assert {name: count for name, (count, _) in found.items()} == {name: row[0] for name, row in table.items()}
    for name, (_, (score,)) in found.items():
        assert table[name][2] - 1 <= score <= table[name][3] + 1, name


@pytest.mark.slow
def test_lora_is_between_the_head_alone_and_all_of_it():
    table, found = lora_table(), example("lora").compare()
    means = {name: sum(scores) / len(scores) for name, (_, scores) in found.items()}
    assert means == pytest.approx({name: row[1] for name, row in table.items()}, abs=1)
    assert means["the head alone"] < means["rank 4"] < means["all of it"]
