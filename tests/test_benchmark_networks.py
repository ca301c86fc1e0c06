"""The twins of the networks that suite `models` times have the layers that jaxml's have."""

import importlib.util

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from benchmarks import _flax_peers, _torch_peers
from jaxml import flops, models, nn

NAMES = tuple(_torch_peers.NETWORKS)


@pytest.mark.parametrize("name", NAMES)
def test_flax_twin(name):
    """As many parameters, and as many MACs on a small image; nothing is run."""
    apply, params, state = nn.abstract(_flax_peers.twin(name, {}, "float32"))
    info = models.info(name)
    assert nn.count_params(params) == info.params
    ours, *own = nn.abstract(lambda: models.create(name, rngs=nnx.Rngs(0)))
    x = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    twin = flops.count(lambda p, s, x: apply(p, s, x)[0], params, state, x)
    assert twin.macs == flops.count(lambda p, s, x: ours(p, s, x)[0], *own, x).macs


@pytest.mark.peers
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_torch_twin(name):
    import torch

    twin = _torch_peers.NETWORKS[name](torch, 1000)
    assert sum(p.numel() for p in twin.parameters()) == models.info(name).params
