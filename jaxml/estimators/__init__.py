"""Classical models: pure functions, and scikit-learn's interface around them. Needs scikit-learn."""

from jaxml.estimators._autoencoder import Autoencoder as Autoencoder
from jaxml.estimators._clustering import KMeans as KMeans
from jaxml.estimators._gaussian_mixture import GaussianMixture as GaussianMixture
from jaxml.estimators._kmeans import kmeans as kmeans
from jaxml.estimators._kmeans import kmeans_plus_plus as kmeans_plus_plus
from jaxml.estimators._least_squares import gradient_descent as gradient_descent
from jaxml.estimators._least_squares import least_squares as least_squares
from jaxml.estimators._linear_regression import LinearRegression as LinearRegression
from jaxml.estimators._logistic import logistic_regression as logistic_regression
from jaxml.estimators._logistic_regression import LogisticRegression as LogisticRegression
from jaxml.estimators._minibatch import minibatch_kmeans as minibatch_kmeans
from jaxml.estimators._minibatch_clustering import MiniBatchKMeans as MiniBatchKMeans
from jaxml.estimators._mixture import gaussian_mixture as gaussian_mixture
from jaxml.estimators._pca import PCA as PCA
from jaxml.estimators._principal import pca as pca
from jaxml.estimators._variational import VariationalAutoencoder as VariationalAutoencoder

__all__ = [
    "PCA",
    "Autoencoder",
    "GaussianMixture",
    "KMeans",
    "LinearRegression",
    "LogisticRegression",
    "MiniBatchKMeans",
    "VariationalAutoencoder",
    "gaussian_mixture",
    "gradient_descent",
    "kmeans",
    "kmeans_plus_plus",
    "least_squares",
    "logistic_regression",
    "minibatch_kmeans",
    "pca",
]
