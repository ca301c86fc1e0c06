"""What stands in place of a batch norm that is folded."""

from collections.abc import Callable

from flax import nnx
from jaxtyping import Array, Float


class FoldedNorm(nnx.Module):
    """In place of a batch norm that the layer before it has taken over: it returns what comes in."""

    def __call__(self, x: Float[Array, "..."], *, train: bool = False) -> Float[Array, "..."]:
        if train:
            raise ValueError("fold_batch_norm: a folded model is for inference; train the model it was made from")
        return x

    def then(
        self,
        x: Float[Array, "..."],
        w: Float[Array, "..."],
        *,
        conv: Callable[[Array, Array], Array],
        activation: Callable[[Array], Array],
        train: bool = False,
    ) -> Float[Array, "..."]:
        """`conv(activation(x), w)`, as `nn.BatchNorm.then` without the norm."""
        return conv(activation(self(x, train=train)), w)
