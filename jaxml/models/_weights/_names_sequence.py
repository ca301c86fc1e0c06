"""Layers of the recurrent models in the files of two packages for pronunciation."""

from collections.abc import Iterable
from typing import Any


def namings_encoder_decoder(config: Any) -> Iterable[tuple[Any, ...]]:
    """The `Naming` of g2p-en's `checkpoint20.npz`."""
    layers = {
        "encoder_embedding": "enc_emb",
        "encoder": "enc",
        "decoder_embedding": "dec_emb",
        "decoder": "dec",
        "head": "fc",
    }
    return [("g2p_en", layers, {"cell": "gru"}, None)]


def namings_tagger(config: Any) -> Iterable[tuple[Any, ...]]:
    """The `Naming` of g2pM's `np_ckpt.pkl`, a state_dict of PyTorch as NumPy arrays; ReLUs stand between its layers."""
    layers = {"embedding": "embedding", "recurrent": "lstm"}
    layers |= {f"layers.{n}": f"logit_layer.{2 * n}" for n in range(len(config.dense))}
    layers["head"] = f"logit_layer.{2 * len(config.dense)}"
    return [("torchvision", layers, {"cell": "lstm"}, None)]
