"""What training an agent gives back."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxml.rl._environment import encode
from jaxml.rl._network import Params, mlp


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["params", "returns", "steps"],
    meta_fields=["head", "activation", "states"],
)
@dataclass(frozen=True)
class Result:
    """A trained agent and how it went; a pytree, so what trains it can be compiled and mapped over keys.

    params: of its networks by name: "policy" and "value", or "q_values".
    returns: mean return of the episodes that ended in each of the U updates, (U,); NaN where none did.
    steps: steps taken in all environments together by the end of each update, (U,).
    head: which of the networks chooses the action; activation: between its layers; states: how many observations there
        are where they are Discrete and read one-hot, else `None`.
    """

    params: Params
    returns: Float[Array, "*runs U"]
    steps: Int[Array, "*runs U"]
    head: str
    activation: str
    states: int | None

    def scores(self, observation: Array) -> Float[Array, " A"]:
        """Of one observation the logits of the policy, or the values of the actions, (A,)."""
        return mlp(self.params[self.head], encode(observation, self.states), activation=self.activation)

    def policy(self, observation: Array) -> Int[Array, ""]:
        """The best action after one observation: what `evaluate` takes."""
        return jnp.argmax(self.scores(observation))
