"""A variational autoencoder with scikit-learn's interface."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from jaxml.estimators._autoencoder import Autoencoder
from jaxml.estimators._base import in_data_precision
from jaxml.estimators._layers import forward
from jaxml.functional._checks import check_above, check_within


class VariationalAutoencoder(Autoencoder):
    """An autoencoder whose codes are Gaussian, so that a code drawn at random stands for a row such as those of `X`.

        argmin Σ_n E_{z ~ q_n}[-log N(x_n; decode(z), noise²)] + KL(q_n ‖ N(0, 1)),    q_n = N(mean(x_n), variance(x_n))

    `noise` is the deviation of an entry around what its code says, in the scaled columns, whose mean variance is 1:
    less of it weighs restoring the row, more of it codes that fill the plane evenly. A number of the code that is not
    worth its cost has mean 0 and variance 1 for every row. Without `hidden` layers this is probabilistic PCA. z is
    drawn once a row and step.

    The other options, and what there is after `fit`, are `Autoencoder`'s; `loss_curve_` is in nats a row, and bounds
    less the log likelihood from above. `transform` gives the mean of a row's codes.

    Errors: those of `Autoencoder`; `ValueError` for a `noise` that is not above 0.

    Reference: Kingma and Welling 2013, "Auto-encoding variational Bayes", arXiv:1312.6114; of the linear one, Tipping
    and Bishop 1999, "Probabilistic principal component analysis".

    >>> x = [[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]
    >>> model = VariationalAutoencoder(1, max_iter=20, random_state=0).fit(x)
    >>> model.transform(x).shape, model.sample(3).shape
    ((4, 1), (3, 2))
    """

    def __init__(
        self,
        n_components: int = 2,
        *,
        hidden: Sequence[int] = (),
        activation: str = "relu",
        noise: float = 0.5,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.0,
        batch_size: int = 64,
        max_iter: int = 200,
        random_state: Any = None,
    ):
        super().__init__(
            n_components,
            hidden=hidden,
            activation=activation,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_iter=max_iter,
            random_state=random_state,
        )
        self.noise = noise

    def transform(self, X: Any) -> np.ndarray:
        """The mean of the codes of each row, (N, K)."""
        return super().transform(X)[:, : self.n_components]

    @in_data_precision
    def sample(self, n_samples: int = 1) -> np.ndarray:
        """Rows that codes drawn from N(0, 1) stand for, (n_samples, D); each entry's `noise` is not added."""
        check_is_fitted(self)
        check_within(type(self).__name__, "n_samples", n_samples, 1)
        key = jax.random.key(int(check_random_state(self.random_state).randint(2**31 - 1)))
        code = jax.random.normal(key, (n_samples, self.n_components), self._decode[0][0].dtype)
        return self.inverse_transform(np.asarray(code))

    def _coded(self) -> int:
        return 2 * self.n_components  # means, and logarithms of variances

    def _state(self, seed: int) -> Any:
        return jax.random.fold_in(jax.random.key(seed), 1)

    def _apply(self, params: Any, state: Any, x: Any, train: bool) -> tuple[Any, Any]:
        mean, log_variance = jnp.split(forward(params["encode"], x, self.activation), 2, axis=1)
        code = mean
        if train:
            state, key = jax.random.split(state)
            code = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape, mean.dtype)
        return (forward(params["decode"], code, self.activation), mean, log_variance), state

    def _loss(self, made: Any, wanted: Any) -> Any:
        restored, mean, log_variance = made
        variance = jnp.asarray(self.noise, restored.dtype) ** 2
        error = 0.5 * (jnp.square(restored - wanted) / variance + jnp.log(2 * jnp.pi * variance)).sum(axis=1)
        return error + 0.5 * (jnp.square(mean) + jnp.exp(log_variance) - 1 - log_variance).sum(axis=1)

    def _check_options(self) -> None:
        super()._check_options()
        check_above(type(self).__name__, "noise", self.noise, 0.0)
