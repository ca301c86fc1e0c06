"""Recurrent networks: chunks of time, what they cost, masks of the state, zoneout, and cuDNN where it is not."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxml.functional as F
from jaxml import flops
from jaxml.functional._recurrent_cudnn import packed
from jaxml.functional._recurrent_layers import Layer

B, T, N, H = 3, 7, 2, 4
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def arguments(rng, name, steps=T):
    g = GATES[name] * H
    return [jnp.asarray(rng.standard_normal(s), np.float32) for s in ((B, steps, N), (N, g), (H, g), (g,), (g,))]


def assert_alike(got, want):
    for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(g, w, rtol=2e-5, atol=2e-5)


def value_and_gradient(f, args):
    def total(*args):
        out = f(*args)
        return sum((y**2).sum() for y in jax.tree.leaves(out)), out

    return jax.jit(jax.value_and_grad(total, range(len(args)), has_aux=True))(*args)


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("options", [{}, {"reverse": True, "lengths": jnp.array([7, 0, 4])}], ids=["all", "lengths"])
def test_chunks_change_nothing(name, options, rng):
    args = arguments(rng, name)
    f = partial(getattr(F, name), **options)
    assert_alike(value_and_gradient(partial(f, checkpoint_every=3), args), value_and_gradient(f, args))


@pytest.mark.parametrize(
    ("implementation", "options"),
    [("scan", {}), ("scan", {"reverse": True, "lengths": jnp.array([7, 0, 4])}), ("reference", {"reverse": True})],
    ids=["scan", "lengths", "reference"],
)
@pytest.mark.parametrize("name", GATES)
def test_chunks_take_their_own_zoneout(name, implementation, options, rng):
    """Shares of each step and shares of all, and the gradients by them, the last piece being filled up or not."""
    args = arguments(rng, name)
    shapes = [(B, T, H), (B, 1, H)] if name == "lstm" else [(1, T, H)]
    args += [jnp.asarray(rng.uniform(size=s), np.float32) for s in shapes]

    def f(*args, every=None):
        shares = dict(zip(("zoneout_h", "zoneout_c"), args[5:], strict=False))
        options_of_run = {"checkpoint_every": every, "implementation": implementation, **options}
        return getattr(F, name)(*args[:5], **shares, **options_of_run)

    want = value_and_gradient(f, args)
    for every in (3, T):
        assert_alike(value_and_gradient(partial(f, every=every), args), want)


def temporary_bytes(steps, **options):
    """Of the gradient by the weights of the last state alone."""
    shapes = [(B, steps, 1), (1, 4 * 16), (16, 4 * 16)]
    args = [jax.ShapeDtypeStruct(s, np.float32) for s in shapes]
    gradient = jax.jit(jax.grad(lambda x, *w: F.lstm(x, *w, **options)[1][0].sum(), (1, 2)))
    return gradient.lower(*args).compile().memory_analysis().temp_size_in_bytes


def test_memory_grows_with_the_root_of_the_steps():
    """Sixteen times the steps and four times the memory, where all of it would be sixteen times."""
    whole = temporary_bytes(1024) / temporary_bytes(64)
    chunks = temporary_bytes(1024, checkpoint_every=32) / temporary_bytes(64, checkpoint_every=8)
    assert whole > 12
    assert chunks < 6
    assert temporary_bytes(1024, checkpoint_every=32) < temporary_bytes(1024) / 6


@pytest.mark.parametrize("name", GATES)
def test_masks_are_differentiated_by_hand(name):
    """The backward loop's only product is that with `w_hhᵀ`, also with a mask and zoneout."""
    args = [jax.ShapeDtypeStruct(s, np.float32) for s in ((B, T, N), (N, GATES[name] * H), (H, GATES[name] * H))]
    varied = {"h_mask": jnp.full((1, H), 0.5), "zoneout_h": jnp.full((1, 1, 1), 0.5)}
    gradient = jax.grad(lambda *a: getattr(F, name)(*a, **varied)[0].sum(), (0, 1, 2))
    scans = [e.params["jaxpr"] for e in jax.make_jaxpr(gradient)(*args).eqns if e.primitive.name == "scan"]
    assert [str(body).count("dot_general") for body in scans] == [1, 1]


