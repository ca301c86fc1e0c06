"""Recurrent networks: a padded batch is its rows alone, and what is wrong is said."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F

B, T, N, H = 4, 5, 3, 4
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
LENGTHS = jnp.array([3, 5, 0, 1])


def weights(rng, name, features=N):
    g = GATES[name] * H
    return [jnp.asarray(rng.standard_normal(s), np.float32) for s in ((features, g), (H, g), (g,), (g,))]


def batch(rng):
    return jnp.asarray(rng.standard_normal((B, T, N)), np.float32)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", GATES)
def test_padded_batch_is_each_row_alone(name, reverse, rng):
    """Values and gradients; what stands in the padding, were it NaN, is read by nobody."""
    f, w, x = getattr(F, name), weights(rng, name), batch(rng)
    inside = jnp.arange(T).reshape(1, T) < LENGTHS.reshape(B, 1)
    x = jnp.where(inside[..., None], x, jnp.nan)
    mix = jnp.asarray(rng.standard_normal((B, T, H)), np.float32)

    def together(x, w):
        y, state = f(x, *w, lengths=LENGTHS, reverse=reverse)
        return (y * mix).sum() + sum(s.sum() for s in jax.tree.leaves(state)), (y, state)

    def apart(x, w):
        total, ys, states = jnp.zeros(()), [], []
        for b, n in enumerate(LENGTHS.tolist()):
            y, state = f(x[b : b + 1, :n], *w, reverse=reverse)
            total = total + (y * mix[b : b + 1, :n]).sum() + sum(s.sum() for s in jax.tree.leaves(state))
            ys.append(jnp.pad(y, ((0, 0), (0, T - n), (0, 0))))
            states.append(state)
        return total, (jnp.concatenate(ys), jax.tree.map(lambda *s: jnp.concatenate(s), *states))

    (_, got), got_gradient = jax.jit(jax.value_and_grad(together, (0, 1), has_aux=True))(x, w)
    (_, want), want_gradient = jax.jit(jax.value_and_grad(apart, (0, 1), has_aux=True))(x, w)
    for g, e in zip(jax.tree.leaves((got, got_gradient)), jax.tree.leaves((want, want_gradient)), strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-5, atol=1e-5)
    assert (got[0] == jnp.where(inside[..., None], got[0], 0)).all()


@pytest.mark.parametrize("name", GATES)
def test_backward_pass_of_a_large_batch(name, rng, monkeypatch):
    """Whose loop is a call of its own: gradients as before, of the second order and by example too."""
    f, w, x = getattr(F, name), weights(rng, name), batch(rng)

    def once(x, lengths=None):
        return (F.tanh(f(x, *w, lengths=lengths, reverse=True)[0]) ** 2).sum()

    def twice(x):
        return (jax.grad(once)(x) ** 2).sum()

    def by_example(x):
        return jax.vmap(jax.grad(lambda x: once(x[None])))(x)

    def found(x):
        return jax.grad(once)(x), jax.grad(once)(x, LENGTHS), jax.grad(twice)(x), by_example(x)

    want = jax.jit(found)(x)
    monkeypatch.setattr("jaxml.functional._recurrent_gates._LARGE", 0)
    for g, e in zip(jax.jit(lambda x: found(x))(x), want, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_memory_of_the_gradient(name):
    """What the backward pass stacks lies where the projections were: 11 arrays (T, B, H), not 13 to 15."""
    x = jnp.zeros((64, 20, 64))
    w = [jnp.zeros((64, GATES[name] * 64))] * 2

    def outputs_and_gradients(x, *w):
        y, back = jax.vjp(lambda x, *w: getattr(F, name)(x, *w)[0], x, *w)
        return y, back(y)

    memory = jax.jit(outputs_and_gradients).lower(x, *w).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 12 * x.nbytes


def test_empty_batch_and_no_steps(rng):
    w = weights(rng, "lstm")
    y, (h, c) = F.lstm(jnp.zeros((0, T, N)), *w)
    assert (y.shape, h.shape, c.shape) == ((0, T, H), (0, H), (0, H))
    h0, c0 = jnp.ones((B, H)), jnp.full((B, H), 2.0)
    y, (h, c) = F.lstm(jnp.zeros((B, 0, N)), *w, h0=h0, c0=c0)
    assert y.shape == (B, 0, H)
    assert (h == h0).all()
    assert (c == c0).all()


def test_input_mask_is_dropout_between_layers(rng):
    first, second = weights(rng, "lstm"), weights(rng, "lstm", H)
    mask = F.dropout(jax.random.key(0), jnp.ones((B, 1, H)), rate=0.5)
    y, _ = F.lstm(F.lstm(batch_ := batch(rng), *first)[0] * jnp.broadcast_to(mask, (B, T, H)), *second)
    pairs = list(zip(first, second, strict=True))
    got, (h, _) = F.lstm(batch_, *pairs, input_mask=[None, mask])
    np.testing.assert_allclose(got, y, rtol=1e-6, atol=1e-6)
    assert h.shape == (2, B, H)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"lengths": jnp.array([1, 6, 2, 3])}, ValueError, "lengths must lie between 0 and the 5 steps of x, got 6"),
        ({"lengths": jnp.array([1, -1, 2, 3])}, ValueError, "lengths must lie between 0 and the 5 steps of x, got -1"),
        ({"lengths": jnp.ones(4)}, TypeError, "lengths must be integers, got float32"),
        ({"lengths": [1, 2, 3, 4]}, TypeError, "lengths must be an array, got list"),
        ({"lengths": jnp.array([1, 2])}, ValueError, r"shape of lengths must be \(4,\), got \(2,\)"),
        ({"w_hh": jnp.ones((3, 16))}, ValueError, r"shape of w_hh must be \(4, 16\), got \(3, 16\)"),
        ({"w_ih": jnp.ones((3, 15))}, ValueError, "w_ih must have 4 columns for each unit, got 15"),
        ({"w_ih": jnp.ones((2, 16))}, ValueError, "number of rows of w_ih must be 3, got 2"),
        ({"b_ih": jnp.ones(4)}, ValueError, r"shape of b_ih must be \(16,\), got \(4,\)"),
        ({"h0": jnp.ones((2, 4))}, ValueError, r"shape of h0 must be \(4, 4\), got \(2, 4\)"),
        ({"c0": jnp.ones((4, 5))}, ValueError, r"shape of c0 must be \(4, 4\), got \(4, 5\)"),
        ({"x": jnp.ones((4, 5))}, ValueError, r"x must have 3 axes \(B, T, I\), got 2"),
        ({"x": jnp.ones((4, 5, 3), np.int32)}, TypeError, "x must be floating point, got int32"),
        ({"x": jnp.ones((4, 5, 3), jnp.bfloat16)}, TypeError, "all arrays must share one dtype"),
        ({"w_hr": jnp.ones((3, 2))}, ValueError, "number of rows of w_hr must be 4, got 3"),
        ({"peephole": jnp.ones((2, 4))}, ValueError, r"shape of peephole must be \(3, 4\), got \(2, 4\)"),
        ({"bidirectional": True}, ValueError, "bidirectional takes two sets of weights a layer, got 1"),
        ({"w_hh": [jnp.ones((4, 16))]}, TypeError, "w_hh must be an array, as w_ih is, got a sequence"),
        ({"w_ih": []}, ValueError, "w_ih must hold the weights of 1 layer or more, got none"),
        ({"input_mask": jnp.ones((4, 5, 2))}, ValueError, "axis 2 of input_mask must be 1 or 3, got 2"),
        ({"input_mask": [None]}, TypeError, "input_mask must be an array, as w_ih is"),
        ({"implementation": "fast"}, ValueError, "implementation must be one of"),
    ],
)
def test_errors(change, error, message, rng):
    w_ih, w_hh, b_ih, b_hh = weights(rng, "lstm")
    given = {"x": batch(rng), "w_ih": w_ih, "w_hh": w_hh, "b_ih": b_ih, "b_hh": b_hh} | change
    with pytest.raises(error, match=f"^lstm: .*{message}"):
        F.lstm(**given)


@pytest.mark.usefixtures("unchecked_types")
def test_errors_of_cells_and_layers(rng):
    w = weights(rng, "rnn")
    with pytest.raises(ValueError, match=r"^rnn_cell: the shape of h must be \(2, 4\), got \(1, 4\)"):
        F.rnn_cell(jnp.ones((2, 3)), jnp.ones((1, 4)), *w)
    with pytest.raises(ValueError, match=r"^rnn_cell: activation must be one of 'tanh', 'relu', got 'gelu'"):
        F.rnn_cell(jnp.ones((2, 3)), jnp.ones((2, 4)), *w, activation="gelu")
    with pytest.raises(ValueError, match=r"^rnn: the number of layers of w_hh must be 2, got 1"):
        F.rnn(batch(rng), [w[0], w[1]], [w[1]])
    with pytest.raises(ValueError, match=r"^gru: the number of rows of w_ih must be 4, got 3"):
        a, b, *_ = weights(rng, "gru")
        F.gru(batch(rng), [a, a], [b, b])
