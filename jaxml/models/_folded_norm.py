"""What stands in place of a batch norm that is folded."""

from collections.abc import Callable

from flax import nnx
from jaxtyping import Array, Float

from jaxml.functional._channels import as_rows, per_channel
from jaxml.nn._scope import scope, scoped


class FoldedNorm(nnx.Module):
    """`x + bias`: what is left of a batch norm whose scale the layer before it has taken over.

    The bias is added here and not by that layer, on rows of channels as `F.batch_norm` works: XLA:CPU then adds in
    place to a matrix product's result. As the layer's own, on an image, it cost MobileNetV2 a quarter of its speed.
    """

    def __init__(self, bias: Float[Array, " C"]):
        self.bias = nnx.Param(bias)

    @scoped
    def __call__(self, x: Float[Array, "*batch C"], *, train: bool = False) -> Float[Array, "*batch C"]:
        return self._shifted(x, train).reshape(x.shape)

    def then(
        self,
        x: Float[Array, "*batch C"],
        w: Float[Array, "*kernel"],
        *,
        conv: Callable[[Array, Array], Array],
        activation: Callable[[Array], Array],
        train: bool = False,
    ) -> Float[Array, "*out O"]:
        """`conv(activation(x + bias), w)`, as `nn.BatchNorm.then`."""
        with scope(self):
            z = activation(self._shifted(x, train)).reshape(x.shape)
        return conv(z, w)

    def _shifted(self, x: Array, train: bool) -> Array:
        if train:
            raise ValueError("fold_batch_norm: a folded model is for inference; train the model it was made from")
        return as_rows(x) + per_channel(self.bias[...].astype(x.dtype), 2)