@pytest.mark.parametrize("implementation", ["scan", "reference"])
@pytest.mark.parametrize("name", GATES)
def test_every_step_is_counted(name, implementation):
    """Forward, all products; the gradient by x and the weights, twice as many again."""
    shapes = [(B, T, N), (N, GATES[name] * H), (H, GATES[name] * H)]
    args = [jax.ShapeDtypeStruct(s, np.float32) for s in shapes]
    f = partial(getattr(F, name), implementation=implementation)
    macs = B * T * (N + H) * GATES[name] * H
    assert flops.count(f, *args).macs == macs
    gradient = jax.grad(lambda *a: f(*a)[0].sum(), (0, 1, 2))
    assert flops.count(gradient, *args).macs == 3 * macs


def test_compiling_does_not_depend_on_the_steps():
    """The program of a hundred steps has as many operations as that of ten."""

    def operations(steps):
        shapes = [(B, steps, N), (N, 4 * H), (H, 4 * H)]
        gradient = jax.grad(lambda *a: F.lstm(*a)[0].sum(), (0, 1, 2))
        return jax.jit(gradient).lower(*[jax.ShapeDtypeStruct(s, np.float32) for s in shapes]).as_text().count("\n")

    assert operations(10) == operations(100)


@pytest.mark.parametrize("name", GATES)
def test_zoneout(name, rng):
    """All of the old state stays, none does, and in between each entry is one or the other."""
    args = arguments(rng, name)
    f, h0 = getattr(F, name), jnp.full((B, H), 0.5)
    plain = f(*args, h0=h0)
    more = {"zoneout_c": jnp.zeros((1, 1, 1))} if name == "lstm" else {}
    assert_alike(f(*args, h0=h0, zoneout_h=jnp.zeros((1, 1, 1)), **more), plain)
    assert (f(*args, h0=h0, zoneout_h=jnp.ones((1, 1, 1)))[0] == 0.5).all()
    draws = jax.random.bernoulli(jax.random.key(0), 0.5, (B, T, H))
    y, _ = f(*args, h0=h0, zoneout_h=draws.astype(jnp.float32))
    old = jnp.concatenate([h0[:, None], y[:, :-1]], 1)
    assert ((y == old) | ~draws).all()
    assert ((y != old) | draws).all()


@pytest.mark.parametrize("reset_after", [True, False])
def test_mask_of_the_state_is_seen_by_the_products_alone(reset_after, rng):
    """As Keras's `recurrent_dropout`: with h hidden from `w_hh`, it is still what z keeps."""
    x, w_ih, w_hh, b_ih, b_hh = arguments(rng, "gru")
    y, _ = F.gru(x, w_ih, w_hh, b_ih, b_hh, h_mask=jnp.zeros((1, 1)), reset_after=reset_after)
    want, _ = F.gru(x, w_ih, jnp.zeros_like(w_hh), b_ih, b_hh, reset_after=reset_after)
    assert_alike(y, want)
    x, *w = arguments(rng, "lstm")
    mask = jnp.array([[2.0, 0.0, 2.0, 0.0]])
    scaled = w[1] * jnp.broadcast_to(mask.T, w[1].shape)
    assert_alike(F.lstm(x, *w, h_mask=mask), F.lstm(x, w[0], scaled, *w[2:]))


