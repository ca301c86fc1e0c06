"""Recurrent models: padding that changes nothing, a gradient for every parameter, training, sampling, decoding."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxml.functional as F
from jaxml import flops, models, nn, optim
from jaxml.train import fit

TOKENS = {"num_embeddings": 11, "embedding_features": 4, "hidden_features": 3}
# name -> the class and a small configuration
SMALL = {
    "classifier": (models.SequenceClassifier, models.SequenceClassifierConfig(num_classes=5, **TOKENS)),
    "classifier mean": (
        models.SequenceClassifier,
        models.SequenceClassifierConfig(num_classes=5, pool="mean", cell="gru", num_layers=2, **TOKENS),
    ),
    "classifier max": (
        models.SequenceClassifier,
        models.SequenceClassifierConfig(num_classes=5, pool="max", cell="rnn", bidirectional=False, **TOKENS),
    ),
    "tagger": (models.SequenceTagger, models.SequenceTaggerConfig(num_classes=5, dense=(6,), **TOKENS)),
    "language model": (
        models.CharacterLanguageModel,
        models.CharacterLanguageModelConfig(num_classes=11, embedding_features=4, hidden_features=3, num_layers=2),
    ),
    "forecaster": (
        models.Forecaster,
        models.ForecasterConfig(in_features=2, out_features=1, horizon=4, hidden_features=3),
    ),
    "encoder decoder": (
        models.EncoderDecoder,
        models.EncoderDecoderConfig(num_classes=7, max_length=6, cell="lstm", padding_index=None, **TOKENS),
    ),
}
SEQ2SEQ = {
    "seq2seq": (models.Seq2Seq, models.Seq2SeqConfig(num_classes=11, max_length=6, **TOKENS)),
}
OUTPUTS = {
    "classifier": (4, 5),
    "classifier mean": (4, 5),
    "classifier max": (4, 5),
    "tagger": (4, 6, 5),
    "language model": (4, 6, 11),
    "forecaster": (4, 4, 1),
    "encoder decoder": (4, 6, 7),
}


def create(name, **options):
    model, config = (SMALL | SEQ2SEQ)[name]
    return model(replace(config, **options), rngs=nnx.Rngs(0))


def inputs(name, rng, rows=4, steps=6):
    if name == "forecaster":
        return jnp.asarray(rng.normal(size=(rows, steps, 2)), jnp.float32)
    return jnp.asarray(rng.integers(1, 11, (rows, steps)), jnp.int32)


# Compiling is what these tests take their time for, so all of a model is one program.
@pytest.mark.parametrize("name", SMALL)
def test_gradients_and_padding(name, rng):
    """Every parameter has a gradient; what stands behind a row's end changes nothing; a row alone is what it is among
    longer ones."""
    apply, params, state = nn.functionalize(create(name, residual=False) if name == "forecaster" else create(name))
    x, lengths = inputs(name, rng), jnp.array([6, 3, 1, 6], jnp.int32)
    inside = jnp.arange(6, dtype=jnp.int32)[None] < lengths[:, None]
    other = jnp.where(inside[..., None] if x.ndim == 3 else inside, x, inputs(name, np.random.default_rng(7)))
    more = (jnp.asarray(rng.integers(0, 7, (4, 6)), jnp.int32),) if name == "encoder decoder" else ()

    @jax.jit
    def everything(params, x, other):
        def loss(params, x):
            y = apply(params, state, x, *more, lengths=lengths, train=True)[0]
            return jnp.square(y - 1).sum(), y

        alone = apply(params, state, x[1:2, :3], *(m[1:2] for m in more))[0]
        (value, y), grads = jax.value_and_grad(loss, has_aux=True)(params, x)
        return value, y, grads, loss(params, other)[1], alone

    value, y, grads, again, alone = everything(params, x, other)
    assert y.shape == OUTPUTS[name] and y.dtype == jnp.float32 and np.isfinite(value)
    for path, g in jax.tree_util.tree_leaves_with_path(grads):
        assert np.isfinite(g).all() and np.abs(g).max() > 1e-7, jax.tree_util.keystr(path)
    stepwise = name in ("tagger", "language model")
    compared = np.asarray(inside) if stepwise else slice(None)
    np.testing.assert_allclose(y[compared], again[compared], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y[1:2, :3] if stepwise else y[1:2], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["classifier mean", "classifier max", "tagger"])
def test_padding_index_is_a_length(name, rng):
    """Zeros at the end are no part of a row, those within are, and a row of nothing else is of length 0."""
    x = np.array(inputs(name, rng))
    x[1, 3:], x[2, 1], x[3] = 0, 0, 0
    model, lengths = create(name, padding_index=0), jnp.array([6, 3, 6, 0], jnp.int32)
    got, want = jax.jit(lambda x: (model(x), model(x, lengths=lengths)))(jnp.asarray(x))
    np.testing.assert_array_equal(got, want)
    assert np.isfinite(got).all()


@pytest.mark.parametrize("name", ["classifier", "classifier mean", "classifier max"])
def test_a_sequence_of_no_step_is_one_of_length_0(name):
    """Its vector is zero, whatever makes one of the steps."""
    model = create(name)
    want = np.broadcast_to(model.head.b[...], (2, model.config.num_classes))
    np.testing.assert_array_equal(model(jnp.zeros((2, 0), jnp.int32)), want)


def test_names_are_for_counting():
    """Every recurrent model is counted by its name: T times a step, however long it is."""
    for name in models.names()[models.names().index("sequence_classifier") :]:
        info = models.info(name)
        apply, params, state = nn.abstract(lambda name=name: models.create(name, rngs=nnx.Rngs(0)))
        x = jax.ShapeDtypeStruct((2, *info.input_shape), info.input_dtype)
        cost = flops.count(lambda params, state, x, apply=apply: apply(params, state, x)[0], params, state, x)
        assert cost.macs > 0 and not cost.uncounted, name
    # 128 steps of an LSTM of 64 inputs and 256 units, and its head
    info = models.info("character_language_model")
    apply, params, state = nn.abstract(lambda: models.create(info.name, rngs=nnx.Rngs(0)))
    x = jax.ShapeDtypeStruct((1, 128), jnp.int32)
    macs = flops.count(lambda params, state, x: apply(params, state, x)[0], params, state, x).macs
    assert macs == 128 * (4 * 256 * (64 + 256) + 256 * 256)


@pytest.mark.parametrize("name", ["tagger", "encoder decoder"])
def test_exported(name, tmp_path, rng):
    """Of tokens, as the configuration says, and of any batch."""
    pytest.importorskip("flatbuffers")
    model, x = create(name), inputs(name, rng)
    exported = models.load_exported(
        models.export(model, tmp_path / "m.jax", input_shape=x.shape[1:], platforms=("cpu",))
    )
    assert exported.metadata["input_dtype"] == "int32"
    np.testing.assert_allclose(exported(x[:3]), jax.jit(model)(x[:3]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SMALL | SEQ2SEQ)
def test_exported_for_any_length(name):
    rows, steps = jax.export.symbolic_shape("B, T")
    model, numbers = create(name, checkpoint_every=2), name == "forecaster"
    x = jax.ShapeDtypeStruct((rows, steps, 2) if numbers else (rows, steps), jnp.float32 if numbers else jnp.int32)
    (out,) = jax.export.export(jax.jit(model))(x).out_avals
    assert out.shape[0] == rows and (out.shape[1] == steps or name not in ("tagger", "language model"))


# The language model.
TEXT = (
    "the rain in spain stays mainly in the plain; the plain rain stains the main lane. "
    "in the main the grain trains drain in the rain, and the stain on the lane remains. "
) * 24


def test_language_model_learns_more_than_frequencies():
    """Text that goes on from what was read: far below the entropy of single characters; and it writes such text."""
    alphabet = sorted(set(TEXT))
    tokens = np.array([alphabet.index(c) for c in TEXT], np.int32)
    frequency = np.bincount(tokens) / len(tokens)
    unigram = -(frequency * np.log(frequency)).sum()
    rows = tokens[: 33 * (len(tokens) // 33)].reshape(-1, 33)
    model = models.create(
        "character_language_model", rngs=nnx.Rngs(0), num_classes=len(alphabet), hidden_features=48, cell="gru"
    )
    result = fit(
        model,
        (rows[:, :-1], rows[:, 1:]),
        loss=F.softmax_cross_entropy_with_integer_labels,
        optimizer=optim.adam(1e-2),
        epochs=12,
        batch_size=16,
        progress=False,
    )
    print(result.history["loss"], unigram)
    assert result.history["loss"][0] > 0.75 * unigram > 3 * result.history["loss"][-1]
    nnx.update(model, result.params, result.state)
    prompt = jnp.asarray([[alphabet.index(c) for c in "the rain in "]], jnp.int32)
    written = jax.jit(partial(model.sample, length=40, temperature=0.3))(jax.random.key(0), prompt)[0]
    text = "".join(alphabet[i] for i in np.asarray(written))
    words = set(TEXT.replace(";", "").replace(",", "").replace(".", "").split())
    assert len(set(text.split()[:-1]) & words) >= 3, text


def test_sampling(rng):
    """Cold it takes the likeliest, step by step what a call over the whole would; a key fixes it."""
    model = create("language model")
    prompt = inputs("language model", rng)

    @jax.jit
    def texts(prompt):
        cold = model.sample(jax.random.key(0), prompt, length=3, temperature=1e-4)
        hot = [model.sample(jax.random.key(k), prompt, length=3) for k in (1, 1, 2)]
        return cold, hot, model(jnp.concatenate([prompt, cold], axis=1)).argmax(-1)

    cold, (one, again, other), likeliest = texts(prompt)
    np.testing.assert_array_equal(cold, likeliest[:, 5:-1])
    assert (one == again).all() and (one != other).any()


@pytest.mark.parametrize("options", [{"cell": "lstm"}, {"cell": "gru", "num_layers": 1}])
def test_language_model_step_by_step(options, rng):
    """`step` from `start` gives the logits of the whole."""
    model = create("language model", **options)

    def stepwise(x):
        def one(state, token):
            logits, state = model.step(state, token)
            return state, logits

        return jax.lax.scan(one, model.start(4), x.T)[1], model(x)

    steps, whole = jax.jit(stepwise)(inputs("language model", rng))
    np.testing.assert_allclose(jnp.swapaxes(steps, 0, 1), whole, rtol=1e-5, atol=1e-6)


# The forecaster.
def test_forecaster_starts_from_persistence(rng):
    x = inputs("forecaster", rng)
    np.testing.assert_array_equal(create("forecaster")(x), jnp.broadcast_to(x[:, -1:, :1], (4, 4, 1)))
    y = create("forecaster")(x, lengths=jnp.array([6, 2, 1, 3], jnp.int32))
    np.testing.assert_array_equal(y[:, 0, 0], x[jnp.arange(4), jnp.array([5, 1, 0, 2]), 0])
    # A length of 0 is an error where it is known, below; elsewhere nothing of the padding is seen.
    forecast = jax.jit(lambda x, lengths: create("forecaster")(x, lengths=lengths))
    y = forecast(x.at[1].set(jnp.nan), jnp.array([6, 0, 1, 3], jnp.int32))
    np.testing.assert_array_equal(y[:, 0, 0], x[jnp.arange(4), jnp.array([5, 0, 0, 2]), 0] * jnp.array([1, 0, 1, 1.0]))


# The encoder and decoder.
@pytest.mark.parametrize("name", ["encoder decoder", "seq2seq"])
def test_targets_of_no_step_have_no_logits(name, rng):
    assert create(name)(inputs(name, rng), jnp.zeros((4, 0), jnp.int32)).shape == (
        4,
        0,
        create(name).config.num_classes,
    )


def test_free_running_is_teacher_forcing_by_itself(rng):
    """Without targets the model is fed what it said, so a teacher who says that changes nothing; and the end stays."""
    model = create("encoder decoder", start_index=0, end_index=4)

    @jax.jit
    def both(x):
        free = model(x)
        return free, model(x, free.argmax(-1).astype(jnp.int32)), model.decode(x)

    free, forced, decoded = both(inputs("encoder decoder", rng, rows=40))
    np.testing.assert_allclose(free, forced, rtol=1e-5, atol=1e-6)
    said, decoded = np.asarray(free.argmax(-1)), np.asarray(decoded)
    ended = np.cumsum(said == 4, axis=1) > 0
    assert ended.any() and not ended.all()
    np.testing.assert_array_equal(decoded, np.where(ended, 4, said))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: create("classifier", cell="lstn"), ValueError, r"^SequenceClassifier: cell must be one of 'rnn', 'l"),
        (lambda: create("classifier", pool="sum"), ValueError, r"^SequenceClassifier: pool must be one of 'last'"),
        (lambda: create("classifier", padding_index=11), ValueError, r"padding_index must lie between 0 and 10, got"),
        (
            lambda: create("classifier")(jnp.array([[1, 11]])), ValueError,
            r"^SequenceClassifier: x must be tokens from 0 to 10, got 11 \(x: \(1, 2\)\)",
        ),
        (lambda: create("tagger")(jnp.array([[-1]])), ValueError, r"^SequenceTagger: x must be tokens .* got -1"),
        (lambda: create("tagger")(jnp.ones((1, 2))), TypeError, r"^SequenceTagger: x must be integers, got float32"),
        (lambda: create("tagger")(jnp.array([1, 2])), ValueError, r"^SequenceTagger: x must have 2 axes \(B, T\)"),
        (
            lambda: create("tagger")(jnp.ones((1, 2), jnp.int32), lengths=jnp.array([3])), ValueError,
            r"lengths must lie between 0 and the 2 steps of x, got 3",
        ),
        (lambda: create("forecaster", horizon=0), ValueError, r"^Forecaster: .*horizon must be positive integers"),
        (lambda: create("forecaster", out_features=3), ValueError, r"out_features must be at most in_features, 2, got"),
        (lambda: create("forecaster")(jnp.ones((1, 5, 3))), ValueError, r"^Forecaster: the last axis of x must be 2"),
        (lambda: create("forecaster")(jnp.ones((1, 0, 2))), ValueError, r"^Forecaster: x must have a step to go on"),
        (
            lambda: create("forecaster")(jnp.ones((2, 3, 2)), lengths=jnp.array([0, 3])), ValueError,
            r"^Forecaster: with residual=True lengths must be at least 1, got 0",
        ),
        (lambda: create("encoder decoder", start_index=7), ValueError, r"start_index must lie between 0 and 6, got 7"),
        (lambda: create("encoder decoder", max_length=0), ValueError, r"max_length must be positive integers"),
        (
            lambda: create("encoder decoder")(jnp.ones((2, 3), jnp.int32), jnp.ones((1, 3), jnp.int32)), ValueError,
            r"^EncoderDecoder: the number of rows of targets must be 2, got 1",
        ),
        (
            lambda: create("encoder decoder")(jnp.ones((1, 3), jnp.int32), jnp.array([[9]])), ValueError,
            r"^EncoderDecoder: targets must be tokens from 0 to 6, got 9",
        ),
        (lambda: create("language model").start(0), ValueError, r"^CharacterLanguageModel: batch must be positive"),
        (
            lambda: create("language model").sample(jax.random.key(0), jnp.array([[1]]), length=3, temperature=0.0),
            ValueError, r"^CharacterLanguageModel\.sample: temperature must be finite and above 0, got 0",
        ),
        (
            lambda: create("language model").sample(jax.random.key(0), jnp.ones((1, 0), jnp.int32), length=3),
            ValueError, r"the number of characters of prompt must be positive integers, got \(3, 0\)",
        ),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("unchecked_types")
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", ["classifier", "tagger", "language model", "forecaster", "encoder decoder", "seq2seq"])
def test_options_of_the_recurrent_layers(name, rng):
    """They arrive at the layers, and draw in training alone."""
    options = {"recurrent_dropout": 0.5, "zoneout": 0.25, "dropout": 0.1, "variational": True, "num_layers": 2}
    options |= {"checkpoint_every": 2}
    options |= {"residual": False} if name == "forecaster" else {}  # whose head starts at zero
    model = create(name, cell="lstm", peepholes=True, **options)
    layers = [m for _, m in nnx.iter_modules(model) if isinstance(m, nn.LSTM)]
    assert layers and {(m.recurrent_dropout_rate, m.zoneout_rate, m.dropout_rate, m.variational) for m in layers} == {
        (0.5, (0.25, 0.25), 0.1, True)
    }
    assert all(m.peephole is not None and m.checkpoint_every == 2 for m in layers)
    apply, params, state = nn.functionalize(model)
    args = [inputs(name, rng)]
    args += [args[0] % 6 + 1] if name in ("encoder decoder", "seq2seq") else []
    run = jax.jit(partial(apply, train=True))
    first, moved = run(params, state, *args)
    assert (first != run(params, moved, *args)[0]).any()
    calm = apply(params, state, *args)[0]
    np.testing.assert_array_equal(calm, apply(params, moved, *args)[0])


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "gru", "peepholes": True}, "peepholes are an LSTM's, got cell='gru'"),
        ({"recurrent_dropout": 1.0}, r"recurrent_dropout must be in \[0, 1\), got 1.0"),
        ({"checkpoint_every": 0}, r"checkpoint_every must be positive integers, got \(0,\)"),
        ({"zoneout": -0.5}, r"zoneout must be in \[0, 1\), got -0.5"),
        ({"dropout": 1.5}, r"dropout: rate must be in \[0, 1\], got 1.5"),
    ],
)
@pytest.mark.parametrize("name", ["tagger", "seq2seq"])
def test_errors_of_the_options_of_the_recurrent_layers(name, options, message):
    with pytest.raises(ValueError, match=rf"^{(SMALL | SEQ2SEQ)[name][0].__name__}: {message}"):
        create(name, **options)
