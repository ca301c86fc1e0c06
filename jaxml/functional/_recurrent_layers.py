"""Layers of a recurrent network on top of one another, in one direction or in both."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from jaxml.functional._checks import check_equal, check_flags, check_float, check_rank
from jaxml.functional._recurrence import State, check_lengths, zero_padding
from jaxml.functional._recurrent_cells import check_weights

Several = Array | Sequence[Array]
Optional = Array | Sequence[Array | None] | None


class Layer(NamedTuple):
    """What is trained in one layer and direction."""

    w_ih: Array
    w_hh: Array
    b_ih: Array | None = None
    b_hh: Array | None = None
    w_hr: Array | None = None
    peephole: Array | None = None
    h_mask: Array | None = None
    zoneout_h: Array | None = None
    zoneout_c: Array | None = None

    @property
    def is_plain(self) -> bool:
        """Whether what is trained is the two matrices and their biases."""
        return self.w_hr is None and self.peephole is None


# (layer, x (B, T, I), state, lengths, reverse) -> outputs (B, T, H), state
Run = Callable[[Layer, Array, State, Array | None, bool], tuple[Array, State]]


def layers_of(name: str, **arrays: Any) -> list[Layer]:
    """One `Layer` for each entry of `w_ih`, an array or a sequence of such."""
    several = isinstance(arrays["w_ih"], Sequence)
    count = len(arrays["w_ih"]) if several else 1
    if count == 0:
        raise ValueError(f"{name}: w_ih must hold the weights of 1 layer or more, got none")
    lists = {}
    for label, given in arrays.items():
        if given is None:
            lists[label] = [None] * count
        elif isinstance(given, Sequence) != several:
            kinds = ("an array", "a sequence") if several else ("a sequence", "an array")
            raise TypeError(f"{name}: {label} must be {kinds[1]}, as w_ih is, got {kinds[0]}")
        else:
            lists[label] = list(given) if several else [given]
            check_equal(name, f"the number of layers of {label}", len(lists[label]), count)
    return [Layer(*each) for each in zip(*lists.values(), strict=True)]


def run_layers(
    name: str,
    run: Run,
    gates: int,
    x: Array,
    layers: list[Layer],
    start: dict[str, Array | None],
    *,
    stacked: bool,
    lengths: Array | None,
    reverse: bool,
    bidirectional: bool,
    input_mask: Any,
) -> tuple[Array, State]:
    """Check all, then run the layers; the states are `(layers * directions, B, H)` where `stacked`."""
    check_flags(name, reverse=reverse, bidirectional=bidirectional)
    directions = 2 if bidirectional else 1
    _check(name, gates, x, layers, start, lengths, stacked, directions, reverse)
    masks = _masks(name, input_mask, stacked, len(layers) // directions)
    if lengths is not None:
        x = zero_padding(lengths, x)
    finals: list[State] = []
    for at in range(0, len(layers), directions):
        mask = masks[at // directions]
        if mask is not None:
            x = x * _checked_mask(name, mask, x)
        outputs = []
        for direction, layer in enumerate(layers[at : at + directions]):
            state = _start(x, layer, start, gates, at + direction if stacked else None)
            y, state = run(layer, x, state, lengths, reverse != (direction == 1))
            outputs.append(y)
            finals.append(state)
        x = outputs[0] if directions == 1 else jnp.concatenate(outputs, -1)
    if not stacked:
        return x, finals[0]
    return x, tuple(jnp.stack(each) for each in zip(*finals, strict=True))


def _start(x: Array, layer: Layer, start: dict[str, Array | None], gates: int, index: int | None) -> State:
    state = []
    for label, given in start.items():
        if given is None:
            features = layer.w_hh.shape[0] if label == "h0" else layer.w_hh.shape[1] // gates
            state.append(jnp.zeros((x.shape[0], features), x.dtype))
        else:
            state.append(given if index is None else given[index])
    return tuple(state)


def _check(
    name: str,
    gates: int,
    x: Array,
    layers: list[Layer],
    start: dict[str, Array | None],
    lengths: Array | None,
    stacked: bool,
    directions: int,
    reverse: bool,
) -> None:
    check_rank(name, "x", x, 3, "(B, T, I)")
    if lengths is not None:
        check_lengths(name, x, lengths)
    if len(layers) % directions:
        raise ValueError(f"{name}: bidirectional takes two sets of weights a layer, got {len(layers)} in all")
    features, out = x.shape[2], 0
    for index, layer in enumerate(layers):
        check_float(name, {**layer._asdict(), **start}, x=x, w_ih=layer.w_ih, w_hh=layer.w_hh)
        size = check_weights(name, gates, features, *layer[:6])
        steps = (x.shape[0], x.shape[1])
        _check_broadcast(name, "h_mask", layer.h_mask, (x.shape[0], layer.w_hh.shape[0]), "(B, H)")
        _check_broadcast(name, "zoneout_h", layer.zoneout_h, (*steps, layer.w_hh.shape[0]), "(B, T, H)")
        _check_broadcast(name, "zoneout_c", layer.zoneout_c, (*steps, size), "(B, T, H)")
        out += layer.w_hh.shape[0]
        for label, given in start.items():
            if given is not None:
                shape = (x.shape[0], layer.w_hh.shape[0] if label == "h0" else size)
                shape = (len(layers), *shape) if stacked else shape
                check_equal(name, f"the shape of {label}", tuple(given.shape), shape, x=x, w_hh=layer.w_hh)
        if index % directions == directions - 1:
            features, out = out, 0


def _masks(name: str, input_mask: Any, stacked: bool, count: int) -> list[Array | None]:
    if input_mask is None:
        return [None] * count
    if isinstance(input_mask, Sequence) != stacked:
        raise TypeError(f"{name}: input_mask must be {'a sequence' if stacked else 'an array'}, as w_ih is")
    masks = list(input_mask) if stacked else [input_mask]
    check_equal(name, "the number of layers of input_mask", len(masks), count)
    return masks


def _checked_mask(name: str, mask: Array, x: Array) -> Array:
    check_float(name, x=x, input_mask=mask)
    _check_broadcast(name, "input_mask", mask, x.shape, "(B, T, I)")
    return jnp.broadcast_to(mask, x.shape)


def _check_broadcast(name: str, label: str, a: Array | None, shape: tuple[Any, ...], form: str) -> None:
    """`a` has the axes of `shape`, each of its size or 1."""
    if a is None:
        return
    check_rank(name, label, a, len(shape), form)
    for axis, (got, want) in enumerate(zip(a.shape, shape, strict=True)):
        if got not in (1, want):
            raise ValueError(
                f"{name}: axis {axis} of {label} must be 1 or {want}, got {got} ({label}: {tuple(a.shape)})"
            )