@pytest.mark.parametrize("options", [{}, {"reverse": True, "lengths": jnp.array([7, 0, 4])}], ids=["all", "lengths"])
@pytest.mark.parametrize("name", GATES)
def test_gradient_by_hand_of_masks_and_zoneout(name, options, rng):
    """In float64 as that of the reference, also by the mask and by shares between 0 and 1."""
    with jax.enable_x64(True):
        args = [jnp.asarray(a, np.float64) for a in arguments(rng, name)]
        more = {"h0": (B, H), "h_mask": (1, H), "zoneout_h": (B, T, H)}
        more |= {"c0": (B, H), "zoneout_c": (B, 1, 1)} if name == "lstm" else {}
        args += [jnp.asarray(rng.uniform(0, 1, shape)) for shape in more.values()]

        def run(implementation, *args):
            given = dict(zip(more, args[5:], strict=True))
            return getattr(F, name)(*args[:5], **given, **options, implementation=implementation)

        got, want = (value_and_gradient(partial(run, i), args) for i in ("scan", "reference"))
        for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-12)
            assert np.any(w)


def test_cudnn_gets_its_weights_in_its_order(rng):
    """As `jax.experimental.rnn` itself takes them apart."""
    from jax.experimental import rnn

    _, *w = arguments(rng, "lstm")
    apart = rnn.unpack_lstm_weights(packed(Layer(*w)), N, H, 1, False)
    for got, want in zip(apart, (w[0].T, w[1].T, w[2], w[3]), strict=True):
        np.testing.assert_array_equal(got[0], want)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lstm", {"implementation": "cudnn"}, "^lstm: implementation='cudnn' needs an NVIDIA GPU; 'scan' and 're"),
        ("gru", {"implementation": "cudnn"}, "^gru: implementation='cudnn' needs an LSTM and an NVIDIA GPU; 'scan'"),
        ("lstm", {"implementation": "cudnn", "peephole": jnp.ones((3, H))}, "needs no projection, peephole, mask of"),
        ("gru", {"checkpoint_every": 0}, r"^gru: checkpoint_every must be positive integers, got \(0,\)"),
        ("lstm", {"h_mask": jnp.ones((2, H))}, "^lstm: axis 0 of h_mask must be 1 or 3, got 2"),
        ("rnn", {"zoneout_h": jnp.ones((B, 2, H))}, "^rnn: axis 1 of zoneout_h must be 1 or 7, got 2"),
        ("lstm", {"zoneout_c": jnp.ones((B, H))}, r"^lstm: zoneout_c must have 3 axes \(B, T, H\), got 2"),
    ],
)  # fmt: skip
def test_errors(name, options, message, rng):
    with pytest.raises(ValueError, match=message):
        getattr(F, name)(*arguments(rng, name), **options)


@pytest.mark.usefixtures("unchecked_types")
def test_errors_of_the_normalised_lstm():
    w = [jnp.ones((N, 16)), jnp.ones((H, 16)), *[jnp.ones(16)] * 3, jnp.ones(H), jnp.ones(H)]
    x = jnp.ones((B, T, N))
    with pytest.raises(ValueError, match=r"^layer_norm_lstm: the shape of scale_c must be \(4,\), got \(16,\)"):
        F.layer_norm_lstm(x, *w[:5], w[2], w[6])
    with pytest.raises(ValueError, match=r"^layer_norm_lstm: the shape of h0 must be \(3, 4\), got \(2, 4\)"):
        F.layer_norm_lstm(x, *w, h0=jnp.ones((2, H)))
    with pytest.raises(ValueError, match=r"^layer_norm_lstm: lengths must lie between 0 and the 7 steps of x, got 8"):
        F.layer_norm_lstm(x, *w, lengths=jnp.array([1, 8, 2]))
    with pytest.raises(ValueError, match=r"^layer_norm_lstm: eps must be finite and above 0, got 0"):
        F.layer_norm_lstm(x, *w, eps=0.0)
    with pytest.raises(ValueError, match=r"^layer_norm_lstm_cell: the shape of b must be \(16,\), got \(4,\)"):
        F.layer_norm_lstm_cell(x[:, 0], jnp.ones((B, H)), jnp.ones((B, H)), *w[:2], w[5], *w[3:])
