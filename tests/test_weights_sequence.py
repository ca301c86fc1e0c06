"""Weights of recurrent models: saved and loaded again, and under the names that PyTorch and g2p-en have for them."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxml import models
from jaxml.models._weights._layers import entries
from jaxml.models._weights._read import read

TOKENS = {"num_embeddings": 7, "embedding_features": 3, "hidden_features": 2}


def tagger(seed, **options):
    sizes = {"num_classes": 4, "num_layers": 2, "dense": (5,), **TOKENS}
    return models.create("sequence_tagger", rngs=nnx.Rngs(seed), **{**sizes, **options})


def translator(seed, **options):
    return models.create("g2p_en", rngs=nnx.Rngs(seed), **{"hidden_features": 2, "embedding_features": 3, **options})


def arrays(model):
    return {entry.path: np.asarray(entry.variable[...]) for entry in entries(model)}


@pytest.mark.parametrize(
    "make",
    [
        tagger,
        lambda seed: tagger(seed, cell="gru"),
        translator,
        lambda seed: models.create("sequence_classifier", rngs=nnx.Rngs(seed), num_layers=2, **TOKENS),
        lambda seed: models.create("forecaster", rngs=nnx.Rngs(seed), hidden_features=2, cell="rnn"),
        lambda seed: models.create("character_language_model", rngs=nnx.Rngs(seed), num_classes=5, hidden_features=2),
    ],
)
def test_saved_and_loaded(make, tmp_path):
    model, other = make(0), make(1)
    models.save_weights(model, tmp_path / "w.safetensors")
    report = models.load_weights(other, tmp_path / "w.safetensors")
    assert report.ok and set(report.loaded) == set(arrays(model))
    for name, array in arrays(other).items():
        np.testing.assert_array_equal(array, arrays(model)[name])


def test_names_of_pytorch(tmp_path):
    """An LSTM tagger is saved as the state_dict that PyTorch has for its layers, each matrix the other way round."""
    model = tagger(0)
    models.save_weights(model, tmp_path / "w.safetensors")
    saved = read(tmp_path / "w.safetensors")
    kinds, ends = ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), ("l0", "l0_reverse", "l1", "l1_reverse")
    layers = {f"lstm.{kind}_{end}" for kind in kinds for end in ends}
    dense = {f"logit_layer.{n}.{part}" for n in (0, 2) for part in ("weight", "bias")}
    assert set(saved) == {"embedding.weight", *layers, *dense}
    np.testing.assert_array_equal(saved["lstm.weight_ih_l1_reverse"], model.recurrent.w_ih[3][...].T)
    np.testing.assert_array_equal(saved["embedding.weight"], model.embedding.w[...])


def test_another_cell_is_refused(tmp_path):
    """g2p-en's names are those of a GRU: no shape tells an RNN of three times the units, and the cell's name does."""
    given = translator(0)
    names = {"encoder_embedding.w": "enc_emb", "decoder_embedding.w": "dec_emb", "head.w": "fc_w", "head.b": "fc_b"}
    for side, short in (("encoder", "enc"), ("decoder", "dec")):
        names |= {f"{side}.{kind}": f"{short}_{kind}" for kind in ("w_ih", "w_hh", "b_ih", "b_hh")}
    found = arrays(given)
    turned = {names[n]: a.T if a.ndim == 2 and "embedding" not in n else a for n, a in found.items()}
    np.savez(tmp_path / "w.npz", **turned)
    again = translator(1)
    assert models.load_weights(again, tmp_path / "w.npz").naming == "g2p_en"
    for name, array in arrays(again).items():
        np.testing.assert_array_equal(array, found[name])
    with pytest.raises(ValueError, match=r"has g2p_en names, and .* made with cell='gru'; this one has cell='lstm'"):
        models.load_weights(translator(0, cell="lstm"), tmp_path / "w.npz")
    made = models.create(  # which sets the cell by itself
        "encoder_decoder", rngs=nnx.Rngs(0), weights=tmp_path / "w.npz", num_classes=74, num_embeddings=29,
        hidden_features=2, embedding_features=3,
    )  # fmt: skip
    assert made.config.cell == "gru"
    np.testing.assert_array_equal(made.encoder.w_hh[...], given.encoder.w_hh[...])


@pytest.mark.peers
def test_pytorch_reads_and_writes_them(tmp_path):
    """An Embedding and an LSTM of PyTorch, saved by it: the same states here; and the other way."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    class Tagger(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(7, 3)
            self.lstm = torch.nn.LSTM(3, 2, num_layers=2, bidirectional=True, batch_first=True)
            layers = (torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 4))
            self.logit_layer = torch.nn.Sequential(*layers)

        def forward(self, x):
            return self.logit_layer(self.lstm(self.embedding(x))[0])

    theirs, ours = Tagger(), tagger(0)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    assert models.load_weights(ours, tmp_path / "w.pth").naming == "torchvision"
    x = np.array([[1, 2, 3, 6], [0, 5, 4, 1]])
    with torch.no_grad():
        want = theirs(torch.asarray(x)).numpy()
    np.testing.assert_allclose(ours(jnp.asarray(x, jnp.int32)), want, rtol=1e-5, atol=1e-6)
    other = tagger(1)
    models.save_weights(other, tmp_path / "w.safetensors")
    theirs.load_state_dict(load_file(tmp_path / "w.safetensors"))
    with torch.no_grad():
        want = theirs(torch.asarray(x)).numpy()
    np.testing.assert_allclose(other(jnp.asarray(x, jnp.int32)), want, rtol=1e-5, atol=1e-6)
