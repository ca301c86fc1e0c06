"""Models as files that run without their code: `jax.export` artifacts."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.export
import numpy as np
from flax import nnx
from jaxtyping import DTypeLike

from jaxml import nn
from jaxml.functional._checks import check_positive
from jaxml.models._extras import require

PLATFORMS = ("cpu", "cuda", "tpu")
FORMAT = 1


@dataclass(frozen=True)
class ExportedModel:
    """What `export` wrote, as `load_exported` reads it: called with x (N, *input_shape), of any N, it returns outputs.

    `metadata` has "family", "input_shape", "input_dtype", "output_shape", "num_classes", "platforms", "folded",
    "preprocessing" and "jax"; it is empty where the file beside the artifact is missing. `exported` is JAX's own.
    Errors: `ValueError` for an x of another shape or dtype.
    """

    exported: jax.export.Exported
    metadata: dict[str, Any] = field(default_factory=dict)

    def __call__(self, x: Any) -> Any:
        shape, dtype = self.exported.in_avals[0].shape[1:], self.exported.in_avals[0].dtype
        given = tuple(np.shape(x)), getattr(x, "dtype", None)
        if given[0][1:] != shape or len(given[0]) != len(shape) + 1 or given[1] != dtype:
            expected = ", ".join(["N", *map(str, shape)])
            raise ValueError(f"exported model: x must be ({expected}) of {dtype}, got {given[0]} of {given[1]}")
        return jax.jit(self.exported.call)(x)


def export(
    model: nnx.Module,
    path: str | Path,
    *,
    input_shape: Sequence[int] | None = None,
    dtype: DTypeLike | None = None,
    platforms: Sequence[str] = PLATFORMS,
) -> Path:
    """Writes the model's inference to `path` as a `jax.export` artifact, and what is known of it to `path` + ".json".

    The artifact is StableHLO with the weights inside and the batch left open. JAX and flatbuffers are all it needs:
    `load_exported(path)`, or `jax.export.deserialize(bytearray(Path(path).read_bytes())).call(x)`, runs it on each of
    `platforms`, with the implementation of depthwise layers that was measured best there. JAX keeps such files readable
    for six months, and longer where it can. `fold_batch_norm` first makes it smaller and faster.

    Shapes: x (N, *input_shape) of `dtype`, both by default the configuration's -> what `model(x)` returns. The side
    file is JSON: family, shapes, platforms, and the preprocessing if the model has any. Returns the path.

    Errors: `TypeError` for a model that is no `nnx.Module`; `ValueError` without an `input_shape` where the model has
    no configuration that says it, for sizes that are not positive, an unknown platform;
    `ImportError` without flatbuffers (`pip install 'jaxml-nn[export]'`). The model is called with `train=False`.

    >>> import tempfile; import jax.numpy as jnp; from flax import nnx; from jaxml import models
    >>> model = models.create("mlp", rngs=nnx.Rngs(0), hidden=(8,))
    >>> path = models.export(model, f"{tempfile.mkdtemp()}/mlp.jax", platforms=("cpu",))
    >>> models.load_exported(path)(jnp.ones((5, 64))).shape
    (5, 10)
    """
    name = type(model).__name__
    if not isinstance(model, nnx.Module):
        raise TypeError(f"export: model must be an nnx.Module, got {name}")
    config = getattr(model, "config", None)
    if input_shape is None:
        input_shape = getattr(config, "input_shape", None)
    if input_shape is None:
        raise ValueError(f"export: input_shape must be given, since this {name} has no configuration that says it")
    shape = tuple(input_shape)
    check_positive("export", "input_shape", shape)
    for platform in platforms:
        if platform not in (*PLATFORMS, "rocm"):
            raise ValueError(f"export: platforms must be of 'cpu', 'cuda', 'rocm', 'tpu', got {platform!r}")
    dtype = getattr(config, "input_dtype", "float32") if dtype is None else dtype
    apply, params, state = nn.functionalize(model)

    def infer(x: Any) -> Any:
        return apply(params, state, x)[0]

    require("export", "flatbuffers", "flatbuffers", extra="export")
    (batch,) = jax.export.symbolic_shape("batch")
    x = jax.ShapeDtypeStruct((batch, *shape), dtype)
    exported = jax.export.export(jax.jit(infer), platforms=tuple(platforms))(x)
    path = Path(path)
    _write(path, bytes(exported.serialize()))
    _write(_beside(path), json.dumps(_metadata(model, shape, exported), indent=1).encode())
    return path


def load_exported(path: str | Path) -> ExportedModel:
    """What `export` wrote, as a function of x (N, *input_shape); no model code and no weights file are needed.

    Errors: `FileNotFoundError`; `ValueError` for a file that is no artifact of `jax.export`, or of a version that this
    JAX cannot read.
    """
    path = Path(path)
    require("load_exported", "flatbuffers", "flatbuffers", extra="export")
    data = path.read_bytes()
    try:
        exported = jax.export.deserialize(bytearray(data))
    except Exception as error:  # whatever the parser of a damaged file stumbles over
        raise ValueError(f"load_exported: {path} is no artifact of jax.export that can be read: {error}") from error
    beside = _beside(path)
    return ExportedModel(exported, json.loads(beside.read_text()) if beside.exists() else {})


def _metadata(model: Any, shape: tuple[int, ...], exported: jax.export.Exported) -> dict[str, Any]:
    preprocessing = getattr(model, "preprocessing", None)
    return {
        "format": FORMAT,
        "family": getattr(model, "family", type(model).__name__),
        "input_shape": [None, *shape],
        "input_dtype": str(exported.in_avals[0].dtype),
        "output_shape": [[None, *a.shape[1:]] if a.ndim else [] for a in exported.out_avals],
        "num_classes": getattr(getattr(model, "config", None), "num_classes", None),
        "params": nn.count_params(nn.functionalize(model)[1]),
        "platforms": list(exported.platforms),
        "folded": getattr(model, "folded", False),
        "preprocessing": None if preprocessing is None else json.loads(preprocessing.to_json()),
        "jax": jax.__version__,
    }


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing: a reader never meets half a file."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(data)
    os.replace(part, path)
