"""Recurrent networks over time: Elman's, the long short-term memory and the gated recurrent unit."""

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Array, Float, Integer

from jaxml.functional._checks import check_choice, check_flags
from jaxml.functional._recurrent_cells import ACTIVATIONS
from jaxml.functional._recurrent_cudnn import check_cudnn
from jaxml.functional._recurrent_layers import Optional, Several, layers_of, run_layers
from jaxml.functional._recurrent_run import runner

Implementation = Literal["scan", "cudnn", "reference"]


def rnn(
    x: Float[Array, "B T I"],
    w_ih: Several,
    w_hh: Several,
    b_ih: Optional = None,
    b_hh: Optional = None,
    *,
    h0: Float[Array, "..."] | None = None,
    lengths: Integer[Array, " B"] | None = None,
    input_mask: Optional = None,
    h_mask: Optional = None,
    zoneout_h: Optional = None,
    activation: Literal["tanh", "relu"] = "tanh",
    reverse: bool = False,
    bidirectional: bool = False,
    checkpoint_every: int | None = None,
    implementation: Implementation | None = None,
) -> tuple[Float[Array, "B T F"], Float[Array, "..."]]:
    """Elman's network over time, `h_t = tanh(x_t w_ih + b_ih + h_{t-1} w_hh + b_hh)`; returns `(outputs, h)`.

    `x` is `(B, T, I)`, `w_ih` `(I, H)`, `w_hh` `(H, H)`, either bias `(H,)` or `None`, `h0` `(B, H)` or zeros. The
    outputs are `(B, T, H)`, the last state `(B, H)`. All else is as in `lstm`.

    Cost: `B T (I + H) H` multiply-adds for each layer and direction.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or lengths that are not integers.
        ValueError: a wrong rank, sizes that do not fit, lengths outside [0, T], or an unknown option.

    >>> y, h = rnn(jnp.ones((2, 5, 3)), jnp.ones((3, 4)), jnp.ones((4, 4)), lengths=jnp.array([5, 0]))
    >>> y.shape, h[1].tolist()
    ((2, 5, 4), [0.0, 0.0, 0.0, 0.0])
    """
    check_choice("rnn", "activation", activation, tuple(ACTIVATIONS))
    run = runner("rnn", implementation, activation, checkpoint_every)
    varied = {"h_mask": h_mask, "zoneout_h": zoneout_h}
    if implementation == "cudnn":
        check_cudnn("rnn", x)
    layers = layers_of("rnn", w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh, w_hr=None, peephole=None, **varied)
    more = {"lengths": lengths, "reverse": reverse, "bidirectional": bidirectional, "input_mask": input_mask}
    y, (h,) = run_layers("rnn", run, 1, x, layers, {"h0": h0}, stacked=isinstance(w_ih, Sequence), **more)
    return y, h


