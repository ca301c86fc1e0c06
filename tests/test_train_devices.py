"""Training on eight devices is training on one: numbers, where the arrays lie, checkpoints, and what is refused."""

import json
from pathlib import Path

import pytest
from _devices import run_on_devices

TESTS = Path(__file__).parent


def facts_of(part):
    path = str(TESTS / "_train_on_devices.py")
    code = f"import runpy, sys; sys.argv[1:] = [{part!r}]; runpy.run_path({path!r}, run_name='__main__')"
    return json.loads(run_on_devices(code, count=8).splitlines()[-1])


@pytest.fixture(scope="module")
def facts():
    return facts_of("quick")


@pytest.mark.parametrize("how", ["data", "fsdp", "both", "callable", "accumulate"])
def test_eight_devices_are_one(facts, how):
    """In float64, but for the order of summation: parameters, state, optimizer and history."""
    assert facts["differences"][how] < 1e-12


IN, OUT, BIAS = "['in']['w']", "['out']['w']", "['in']['b']"


@pytest.mark.parametrize(
    ("how", "path", "want"),
    [
        ("fsdp", IN, [[6, 16], [6, 2]]),
        ("fsdp", OUT, [[16, 4], [2, 4]]),
        ("fsdp", BIAS, [[16], [2]]),
        ("both", IN, [[6, 16], [6, 8]]),  # 6 rows cannot be cut in 4
        ("both", OUT, [[16, 4], [4, 2]]),
        ("both", BIAS, [[16], [8]]),
        ("callable", IN, [[6, 16], [6, 8]]),
        ("callable", OUT, [[16, 4], [16, 4]]),
        ("whole", IN, [[6, 16], [6, 16]]),
    ],
)
def test_parameters_and_their_moments_lie_cut(facts, how, path, want):
    """After training, as it was before: Adam's two moments lie where the parameter does."""
    found = [shapes for name, shapes in facts[how]["shapes"].items() if name.endswith(path)]
    assert found == [want] * 3


def test_a_device_holds_its_eighth(facts):
    """But for Adam's count of steps and the like, which are on every device."""
    small = sum(1 for shape, _ in facts["fsdp"]["shapes"].values() if shape == [])
    assert set(facts["fsdp"]["held"]) == {facts["fsdp"]["held"][0]}
    assert facts["fsdp"]["held"][0] <= facts["fsdp"]["total"] / 8 + 8 * small
    assert facts["whole"]["held"][0] == facts["whole"]["total"]
    assert set(facts["whole"]["held"][1:]) == {0}


def test_a_checkpoint_of_eight_devices_resumes_on_others_and_back(facts):
    assert facts["resumed"]["difference"] < 1e-12
    assert facts["resumed"]["same_bits"], "on the same mesh a resumed run is the uninterrupted one"


@pytest.mark.parametrize("accumulate", ["1", "2"])
def test_devices_exchange_sums_of_gradients_and_no_examples(facts, accumulate):
    assert facts["collectives"][accumulate] == ["all-reduce"]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("axes", "ValueError: fit: mesh must have the axes 'data' and, if any, 'model', got ('batch',)"),
        ("extra axis", "ValueError: fit: mesh must have the axes 'data' and, if any, 'model', got ('data', 'tensor')"),
        ("batch", "ValueError: fit: batch_size must be a multiple of the mesh's data axis, 8, got 12"),
        (
            "batch in parts",
            "ValueError: fit: batch_size must be a multiple of the mesh's data axis, 8, x accumulate=2, got 24",
        ),
        ("parts", "ValueError: fit: batch_size must be a multiple of accumulate=2, got 15"),
        ("no mesh", "ValueError: fit: sharding needs a mesh"),
        ("unknown", "ValueError: fit: sharding must be None, 'fsdp' or a function of path and array, got 'zero'"),
        ("not divisible", "ValueError: fit: sharding of ['out']['w']: "),
        ("unknown axis", "ValueError: fit: sharding of ['in']['b']: "),
        ("no spec", "ValueError: fit: sharding of ['in']['b'] must be a jax.sharding.PartitionSpec, got 'data'"),
    ],
)
def test_errors_before_anything_is_traced(facts, what, message):
    assert facts["errors"][what].startswith(message)


@pytest.mark.slow
def test_models_with_batch_normalisation_on_eight_devices():
    differences = facts_of("models")
    assert len(differences) == 6
    assert {how: d for how, d in differences.items() if not d < 1e-9} == {}
