"""Models by name."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
from flax import nnx
from jaxtyping import Array

from jaxml import nn
from jaxml.functional._checks import check_choice
from jaxml.models._character_language_model import CharacterLanguageModel, CharacterLanguageModelConfig
from jaxml.models._cnn import CNN, CNNConfig
from jaxml.models._encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from jaxml.models._forecaster import Forecaster, ForecasterConfig
from jaxml.models._linear import LinearConfig, LinearModel
from jaxml.models._mlp import MLP, MLPConfig
from jaxml.models._mobilenet_v1 import MobileNetV1, MobileNetV1Config
from jaxml.models._mobilenet_v2 import MobileNetV2, MobileNetV2Config
from jaxml.models._mobilenet_v3 import MobileNetV3, MobileNetV3Config
from jaxml.models._resnet import ResNet
from jaxml.models._resnet_config import ResNetConfig
from jaxml.models._seq2seq import Seq2Seq, Seq2SeqConfig
from jaxml.models._sequence_classifier import SequenceClassifier, SequenceClassifierConfig
from jaxml.models._sequence_tagger import SequenceTagger, SequenceTaggerConfig
from jaxml.models._weights._naming import default_preprocessing
from jaxml.models._weights._pretrained import loaded, opened, options_for
from jaxml.models._weights._report import WeightsReport

# name -> the class, and what makes its configuration from the options
MODELS: dict[str, tuple[type, Callable[..., Any]]] = {
    "linear": (LinearModel, LinearConfig),
    "mlp": (MLP, MLPConfig),
    "cnn": (CNN, CNNConfig),
    "cnn_separable": (CNN, CNNConfig.separable_twin),
    "mobilenet_v1": (MobileNetV1, MobileNetV1Config),
    "mobilenet_v1_075": (MobileNetV1, MobileNetV1Config.width_075),
    "mobilenet_v1_050": (MobileNetV1, MobileNetV1Config.width_050),
    "mobilenet_v1_025": (MobileNetV1, MobileNetV1Config.width_025),
    "conv_mobilenet_v1": (MobileNetV1, MobileNetV1Config.conv),
    "mobilenet_v2": (MobileNetV2, MobileNetV2Config),
    "mobilenet_v2_035": (MobileNetV2, MobileNetV2Config.width_035),
    "mobilenet_v2_050": (MobileNetV2, MobileNetV2Config.width_050),
    "mobilenet_v2_075": (MobileNetV2, MobileNetV2Config.width_075),
    "mobilenet_v2_130": (MobileNetV2, MobileNetV2Config.width_130),
    "mobilenet_v2_140": (MobileNetV2, MobileNetV2Config.width_140),
    "mobilenet_v3_small": (MobileNetV3, MobileNetV3Config.small),
    "mobilenet_v3_large": (MobileNetV3, MobileNetV3Config.large),
    "resnet18": (ResNet, ResNetConfig.resnet18),
    "resnet34": (ResNet, ResNetConfig.resnet34),
    "resnet50": (ResNet, ResNetConfig.resnet50),
    "resnet101": (ResNet, ResNetConfig.resnet101),
    "resnet152": (ResNet, ResNetConfig.resnet152),
    "resnet50_v2": (ResNet, ResNetConfig.resnet50_v2),
    "resnet101_v2": (ResNet, ResNetConfig.resnet101_v2),
    "resnet152_v2": (ResNet, ResNetConfig.resnet152_v2),
    "cifar_resnet20": (ResNet, ResNetConfig.cifar_resnet20),
    "cifar_resnet32": (ResNet, ResNetConfig.cifar_resnet32),
    "cifar_resnet44": (ResNet, ResNetConfig.cifar_resnet44),
    "cifar_resnet56": (ResNet, ResNetConfig.cifar_resnet56),
    "cifar_resnet110": (ResNet, ResNetConfig.cifar_resnet110),
    "sequence_classifier": (SequenceClassifier, SequenceClassifierConfig),
    "sequence_tagger": (SequenceTagger, SequenceTaggerConfig),
    "character_language_model": (CharacterLanguageModel, CharacterLanguageModelConfig),
    "forecaster": (Forecaster, ForecasterConfig),
    "encoder_decoder": (EncoderDecoder, EncoderDecoderConfig),
    "seq2seq": (Seq2Seq, Seq2SeqConfig),
    "g2p_en": (EncoderDecoder, EncoderDecoderConfig.g2p_en),
    "g2pm": (SequenceTagger, SequenceTaggerConfig.g2pm),
}


class ModelInfo(NamedTuple):
    """What is known of a model without making it: `input_shape` is one example's, of `input_dtype`."""

    name: str
    family: str
    paper: str
    input_shape: tuple[int, ...]
    num_classes: int
    params: int
    input_dtype: str = "float32"


