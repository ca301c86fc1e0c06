"""The model, optimizer and schedule of `jaxml train`."""

import inspect
from collections.abc import Mapping
from typing import Any

MODELS_OF_VECTORS = ("linear", "mlp")


class RecipeError(ValueError):
    """The options do not fit each other, or the data."""


def model_for(
    name: str | None, example: tuple[int, ...], outputs: int, seed: int, further: Mapping[str, Any] | None = None
) -> tuple[str, Any]:
    """The model's name (a small one that fits the data, unless given) and the module, made with `further` options."""
    from flax import nnx

    from jaxml import models

    images = len(example) == 3
    name = name or ("cnn" if images else "mlp")
    if (
        name not in MODELS_OF_VECTORS and len(models.info(name).input_shape) != 3
    ):  # of no name, that names the near ones
        raise RecipeError(f"--model {name} is for sequences; for tables there are {', '.join(MODELS_OF_VECTORS)}")
    options: dict[str, Any] = {"num_classes": outputs, **(further or {})}
    if name in MODELS_OF_VECTORS:
        features = 1
        for n in example:
            features *= n
        options["in_features"] = features
    elif images:
        options["in_channels"] = example[-1]
    else:
        raise RecipeError(f"--model {name} is for images; for tables there are {', '.join(MODELS_OF_VECTORS)}")
    return name, models.create(name, rngs=nnx.Rngs(seed), **options)


def convolutional(model: str) -> bool:
    """Whether the model is one of images."""
    return model not in MODELS_OF_VECTORS


def optimizer_for(name: str, learning_rate: float, weight_decay: float, schedule: str, steps: int) -> Any:
    """The rule, with a warm-up over the first twentieth of `steps` and a cosine to zero, or a constant rate."""
    import optax

    from jaxml import optim

    rules = rule_names()
    if name not in rules:
        from jaxml.functional._checks import check_choice

        check_choice("train", "--optimizer", name, rules)
    rate: Any = learning_rate
    if schedule == "cosine":
        rate = optax.warmup_cosine_decay_schedule(0.0, learning_rate, max(steps // 20, 1), max(steps, 2))
    options: dict[str, Any] = {}
    if weight_decay:
        if "weight_decay" not in inspect.signature(getattr(optim, name)).parameters:
            raise RecipeError(f"--weight-decay: {name} has none; adamw and sgd do")
        options = {"weight_decay": weight_decay, "decay_mask": optim.decay_mask}
    return getattr(optim, name)(rate, **options)


def rule_names() -> list[str]:
    """The optimizers there are."""
    from jaxml import optim

    return [n for n in optim.__all__ if "learning_rate" in inspect.signature(getattr(optim, n)).parameters]


def loss_for(task: str, scale: Any) -> tuple[Any, dict[str, Any]]:
    """The loss, and further metrics: of a regression the mean absolute error in the targets' own unit."""
    import jax.numpy as jnp

    import jaxml.functional as F

    if task == "classification":
        return F.softmax_cross_entropy_with_integer_labels, {}

    def absolute(outputs: Any, y: Any) -> Any:
        return (jnp.abs(outputs - y) * jnp.asarray(scale, outputs.dtype)[None]).mean(axis=1)

    return F.mse_loss, {"absolute_error": absolute}


def mesh_for(text: str | None) -> Any:
    """`8` or `4x2`: so many devices on the axes data and model."""
    if text is None:
        return None
    import math

    import jax

    try:
        sizes = [int(part) for part in text.lower().split("x")]
    except ValueError:
        sizes = []
    if len(sizes) not in (1, 2) or min(sizes) < 1:
        raise RecipeError(f"--mesh must be a number of devices, such as 8, or data x model, such as 4x2; got {text!r}")
    if math.prod(sizes) > jax.device_count():
        raise RecipeError(f"--mesh {text} needs {math.prod(sizes)} devices, there are {jax.device_count()}")
    devices = jax.devices()[: math.prod(sizes)]
    return jax.make_mesh(tuple(sizes), ("data", "model")[: len(sizes)], devices=devices)
