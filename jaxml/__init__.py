"""jaxml: a functional machine-learning library for JAX."""

__version__ = "0.1.0"