def lstm(
    x: Float[Array, "B T I"],
    w_ih: Several,
    w_hh: Several,
    b_ih: Optional = None,
    b_hh: Optional = None,
    *,
    h0: Float[Array, "..."] | None = None,
    c0: Float[Array, "..."] | None = None,
    lengths: Integer[Array, " B"] | None = None,
    w_hr: Optional = None,
    peephole: Optional = None,
    input_mask: Optional = None,
    h_mask: Optional = None,
    zoneout_h: Optional = None,
    zoneout_c: Optional = None,
    reverse: bool = False,
    bidirectional: bool = False,
    checkpoint_every: int | None = None,
    implementation: Implementation | None = None,
) -> tuple[Float[Array, "B T F"], tuple[Float[Array, "..."], Float[Array, "..."]]]:
    """A long short-term memory over time, `lstm_cell` at every step; returns `(outputs, (h, c))`.

    `x` is `(B, T, I)`, `w_ih` `(I, 4H)`, `w_hh` `(H, 4H)`, either bias `(4H,)` or `None`, `h0` and `c0` `(B, H)` or
    zeros; gates i f g o, the matrices the transposes of PyTorch's. The outputs are `(B, T, H)`, the last states
    `(B, H)`. `w_hr` and `peephole` are those of `lstm_cell`.

    `lengths`, `(B,)`, says how many steps of each row are meant: past them the outputs are 0 and the states stand
    still, whatever x holds there, so that a row's results and gradients are those it has alone; 0 is a length. With
    `reverse` each row is read from its own end, and the outputs stay where their inputs are.

    Several layers: sequences of arrays in place of each, one for each layer; with `bidirectional`, two for each, the
    second reading backwards, and the outputs of both side by side (PyTorch's l0, l0_reverse, l1, ...). The states
    then are `(layers * directions, B, H)`. `input_mask`, one for each layer or None, to be broadcast to its
    input, multiplies it: `dropout(key, ones((B, T, F)), rate=r)` is dropout between layers, and of `(B, 1, F)` the
    variational kind, arXiv:1512.05287, whose other half `h_mask`, to be broadcast to `(B, H)`, multiplies h before
    `w_hh`. `zoneout_h` and `zoneout_c`, to be broadcast to `(B, T, H)`, are the shares of the old state that stay:
    draws of 0 and 1 in training, their probability otherwise (zoneout, arXiv:1606.01305).

    `implementation`: "scan" computes the input's products before the loop (on a CPU, and without a gradient, those of
    large inputs by blocks of steps, which needs less memory) and has a gradient by hand, which keeps the gates and
    computes those of the weights after it (with `w_hr` or `peephole`, autodiff's); "reference" scans the cell; "cudnn"
    is NVIDIA's, an LSTM in float32 without `w_hr` and `peephole`. All agree to rounding; None is "scan". Reverse mode
    to any order; forward mode alone is for "reference". With `checkpoint_every` k, the backward pass keeps the states
    of every kth step alone and computes the rest anew: with k near sqrt(T) memory grows with sqrt(T), but for x, the
    outputs and the shares. An empty batch gives empty outputs, and no step the initial states.

    Cost: `4 B T (I + H) H` multiply-adds for each layer and direction; with a projection `B T H (4 (I + P) + P)`.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or lengths that are not integers.
        ValueError: a wrong rank, sizes that do not fit, lengths outside [0, T], or an unknown option.

    Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000.

    >>> y, (h, c) = lstm(jnp.ones((2, 5, 3)), jnp.ones((3, 16)), jnp.ones((4, 16)), lengths=jnp.array([5, 2]))
    >>> y.shape, c.shape, float(y[1, 2:].sum())
    ((2, 5, 4), (2, 4), 0.0)
    """
    run = runner("lstm", implementation, None, checkpoint_every)
    varied = {"h_mask": h_mask, "zoneout_h": zoneout_h, "zoneout_c": zoneout_c}
    if implementation == "cudnn":
        check_cudnn("lstm", x, w_hr, peephole, *varied.values())
    layers = layers_of("lstm", w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh, w_hr=w_hr, peephole=peephole, **varied)
    more = {"lengths": lengths, "reverse": reverse, "bidirectional": bidirectional, "input_mask": input_mask}
    start = {"h0": h0, "c0": c0}
    y, (h, c) = run_layers("lstm", run, 4, x, layers, start, stacked=isinstance(w_ih, Sequence), **more)
    return y, (h, c)


def gru(
    x: Float[Array, "B T I"],
    w_ih: Several,
    w_hh: Several,
    b_ih: Optional = None,
    b_hh: Optional = None,
    *,
    h0: Float[Array, "..."] | None = None,
    lengths: Integer[Array, " B"] | None = None,
    input_mask: Optional = None,
    h_mask: Optional = None,
    zoneout_h: Optional = None,
    reset_after: bool = True,
    reverse: bool = False,
    bidirectional: bool = False,
    checkpoint_every: int | None = None,
    implementation: Implementation | None = None,
) -> tuple[Float[Array, "B T F"], Float[Array, "..."]]:
    """A gated recurrent unit over time, `gru_cell` at every step; returns `(outputs, h)`.

    `x` is `(B, T, I)`, `w_ih` `(I, 3H)`, `w_hh` `(H, 3H)`, either bias `(3H,)` or `None`, `h0` `(B, H)` or zeros; gates
    r z n, the matrices the transposes of PyTorch's. The outputs are `(B, T, H)`, the last state `(B, H)`. `reset_after`
    is that of `gru_cell`; all else is as in `lstm`.

    Cost: `3 B T (I + H) H` multiply-adds for each layer and direction.

    Raises:
        TypeError: arrays that are not floating point, mixed dtypes, or lengths that are not integers.
        ValueError: a wrong rank, sizes that do not fit, lengths outside [0, T], or an unknown option.

    Source: Cho et al. 2014, arXiv:1406.1078.

    >>> y, h = gru(jnp.ones((2, 5, 3)), jnp.ones((3, 12)), jnp.ones((4, 12)), reverse=True)
    >>> y.shape, bool((y[:, 0] == h).all())
    ((2, 5, 4), True)
    """
    check_flags("gru", reset_after=reset_after)
    run = runner("gru", implementation, reset_after, checkpoint_every)
    varied = {"h_mask": h_mask, "zoneout_h": zoneout_h}
    if implementation == "cudnn":
        check_cudnn("gru", x)
    layers = layers_of("gru", w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh, w_hr=None, peephole=None, **varied)
    more = {"lengths": lengths, "reverse": reverse, "bidirectional": bidirectional, "input_mask": input_mask}
    y, (h,) = run_layers("gru", run, 3, x, layers, {"h0": h0}, stacked=isinstance(w_ih, Sequence), **more)
    return y, h
