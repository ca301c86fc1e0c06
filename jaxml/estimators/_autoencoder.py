"""An autoencoder with scikit-learn's interface."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from jaxml.estimators._base import DTYPES, features, in_data_precision
from jaxml.estimators._layers import ACTIVATIONS, forward, initial
from jaxml.functional._checks import check_above, check_choice, check_positive, check_within


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A code of few numbers from which a network restores the row: PCA with bends, or without `hidden` PCA's own plane.

        argmin Σ_n ‖decode(encode(x_n)) - x_n‖² / (N D)

    n_components: the numbers of the code.
    hidden: widths of the layers between the columns and the code; the decoder has them in reverse. None: linear.
    activation: `"relu"`, `"tanh"`, `"gelu"`, `"silu"` or `"elu"`, behind every hidden layer.
    learning_rate: Adam's, which falls along a cosine to 0 over the `max_iter` epochs of batches of `batch_size`.
    weight_decay: AdamW's.

    Columns have their mean taken off and are divided by one number, the root of their mean variance, so that their
    relative scales count as in PCA. Trained by `jaxml.train.fit`.

    After `fit`: `reconstruction_error_`, the mean squared error of an entry of `X`; `loss_curve_`, the mean of each
    epoch in the scaled columns; `n_iter_`.

    Errors: scikit-learn's, for NaN, infinity, shapes and a call before `fit`; `ValueError` for options out of range.

    Reference: Bourlard and Kamp 1988, "Auto-association by multilayer perceptrons and singular value decomposition";
    Hinton and Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks".

    >>> x = [[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]
    >>> model = Autoencoder(1, learning_rate=0.05, random_state=0).fit(x)
    >>> model.transform(x).shape, bool(abs(model.inverse_transform(model.transform(x)) - x).max() < 0.1)
    ((4, 1), True)
    """

    def __init__(
        self,
        n_components: int = 2,
        *,
        hidden: Sequence[int] = (),
        activation: str = "relu",
        learning_rate: float = 3e-3,
        weight_decay: float = 0.0,
        batch_size: int = 64,
        max_iter: int = 200,
        random_state: Any = None,
    ):
        self.n_components = n_components
        self.hidden = hidden
        self.activation = activation
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.random_state = random_state

    @in_data_precision
    def fit(self, X: Any, y: Any = None) -> "Autoencoder":
        """Train both halves on `X`."""
        self._check_options()
        x = features(self, X, reset=True)
        self.mean_, deviation = x.mean(axis=0), np.sqrt(x.var(axis=0).mean())
        self.scale_ = deviation if deviation > 0 else np.ones_like(deviation)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        widths = (x.shape[1], *self.hidden)
        down, up = jax.random.split(jax.random.key(seed))
        start = {
            "encode": initial(down, (*widths, self._coded()), x.dtype),
            "decode": initial(up, (self.n_components, *widths[::-1]), x.dtype),
        }
        found, self.loss_curve_ = self._trained(start, (x - self.mean_) / self.scale_, seed)
        self._encode, self._decode = ([(np.asarray(w), np.asarray(b)) for w, b in found[part]] for part in start)
        self.n_iter_, self._n_features_out = self.max_iter, self.n_components
        self.reconstruction_error_ = -self.score(x)
        return self

    @in_data_precision
    def transform(self, X: Any) -> np.ndarray:
        """The code of each row, (N, K)."""
        x = features(self, X)
        return self._through(self._encode, ((x - self.mean_) / self.scale_).astype(x.dtype))

    @in_data_precision
    def inverse_transform(self, X: Any) -> np.ndarray:
        """The row that each code stands for, (N, D)."""
        check_is_fitted(self)
        kinds: Any = DTYPES
        code = check_array(X, dtype=kinds)
        return self._through(self._decode, code) * self.scale_ + self.mean_

    def score(self, X: Any, y: Any = None) -> float:
        """Less the mean squared error of the entries of `X` that come out of their codes."""
        x = features(self, X)
        return -float(np.square(self.inverse_transform(self.transform(x)) - x).mean())

    def _through(self, layers: Any, x: np.ndarray) -> np.ndarray:
        layers = [(jnp.asarray(w), jnp.asarray(b)) for w, b in layers]
        return np.asarray(forward(layers, jnp.asarray(x), self.activation))

    def _trained(self, params: Any, x: np.ndarray, seed: int) -> tuple[Any, list[float]]:
        from jaxml import optim
        from jaxml.train import fit  # loaded here: the other estimators do without training

        size = min(self.batch_size, len(x))
        steps = self.max_iter * -(-len(x) // size)

        def rate(step: Any) -> Any:
            return self.learning_rate * (1 + jnp.cos(jnp.pi * jnp.asarray(step, x.dtype) / steps)) / 2

        result = fit(
            (self._apply, params, self._state(seed)),
            (x, x),
            loss=self._loss,
            optimizer=optim.adamw(rate, weight_decay=self.weight_decay),
            epochs=self.max_iter,
            batch_size=size,
            seed=seed,
            progress=False,
        )
        return result.params, list(result.history["loss"])

    def _coded(self) -> int:
        """The numbers that the encoder gives for a row."""
        return self.n_components

    def _state(self, seed: int) -> Any:
        return None

    def _apply(self, params: Any, state: Any, x: Any, train: bool) -> tuple[Any, Any]:
        code = forward(params["encode"], x, self.activation)
        return forward(params["decode"], code, self.activation), state

    def _loss(self, made: Any, wanted: Any) -> Any:
        return jnp.square(made - wanted).mean(axis=1)

    def _check_options(self) -> None:
        name = type(self).__name__
        check_positive(name, "n_components", [self.n_components])
        check_positive(name, "hidden", list(self.hidden))
        check_choice(name, "activation", self.activation, ACTIVATIONS)
        check_above(name, "learning_rate", self.learning_rate, 0.0)
        check_within(name, "weight_decay", self.weight_decay, 0.0)
        check_positive(name, "batch_size", [self.batch_size])
        check_positive(name, "max_iter", [self.max_iter])
