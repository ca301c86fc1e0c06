"""Encoder and decoder: one step as all at once, padding without any influence, scheduled sampling, reversed digits."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import models, nn, optim
from jaxml.train import make_train_step

V, PAD, START, END = 11, 0, 2, 3
SOURCE = jnp.array([[4, 5, 6, 0, 0], [5, 4, 0, 0, 0], [7, 8, 9, 10, 4]])
TARGET = jnp.array([[6, 5, 4, 3], [4, 5, 3, 0], [9, 3, 0, 0]])
# Every cell, attention, number of layers, direction, and one or two tables, each at least once.
KINDS = {
    "luong": {"attention": "luong"},
    "additive": {"attention": "additive", "cell": "lstm", "num_layers": 2},
    "none": {"attention": None, "cell": "rnn", "bidirectional": False},
    "tied": {"tied": True, "num_layers": 2, "bidirectional": False},
}


def slow(kind):
    return pytest.param(kind, marks=pytest.mark.slow)


def made(seed=0, **options):
    small = {"num_classes": V, "num_embeddings": V, "embedding_features": 6, "hidden_features": 5, "max_length": 5}
    return models.create("seq2seq", rngs=nnx.Rngs(seed), **{**small, **options})


def loss(logits, targets):
    return F.softmax_cross_entropy_with_integer_labels(logits, targets, ignore_index=PAD)


@pytest.mark.parametrize("kind", ["luong", slow("additive"), slow("none"), slow("tied")])
def test_steps_are_the_whole(kind):
    """Teacher forcing gives, at each step, what `step` gives after the targets before; free running its own tokens."""
    model = made(**KINDS[kind])
    state, token = model.encode(SOURCE), jnp.full(3, START, jnp.int32)
    step, rows = jax.jit(lambda state, token: model.step(state, token)), []
    for t in range(4):
        logits, state = step(state, token)
        rows.append(logits)
        token = TARGET[:, t]
    np.testing.assert_allclose(model(SOURCE, TARGET), np.stack(rows, 1), atol=2e-6)
    free, decoded = model(SOURCE), model.decode(SOURCE)
    assert free.shape == (3, 5, V)
    inside = np.arange(5) < np.asarray(decoded.lengths)[:, None]
    np.testing.assert_array_equal(decoded.tokens, np.where(inside, free.argmax(-1), PAD))


@pytest.mark.parametrize("kind", ["luong", slow("additive")])
def test_padding_has_no_influence(kind):
    """Not on a logit, and not on a gradient: to the last bit, whatever stands behind the end of source and target."""
    apply, params, state = nn.functionalize(made(**KINDS[kind]))
    lengths = jnp.array([3, 2, 5])

    @jax.jit
    def value(params, x, targets):
        logits, _ = apply(params, state, x, targets, lengths=lengths)
        return loss(logits, jnp.where(TARGET == PAD, PAD, targets)).sum(), logits

    gradient = jax.jit(jax.value_and_grad(value, has_aux=True))
    noise = jnp.where(SOURCE == PAD, jnp.arange(15).reshape(3, 5) % V, SOURCE)
    targets = jnp.where(TARGET == PAD, 9, TARGET)
    (a, logits), got = gradient(params, SOURCE, TARGET)
    (b, other), want = gradient(params, noise, targets)
    real = np.asarray(TARGET != PAD)
    np.testing.assert_array_equal(np.asarray(logits)[real], np.asarray(other)[real])
    assert a == b
    jax.tree.map(np.testing.assert_array_equal, got, want)
    # More padding: the same loss, where sums are of other lengths to rounding.
    wide = jnp.pad(SOURCE, ((0, 0), (0, 3))), jnp.pad(TARGET, ((0, 0), (0, 2)))
    (c, _), more = jax.value_and_grad(lambda p: (loss(apply(p, state, *wide)[0], wide[1]).sum(), 0), has_aux=True)(
        params
    )
    np.testing.assert_allclose(c, a, rtol=1e-6)
    chex.assert_trees_all_close(more, got, atol=1e-6)


def test_loss_is_the_mean_over_real_tokens(rng):
    logits = jnp.asarray(rng.normal(size=(3, 4, V)), jnp.float32)
    target = np.asarray(TARGET)
    each = -np.take_along_axis(np.asarray(jax.nn.log_softmax(logits)), target[..., None], 2)[..., 0]
    want = [row[t != PAD].mean() for row, t in zip(each, target, strict=True)]
    np.testing.assert_allclose(loss(logits, TARGET), want, rtol=1e-5)
    gradient = jax.grad(lambda logits: loss(logits, TARGET).sum())(logits)
    assert (np.asarray(gradient)[target == PAD] == 0).all()
    assert (loss(logits.at[1, 3].set(jnp.nan), TARGET) == loss(logits, TARGET)).all()


def test_lengths_are_those_of_padding_unless_given():
    model = made()
    np.testing.assert_array_equal(model(SOURCE, TARGET), model(SOURCE, TARGET, lengths=jnp.array([3, 2, 5])))
    empty = model(jnp.zeros((1, 4), jnp.int32), TARGET[:1])
    assert np.isfinite(empty).all()
    assert (np.asarray(model(SOURCE, TARGET)) != model(SOURCE, TARGET, lengths=jnp.array([2, 2, 5]))).any()


def test_scheduled_sampling():
    """At rate 0 it is teacher forcing; at rate 1 the targets are not looked at; between, both matter, and the key."""
    apply, params, state = nn.functionalize(made(sampling_rate=0.5))
    run = jax.jit(lambda state, targets, rate: apply(params, state, SOURCE, targets, sampling_rate=rate, train=True))
    plain, _ = apply(params, state, SOURCE, TARGET)
    at = {rate: run(state, TARGET, jnp.asarray(rate, jnp.float32)) for rate in (0.0, 0.5, 1.0)}
    np.testing.assert_allclose(at[0.0][0], plain, atol=2e-6)
    other = jnp.where(TARGET == 4, 7, TARGET)
    np.testing.assert_array_equal(at[1.0][0], run(state, other, jnp.asarray(1.0))[0])
    assert (np.asarray(at[1.0][0][:, 0]) == np.asarray(at[0.5][0][:, 0])).all()  # the first token is given
    assert (np.asarray(at[0.5][0]) != run(state, other, jnp.asarray(0.5))[0]).any()
    moved = run(at[1.0][1], TARGET, jnp.asarray(1.0))[0]
    assert (np.asarray(moved) != at[1.0][0]).any()
    again = run(state, TARGET, jnp.asarray(0.5, jnp.float32))[0]
    np.testing.assert_array_equal(again, at[0.5][0])


@pytest.mark.slow
def test_own_tokens_are_drawn_as_often_as_asked():
    """With embeddings that tell the drawn token from the given one: of 4,000 tokens, the share that is its own."""
    model = made(attention=None, bidirectional=False, sampling_rate=0.3, cell="rnn", hidden_features=1)
    # The state of a step is the token that it got, so the logits say which one that was: given ones are 5, own ones 6.
    model.embedding.w[...] = jnp.zeros((V, 6)).at[5, 0].set(1.0).at[6, 0].set(-1.0)
    model.decoder.w_ih[...], model.decoder.w_hh[...] = jnp.ones((6, 1)), jnp.zeros((1, 1))
    model.readout.w[...], model.head.w[...] = jnp.ones((1, 1)), jnp.ones((5, V))[:1]
    model.head.b[...] = jnp.where(jnp.arange(V) == 6, 30.0, 0.0)
    logits = model(jnp.full((100, 1), 4, jnp.int32), jnp.full((100, 41), 5, jnp.int32), train=True)
    got = np.asarray(logits[:, 1:, 0])
    assert set(np.sign(got).ravel()) == {-1.0, 1.0}
    assert abs((got < 0).mean() - 0.3) < 5 * np.sqrt(0.21 / 4000)


def test_dropout_is_for_training_and_moves_on():
    apply, params, state = nn.functionalize(made(dropout=0.5, num_layers=2))
    run = jax.jit(lambda state, x, t, train: apply(params, state, x, t, train=train), static_argnums=3)
    still, same = run(state, SOURCE, TARGET, False)
    first, moved = run(state, SOURCE, TARGET, True)
    second, _ = run(moved, SOURCE, TARGET, True)
    assert (np.asarray(still) == run(same, SOURCE, TARGET, False)[0]).all()
    assert (np.asarray(first) != still).any() and (np.asarray(first) != second).any()


@pytest.mark.slow
def test_gradients_reach_every_parameter():
    for kind in ("additive", "tied"):
        apply, params, state = nn.functionalize(made(**KINDS[kind]))
        gradient = jax.jit(
            jax.grad(lambda p, apply=apply, state=state: loss(apply(p, state, SOURCE, TARGET)[0], TARGET).sum())
        )(params)
        dead = [
            jax.tree_util.keystr(k) for k, g in jax.tree_util.tree_leaves_with_path(gradient) if not np.abs(g).max() > 0
        ]
        assert dead == [], kind


def test_beams_of_the_network():
    """A beam finds nothing less likely than greedy does here, and what it returns has the probability it says."""
    model = made(seed=3)
    greedy, beam = model.decode(SOURCE), model.decode(SOURCE, beam_size=4)
    assert (np.asarray(beam.log_probability) >= np.asarray(greedy.log_probability) - 1e-6).all()
    log_p = jax.nn.log_softmax(model(SOURCE, beam.tokens))
    inside = np.arange(5) < np.asarray(beam.lengths)[:, None]
    each = np.take_along_axis(np.asarray(log_p), np.asarray(beam.tokens)[..., None], 2)[..., 0]
    np.testing.assert_allclose(np.where(inside, each, 0).sum(1), beam.log_probability, rtol=1e-4)


def digits(rng, n, *, held_out):
    """Numbers of up to six digits and the same reversed; those whose digits sum to a multiple of 5 are held out."""
    rows = np.zeros((0, 6), np.int64)
    while len(rows) < n:
        lengths = rng.integers(1, 7, 4 * n)
        found = np.where(np.arange(6) < lengths[:, None], rng.integers(0, 10, (4 * n, 6)), -1)
        mask = (np.where(found < 0, 0, found).sum(1) % 5 == 0) == held_out
        rows = np.concatenate([rows, found[mask]])[:n]
    lengths = (rows >= 0).sum(1)[:, None]
    x = np.where(rows >= 0, rows + 4, PAD)
    behind = lengths - 1 - np.arange(7)
    t = np.where(behind >= 0, np.take_along_axis(x, np.maximum(behind, 0), 1), np.where(behind == -1, END, PAD))
    return jnp.asarray(x, jnp.int32), jnp.asarray(t, jnp.int32)


@pytest.mark.loose_promotion  # optax's schedules mix integers and floats
@pytest.mark.slow
@pytest.mark.parametrize("attention", ["luong", "additive"])
def test_numbers_are_reversed_without_an_error(attention):
    """250 steps; of 500 numbers that training never had, every one is right, by greedy search and by beams."""
    options = {
        "num_classes": 14,
        "num_embeddings": 14,
        "embedding_features": 48,
        "hidden_features": 48,
        "max_length": 7,
    }
    model = models.create("seq2seq", rngs=nnx.Rngs(0), attention=attention, **options)
    apply, params, state = nn.functionalize(model)
    tx = optim.adam(optax.cosine_decay_schedule(1e-2, 250))
    step = make_train_step(lambda p, s, x, train: apply(p, s, *x, train=train), loss, tx)
    opt_state, rng = tx.init(params), np.random.default_rng(0)
    for _ in range(250):
        x, t = digits(rng, 64, held_out=False)
        params, state, opt_state, _ = step(params, state, opt_state, ((x, t), t))
    nnx.update(model, params, state)
    x, t = digits(np.random.default_rng(1), 500, held_out=True)
    for beams in (1, 3):
        found = jax.jit(lambda x, beams=beams: model.decode(x, beam_size=beams).tokens)(x)
        assert bool((found == t).all())


def test_cost_is_counted_in_full():
    """Every step of both loops: three products a step of a GRU in each direction, the two of attention, the logits."""
    from jaxml import flops

    apply, params, state = nn.functionalize(made())
    e, h, s, t = 6, 5, 5, 4
    cost = flops.count(lambda x, y: apply(params, state, x, y)[0], SOURCE[:1], TARGET[:1])
    encoder, bridge = 2 * s * 3 * (e + h) * h, 2 * h * h
    decoder = t * (3 * (e + h) * h + h * 2 * h + s * 2 * h * 2 + 3 * h * h + h * V)
    assert cost.macs == encoder + bridge + decoder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "gr"}, "cell must be one of 'rnn', 'lstm', 'gru', got 'gr'; did you mean 'gru'"),
        ({"attention": "bahdanau"}, "attention must be one of 'luong', 'additive', None, got 'bahdanau'"),
        ({"tied": True, "num_embeddings": 12}, "tied needs one vocabulary, got num_embeddings=12 and num_classes=11"),
        ({"padding_index": 11}, "padding_index must lie between 0 and 10, got 11"),
        ({"end_index": 11}, "end_index must lie between 0 and 10, got 11"),
        ({"max_length": 0}, "num_classes, num_embeddings, max_length must be positive integers"),
        ({"dropout": 1.5}, r"dropout: rate must be in \[0, 1\], got 1.5"),
        ({"sampling_rate": -0.1}, r"sampling_rate: rate must be in \[0, 1\], got -0.1"),
    ],
)
def test_what_cannot_be_made(options, message):
    with pytest.raises(ValueError, match=f"Seq2Seq: {message}"):
        made(**options)


def test_what_cannot_be_called(unchecked_types):
    model = made()
    for x, targets, error, message in [
        (SOURCE.astype(jnp.float32), TARGET, TypeError, "x must be integers, got float32"),
        (SOURCE + 7, TARGET, ValueError, "x must be tokens from 0 to 10, got 11"),
        (SOURCE, TARGET - 1, ValueError, "targets must be tokens from 0 to 10, got -1"),
        (SOURCE[0], TARGET, ValueError, r"x must have 2 axes \(B, T\)"),
        (SOURCE, TARGET[:2], ValueError, "the number of rows of targets must be 3, got 2"),
        (SOURCE[:, :0], TARGET, ValueError, "Seq2Seq: x must have a step for attention to look at"),
    ]:
        with pytest.raises(error, match=message):
            model(x, targets)
    with pytest.raises(ValueError, match=r"lengths must lie between 0 and the 5 steps of x, got 6"):
        model(SOURCE, TARGET, lengths=jnp.array([6, 1, 1]))
    with pytest.raises(
        ValueError, match="sampling_rate of a call needs a model made with dropout or with a sampling_rate"
    ):
        model(SOURCE, TARGET, sampling_rate=0.5, train=True)
    with pytest.raises(ValueError, match=r"Seq2Seq: sampling_rate: rate must be in \[0, 1\], got -0.5"):
        model(SOURCE, TARGET, sampling_rate=-0.5, train=True)
    with pytest.raises(ValueError, match="beam_size must be at most the size of the vocabulary, 11, got 12"):
        model.decode(SOURCE, beam_size=12)


@pytest.mark.parametrize("beams", [1, 2])
def test_a_penalty_is_one_of_any_number_of_beams(beams, unchecked_types):
    """Of one beam, which compares nothing, it changes nothing, but what is refused for two is refused for one."""
    model = made()
    for penalty in (-1.0, float("nan"), "0.6"):
        with pytest.raises(ValueError, match=f"^Seq2Seq: length_penalty must be at least 0, got {penalty}$"):
            model.decode(SOURCE, beam_size=beams, length_penalty=penalty)
    with pytest.raises(ValueError, match=r"^Seq2Seq: beam_size must be positive integers, got \(1\.0,\)$"):
        model.decode(SOURCE, beam_size=1.0)
    if beams == 1:
        greedy, penalised = model.decode(SOURCE), model.decode(SOURCE, length_penalty=0.6)
        assert all(bool((a == b).all()) for a, b in zip(greedy, penalised, strict=True))
