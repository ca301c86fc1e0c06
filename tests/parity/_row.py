"""One row of the coverage table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What PyTorch and Keras call it, and what jaxml does, or why it has nothing of the kind.

    torch: names in `torch.nn.functional`, or dotted ones elsewhere (`"lstm_cell"` of `torch`); empty if it has none.
    keras: names in `keras.ops`, `keras.losses` and so on, for the reader.
    ours: the name in `jaxml.functional`, or `"optim.adam"`, `"nn.SpectralNorm"`; empty with a `reason`.
    whose: the module, `"jax.nn"` say, where theirs is the exact function and ours would add nothing.
    reason: why there is none, or what differs. Names of issues where it is to come.
    """

    torch: tuple[str, ...] = ()
    keras: tuple[str, ...] = ()
    ours: str = ""
    whose: str = "jaxml"
    reason: str = ""
