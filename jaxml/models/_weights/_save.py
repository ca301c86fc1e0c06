"""`save_weights`: a model's arrays as safetensors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx

from jaxml.models._fold import is_folded
from jaxml.models._weights import _safetensors
from jaxml.models._weights._layers import entries
from jaxml.models._weights._layouts import to_torch
from jaxml.models._weights._naming import Naming, mismatched, namings, option

# Options under which the same arrays compute something else, and what JSON may have for them.
ARITHMETIC: dict[str, tuple[type, ...]] = {
    "variant": (str,),
    "padding": (str, int, list),
    "activation": (str,),
    "eps": (int, float),
}


def save_weights(model: nnx.Module, path: str | Path) -> None:
    """Write the parameters and running statistics of `model` to a `.safetensors` file.

    Where the model is of torchvision's arithmetic (`variant="torchvision"`), names and layouts are torchvision's, so
    that `torch_model.load_state_dict(safetensors.torch.load_file(path))` takes them; otherwise they are the model's own
    (`stem.conv.w`). The file carries the `preprocessing` of the model, labels among it, and the options that weights
    are worth nothing without; `load_weights` puts back the former and compares the latter.

    Errors: ValueError for another ending, a model without parameters, or one whose batch norms are folded.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"save_weights: path must end in .safetensors, got {path}")
    found = entries(model)
    if not found:
        raise ValueError(f"save_weights: {type(model).__name__} has no parameters")
    if is_folded(model):
        raise ValueError(
            f"save_weights: the batch norms of this {type(model).__name__} are folded into its convolutions; save the "
            f"model that it was made from"
        )
    naming = _torch_naming(model) or Naming("own", {}, {}, None)
    tensors = {}
    for entry in found:
        array = np.asarray(entry.variable[...])
        name = naming.name(entry)
        assert name is not None
        tensors[name] = to_torch(array, entry.kind) if naming.layout == "torchvision" else array
    metadata = {"format": "pt", "jaxml.family": str(getattr(model, "family", type(model).__name__))}
    if preprocessing := getattr(model, "preprocessing", None):
        metadata["jaxml.preprocessing"] = preprocessing.to_json()
    metadata["jaxml.config"] = json.dumps(arithmetic(getattr(model, "config", None)))
    _safetensors.write(path, tensors, metadata)


def arithmetic(config: Any) -> dict[str, Any]:
    """The options of a configuration without which weights are worth nothing, as JSON has them."""
    found = {name: option(config, name) for name in ARITHMETIC if hasattr(config, name)}
    return json.loads(json.dumps(found, default=str))


def saved_arithmetic(metadata: Mapping[str, str], source: str) -> dict[str, Any] | None:
    """What `save_weights` wrote of `arithmetic` into the file called `source`; None where it says nothing.

    Errors: ValueError for anything that `save_weights` would not have written.
    """
    if "jaxml.config" not in metadata:
        return None
    try:
        saved = json.loads(metadata["jaxml.config"])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"load_weights: {source}: its jaxml.config is no JSON: {error}") from error
    if not isinstance(saved, dict) or not all(
        value is None or isinstance(value, ARITHMETIC.get(name, ())) for name, value in saved.items()
    ):
        known = ", ".join(ARITHMETIC)
        raise ValueError(f"load_weights: {source}: its jaxml.config must be an object of {known}, it is {saved!r:.80}")
    return saved


def _torch_naming(model: Any) -> Naming | None:
    """torchvision's names, if they are known for every array and the model computes as torchvision's."""
    for naming in namings(model):
        if naming.layout == "torchvision" and not mismatched(model, naming):
            names = [naming.name(entry) for entry in entries(model)]
            return naming if None not in names else None
    return None
