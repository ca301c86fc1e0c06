"""Which names a file may have for the layers of a model: one table a family and naming."""

from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, NamedTuple

from jaxml.models._preprocessing import Preprocessing
from jaxml.models._weights import _names_inverted, _names_mobilenet_v1, _names_resnet, _names_sequence
from jaxml.models._weights._layers import Entry
from jaxml.models._weights._layouts import ALSO, SUFFIXES


class Naming(NamedTuple):
    """Whose names they are (a key of `_layouts.FROM`), the foreign name of each layer, and what the model must be.

    `needs` are options of the configuration with which these weights were trained, `preprocessing` what they expect.
    """

    layout: str
    layers: Mapping[str, str]
    needs: Mapping[str, Any]
    preprocessing: Preprocessing | None

    def name(self, entry: Entry) -> str | None:
        """What the file calls this array; None where it has none such."""
        if self.layout == "own":
            return entry.path
        layer = self.layers.get(entry.layer)
        suffix = SUFFIXES[self.layout].get((entry.kind, entry.name))
        return None if layer is None or suffix is None else layer + suffix

    def within(self, entry: Entry, names: Container[str]) -> str | None:
        """`name`, or the other name that it has in some files if that is the one among `names`."""
        name = self.name(entry)
        if name is None or name in names:
            return name
        layer, slash, variable = name.rpartition("/")
        other = layer + ALSO.get(slash + variable, slash + variable)
        return other if other in names else name


FAMILIES: dict[str, Callable[[Any], Iterable[tuple[Any, ...]]]] = {
    "MobileNetV1": _names_mobilenet_v1.namings,
    "MobileNetV2": _names_inverted.namings_v2,
    "MobileNetV3": _names_inverted.namings_v3,
    "ResNet": _names_resnet.namings,
    "encoder_decoder": _names_sequence.namings_encoder_decoder,
    "sequence_tagger": _names_sequence.namings_tagger,
}


def namings(model: Any) -> list[Naming]:
    """The namings that are known for a model, its own last."""
    of_family = FAMILIES.get(getattr(model, "family", ""), lambda config: ())
    return [*(Naming(*naming) for naming in of_family(getattr(model, "config", None))), Naming("own", {}, {}, None)]


def recognised(model: Any, arrays: Iterable[Entry], found: Iterable[str]) -> Naming | None:
    """The naming that most of the file's names are of; None where none has any."""
    names, ours = set(found), list(arrays)

    def hits(naming: Naming) -> int:
        return sum(naming.name(entry) in names for entry in ours)

    best = max(namings(model), key=hits)
    return best if hits(best) else None


def option(config: Any, name: str) -> Any:
    """What a configuration has, or its variant where that is left open; None where there is no such option."""
    value = getattr(config, name, None)
    return getattr(getattr(config, "rules", None), name, None) if value is None else value


def mismatched(model: Any, naming: Naming) -> dict[str, Any]:
    """The options that `model` should have been made with for these weights, and was not."""
    config = getattr(model, "config", None)
    return {name: value for name, value in naming.needs.items() if option(config, name) not in (value, None)}


def default_preprocessing(model: Any) -> Preprocessing | None:
    """What the published weights expect that fit `model`'s options; None where there are none."""
    for naming in namings(model):
        if naming.preprocessing is not None and not mismatched(model, naming):
            return sized(naming.preprocessing, model)
    return None


def sized(preprocessing: Preprocessing, model: Any) -> Preprocessing:
    """`preprocessing` for the images that `model` is configured for."""
    return preprocessing.for_size(model.config.input_shape[0])
