"""PyTorch's optimizers on the same parameters and gradients, for `--peers`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax

from benchmarks._measure import Candidate
from benchmarks._torch_peers import _candidate, _tensor, _torch

# jaxml's name -> PyTorch's, with options. All of it by its multi-tensor form, which PyTorch takes by default on GPUs.
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "momentum": ("SGD", {"momentum": 0.9}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "nadam": ("NAdam", {}),
}


def candidate(optimizer: str, rate: float, params: Any, grads: Any, roof: Callable[..., Any]) -> Candidate:
    """One `step()` after the other with the same gradients; returns the parameters. `roof` is that of JAX's program."""
    torch = _torch()
    tensors = [_tensor(torch, leaf).requires_grad_() for leaf in jax.tree.leaves(params)]
    for tensor, grad in zip(tensors, jax.tree.leaves(grads), strict=True):
        tensor.grad = _tensor(torch, grad)
    name, options = OPTIMIZERS[optimizer]
    made = getattr(torch.optim, name)(tensors, lr=rate, foreach=True, **options)

    def step() -> Any:
        made.step()
        return tuple(tensors)

    return replace(_candidate(torch, step), roof=roof)
