"""The same recurrences in PyTorch, for `--peers`."""

from collections.abc import Callable
from typing import Any

from jax import Array

from benchmarks._measure import Candidate
from benchmarks._torch_peers import _candidate, _place, _tensor, _torch


def candidate(kind: str, what: str, x: Array, w_ih: Array, w_hh: Array, b: Array, dy: Array) -> Candidate:
    """`what` is forward (the outputs) or gradient (these, and the gradients by x, both matrices and the bias)."""
    torch = _torch()
    layer = getattr(torch.nn, kind)(w_ih.shape[0], w_hh.shape[0], batch_first=True).to(_place(torch))
    with torch.no_grad():
        layer.weight_ih_l0.copy_(_tensor(torch, w_ih).T)
        layer.weight_hh_l0.copy_(_tensor(torch, w_hh).T)
        layer.bias_ih_l0.copy_(_tensor(torch, b))
        layer.bias_hh_l0.zero_()
    given, cotangent = _tensor(torch, x), _tensor(torch, dy)
    made: dict[str, Callable[[], Any]] = {"forward": lambda: _forward(torch, layer, given)}
    made["gradient"] = lambda: _gradient(layer, given.requires_grad_(), cotangent)
    return _candidate(torch, made[what])


def _forward(torch: Any, layer: Any, x: Any) -> Any:
    with torch.no_grad():
        return layer(x)[0]


def _gradient(layer: Any, x: Any, dy: Any) -> Any:
    layer.zero_grad()
    x.grad = None
    y = layer(x)[0]
    y.backward(dy)
    return y, x.grad, layer.weight_ih_l0.grad.T, layer.weight_hh_l0.grad.T, layer.bias_ih_l0.grad
