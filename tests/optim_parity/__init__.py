"""The optimizers against PyTorch's, Keras's and Optax's own, over a grid of options; `python -m tests.optim_parity`."""