def names() -> tuple[str, ...]:
    """The names that `create` knows."""
    return tuple(MODELS)


def create(
    name: str,
    *,
    rngs: nnx.Rngs,
    weights: str | Path | None = None,
    ignore: str | Sequence[str] = (),
    **options: Any,
) -> nnx.Module:
    """The model called `name`, made with `options`: `num_classes` and the other fields of its configuration.

    weights: a file or folder to load, see `load_weights`, or `"hub:owner/repo[@revision][/file]"` of the Hugging Face
        hub, which keeps a cache. Options that these weights need (`variant`, say) are set unless you set them.
    ignore: see `load_weights`; with other `num_classes` than the weights have, `ignore="head.*"` keeps a new head.

    `model.preprocessing` is what its images need, None where no published weights are known.

    Errors: `ValueError` for an unknown name or option, with the near ones, and for an option that the name fixes
    (`depths` of `"resnet18"`). Weights that cannot be had or do not fit are an error, as in `load_weights`
    (ConnectionError for the hub), and never replaced by random ones.

    >>> import jax.numpy as jnp; from flax import nnx; from jaxml import models
    >>> model = models.create("cnn_separable", rngs=nnx.Rngs(0), num_classes=10, in_channels=1)
    >>> model(jnp.ones((2, 8, 8, 1))).shape
    (2, 10)
    """
    if weights is not None:
        return create_loaded(name, weights, rngs=rngs, ignore=ignore, **options)[0]
    model, config = _configure(name, options)
    made = model(config, rngs=rngs)
    made.preprocessing = default_preprocessing(made)
    return made


def create_loaded(
    name: str, weights: str | Path, *, rngs: nnx.Rngs, ignore: str | Sequence[str] = (), **options: Any
) -> tuple[nnx.Module, WeightsReport]:
    """`create` with weights, and what of them was used."""
    model, config = _configure(name, options)
    source, known = opened(weights), {field.name for field in fields(config)}
    needs = options_for(source, lambda rngs: model(config, rngs=rngs))
    model, config = _configure(name, {**{k: v for k, v in needs.items() if k in known}, **options})
    made, report = loaded(source, lambda rngs: model(config, rngs=rngs), rngs, ignore)
    if getattr(made, "preprocessing", None) is None:
        made.preprocessing = default_preprocessing(made)  # type: ignore[attr-defined]
    return made, report


class OneKey(nnx.Rngs):
    """Keys for those who want shapes alone: every one the same.

    NNX's count of keys, when it is traced, makes JAX walk all of the trace for each: seconds for a deep network.
    """

    def params(self) -> Array:
        return jax.random.key(0)

    def dropout(self) -> Array:
        return jax.random.key(0)


def info(name: str, **options: Any) -> ModelInfo:
    """Family, paper, input shape and number of trainable parameters of `create(name, **options)`; nothing is allocated.

    Errors: as `create`.

    >>> from jaxml import models
    >>> models.info("mobilenet_v1").params
    4231976
    """
    model, config = _configure(name, options)
    try:
        params = _count(model, config)
    except TypeError:  # an option that is a list
        params = _count.__wrapped__(model, config)
    dtype = getattr(config, "input_dtype", "float32")
    return ModelInfo(name, model.family, model.paper, config.input_shape, config.num_classes, params, dtype)


@cache
def _count(model: type, config: Any) -> int:
    return nn.count_params(nn.abstract(lambda: model(config, rngs=OneKey(0)))[1])


def _configure(name: str, options: dict[str, Any]) -> tuple[type, Any]:
    check_choice("models", "name", name, names())
    model, make = MODELS[name]
    published = make()
    known = [field.name for field in fields(published)]
    for option in options:
        check_choice(f"models: {name}", "option", option, known)
    try:
        return model, make(**options)
    except TypeError as error:
        fixed = [option for option in options if f"multiple values for keyword argument '{option}'" in str(error)]
        if not fixed:
            raise
        raise ValueError(
            f"models: {name}: {fixed[0]} is fixed at {getattr(published, fixed[0])!r} by the name; another goes into "
            f"{model.__name__}({type(published).__name__}(..., {fixed[0]}={options[fixed[0]]!r}), rngs=rngs)"
        ) from None
