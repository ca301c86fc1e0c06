"""The layers of a model that own parameters, as the tables of names speak of them."""

from typing import NamedTuple

from flax import nnx

from jaxml import nn
from jaxml.nn._scope import members

KINDS: dict[type, str] = {
    nn.Conv: "conv",
    nn.DepthwiseConv: "depthwise",
    nn.BatchNorm: "norm",
    nn.Linear: "dense",
    nn.Embedding: "embedding",
    nn.RNN: "recurrent",
    nn.LSTM: "recurrent",
    nn.GRU: "recurrent",
}


class Entry(NamedTuple):
    """One array of a model: the path of its layer with dots, the kind of layer, its own name there.

    Of recurrent layers on top of one another, or in both directions, the name is `w_ih.0`, `w_ih.1` and on.
    """

    layer: str
    kind: str
    name: str
    variable: nnx.Variable

    @property
    def path(self) -> str:
        """Where it is in the model, such as `stem.conv.w`."""
        return f"{self.layer}.{self.name}" if self.layer else self.name


def entries(model: nnx.Module) -> list[Entry]:
    """Every parameter and running statistic of `model`, in the order of its attributes."""
    kinds: dict[str, str] = {}
    found = []
    for path, member in members(model):
        if isinstance(member, nnx.Module):
            kinds[path] = KINDS.get(type(member), "other")
            if kinds[path] == "recurrent" and getattr(member, "bidirectional", False):
                kinds[path] = "bidirectional"
        elif isinstance(member, nnx.Param | nnx.BatchStat | nn.Frozen):
            layer, _, name = path.rpartition("/")
            above, _, label = layer.rpartition("/")
            if kinds.get(above) in ("recurrent", "bidirectional"):
                layer, name = above, f"{label}.{name}"
            found.append(Entry(layer.replace("/", "."), kinds.get(layer, "other"), name, member))
    return found
