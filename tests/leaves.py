"""The arrays of a model by their paths, for tests of what stays as it was."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import nn


def flat(tree):
    """Paths and arrays, without the keys of dropout, which are to move."""
    pairs = jax.tree_util.tree_leaves_with_path(tree)
    pairs = [pair for pair in pairs if not jnp.issubdtype(pair[1].dtype, jax.dtypes.prng_key)]
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in pairs}


def everything(model):
    _, params, state = nn.functionalize(model)
    return flat(params) | flat(state)
