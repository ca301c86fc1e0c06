"""Linear algebra and Fourier transforms, by the textbooks' leading terms (Golub and Van Loan; LAPACK note 41).

They are FLOPs without MACs: the papers' MACs are those of layers. Iterative methods (eigenvalues, singular values) have
no exact count; theirs is the usual estimate. A complex operation makes 4 of these.
"""

import math

from jaxml.flops._cost import Cost
from jaxml.flops._rules import Call, is_complex, rule, size


def _each(call: Call, flops: float) -> Cost:
    """`flops` for every matrix of the batch."""
    a = call.inputs[0]
    return Cost(other=round(flops) * math.prod(a.shape[:-2]) * (4 if is_complex(a) else 1))


def _sides(call: Call) -> tuple[int, int]:
    """The longer and the shorter side."""
    m, n = call.inputs[0].shape[-2:]
    return max(m, n), min(m, n)


@rule("cholesky")
def cholesky(call: Call) -> Cost:
    n = call.inputs[0].shape[-1]
    return _each(call, n * (n + 1) * (2 * n + 1) / 6)


@rule("cholesky_update")
def cholesky_update(call: Call) -> Cost:
    return _each(call, 4 * call.inputs[0].shape[-1] ** 2)


@rule("lu")
def lu(call: Call) -> Cost:
    m, n = _sides(call)
    return _each(call, m * n**2 - n**3 / 3)


@rule("geqrf", "geqp3")
def geqrf(call: Call) -> Cost:
    m, n = _sides(call)
    return _each(call, 2 * m * n**2 - 2 * n**3 / 3)


@rule("qr")
def qr(call: Call) -> Cost:
    """The factorisation, and its reflections multiplied out to the columns of Q, which may then not be used."""
    m, n = _sides(call)
    columns = call.outputs[0].shape[-1]
    return _each(call, 2 * m * n**2 - 2 * n**3 / 3 + _multiplied_out(call.inputs[0].shape[-2], columns, n))


def _multiplied_out(m: int, n: int, k: int) -> float:
    """The first n columns of a product of k reflections."""
    return 4 * m * n * k - 2 * (m + n) * k**2 + 4 * k**3 / 3


@rule("householder_product")
def householder_product(call: Call) -> Cost:
    m, n = call.inputs[0].shape[-2:]
    return _each(call, _multiplied_out(m, n, call.inputs[1].shape[-1]))


@rule("ormqr")
def ormqr(call: Call) -> Cost:
    k = call.inputs[1].shape[-1]
    m, n = call.outputs[0].shape[-2:] if call.params.get("left", True) else call.outputs[0].shape[-2:][::-1]
    return _each(call, 2 * n * k * (2 * m - k))


@rule("triangular_solve")
def triangular_solve(call: Call) -> Cost:
    """`n²` for each right-hand side."""
    return Cost(other=size(call.inputs[1]) * call.inputs[0].shape[-1] * (4 if is_complex(call.inputs[0]) else 1))


@rule("eigh")
def eigh(call: Call) -> Cost:
    return _each(call, 9 * call.inputs[0].shape[-1] ** 3)


@rule("eig")
def eig(call: Call) -> Cost:
    vectors = call.params.get("compute_left_eigenvectors", True) or call.params.get("compute_right_eigenvectors", True)
    return _each(call, (25 if vectors else 10) * call.inputs[0].shape[-1] ** 3)


@rule("schur")
def schur(call: Call) -> Cost:
    return _each(call, 25 * call.inputs[0].shape[-1] ** 3)


@rule("hessenberg")
def hessenberg(call: Call) -> Cost:
    return _each(call, 10 * call.inputs[0].shape[-1] ** 3 / 3)


@rule("tridiagonal")
def tridiagonal(call: Call) -> Cost:
    return _each(call, 4 * call.inputs[0].shape[-1] ** 3 / 3)


@rule("svd")
def svd(call: Call) -> Cost:
    m, n = _sides(call)
    if not call.params.get("compute_uv", True):
        return _each(call, 4 * m * n**2 - 4 * n**3 / 3)
    full = call.params.get("full_matrices", False)
    return _each(call, 4 * m**2 * n + 8 * m * n**2 + 9 * n**3 if full else 14 * m * n**2 + 8 * n**3)


@rule("tridiagonal_solve")
def tridiagonal_solve(call: Call) -> Cost:
    """Thomas's algorithm: 3 (n - 1) to eliminate, 5 n - 4 for each right-hand side."""
    n, sides = call.inputs[-1].shape[-2:]
    return Cost(other=math.prod(call.inputs[-1].shape[:-2]) * (3 * (n - 1) + sides * (5 * n - 4)))


@rule("fft")
def fft(call: Call) -> Cost:
    """`5 n log2 n` for a complex transform of n numbers, half of it where one side is real."""
    lengths = call.params["fft_lengths"]
    n = math.prod(lengths)
    transforms = math.prod(call.inputs[0].shape[: len(call.inputs[0].shape) - len(lengths)])
    real = not (is_complex(call.inputs[0]) and is_complex(call.outputs[0]))
    return Cost(other=round(5 * n * math.log2(n) / (2 if real else 1)) * transforms if n > 1 else 0)
