"""Where a decoder looks: `python examples/topics/seq2seq.py docs/topics/seq2seq.png`."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _draw import panels, run
from flax import nnx
from matplotlib.figure import Figure

import jaxml.functional as F
from jaxml import models, nn, optim
from jaxml.train import make_train_step

PAD, START, END, STEPS, LENGTH = 0, 2, 3, 300, 8


def numbers(rng: np.random.Generator, n: int) -> tuple[jax.Array, jax.Array]:
    """Eight digits as tokens 4 to 13, and the same from behind with the end after them."""
    x = rng.integers(4, 14, (n, LENGTH))
    return jnp.asarray(x, jnp.int32), jnp.asarray(np.c_[x[:, ::-1], np.full(n, END)], jnp.int32)


def draw() -> Figure:
    options = {"num_classes": 14, "num_embeddings": 14, "embedding_features": 48, "hidden_features": 48}
    model = models.create("seq2seq", rngs=nnx.Rngs(0), max_length=LENGTH + 1, **options)
    apply, params, state = nn.functionalize(model)
    tx = optim.adam(optax.cosine_decay_schedule(1e-2, STEPS))

    def loss(logits: jax.Array, t: jax.Array) -> jax.Array:
        return F.softmax_cross_entropy_with_integer_labels(logits, t)

    step = make_train_step(lambda p, s, x, train: apply(p, s, *x, train=train), loss, tx)
    rest, rng, losses = tx.init(params), np.random.default_rng(0), []
    for _ in range(STEPS):
        x, t = numbers(rng, 64)
        params, state, rest, found = step(params, state, rest, ((x, t), t))
        losses.append(float(found["loss"]))
    nnx.update(model, params, state)
    x, t = numbers(np.random.default_rng(1), 500)
    right = float((model.decode(x).tokens == t).all(1).mean())
    print(f"{100 * right:.1f} % of 500 numbers reversed without an error")
    memory = model.encode(x[:1])
    before = jnp.concatenate([jnp.full((1, 1), START), t[:1, :-1]], axis=1)
    outputs, _ = model.decoder(model.embedding(before), h0=memory.hidden[0][0])
    scores = (outputs[0] @ model.attention.w[...]) @ memory.memory[0].T
    weights = jax.nn.softmax(scores, axis=1)
    figure, (curve, looks) = panels(2)
    curve.plot(losses)
    curve.set(yscale="log", xlabel="steps of 64 numbers", title="cross entropy of a token")
    looks.imshow(weights, cmap="Blues", vmin=0, vmax=1)
    looks.set_xticks(range(LENGTH), [str(int(v) - 4) for v in x[0]])
    looks.set_yticks(range(LENGTH + 1), [str(int(v) - 4) if v > END else "end" for v in t[0]])
    looks.set(xlabel="source", ylabel="written", title="attention to the source")
    looks.grid(False)
    return figure


if __name__ == "__main__":
    run(draw)
