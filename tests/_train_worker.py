"""One process of a training run, for tests/test_train_processes.py: `python -m tests._train_worker '{"epochs": 3}'`.

Alone it trains alone; with JAX's three variables it is one of several. It prints "epoch N" after each epoch, and
process 0 writes what came out of the run.
"""

import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import optim, train


def model():
    """Two layers with dropout in between; the state holds the random key and a moving mean over the whole batch."""
    rng = np.random.default_rng(0)

    def apply(params, state, x, train):
        mean = state["mean"] * 0.9 + x.mean(0) * 0.1 if train else state["mean"]
        key, now = jax.random.split(state["key"]) if train else (state["key"], None)
        hidden = jnp.tanh((x - mean[None]) @ params["in"])
        if train:
            hidden = jnp.where(jax.random.bernoulli(now, 0.8, hidden.shape), hidden, jnp.zeros_like(hidden))
        return hidden @ params["out"], {"mean": mean, "key": key}

    params = {"in": jnp.asarray(rng.normal(size=(6, 8))), "out": jnp.asarray(rng.normal(size=(8, 2)))}
    return apply, params, {"mean": jnp.zeros(6), "key": jax.random.key(1)}


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]


def data(count=40):
    x = np.random.default_rng(3).normal(size=(count, 6))
    return x, (x[:, 0] > x[:, 1]).astype(np.int64)


class Part:
    """A stream of each process's own part of every batch of 8: the rows that `data` gives, in their order."""

    def __init__(self, index, of, lengths=None):
        self.index, self.of, self.lengths = index, of, lengths

    def __len__(self):
        return self.lengths[self.index] if self.lengths else 5

    def __iter__(self):
        x, y = data()
        size = 8 // self.of
        for n in range(len(self)):
            start = n * 8 + self.index * size
            yield x[start : start + size], y[start : start + size]


def main(options):
    various = train.initialize_distributed(
        initialization_timeout=options.pop("initialization_timeout", 60),
        heartbeat_timeout=options.pop("heartbeat_timeout", 10),
    )
    index, count = jax.process_index(), jax.process_count()
    print(f"several: {various}, {jax.device_count()} devices, {len(jax.local_devices())} of them here", flush=True)
    pause, out, kind = options.pop("pause", 0), options.pop("out", None), options.pop("data", "arrays")
    batches = options.pop("batches", None)
    fails = options.pop("fails", None)
    different, late = options.pop("different", None), options.pop("late", 0)

    def say(epoch):
        print(f"epoch {epoch.epoch}", flush=True)
        if fails == [index, epoch.epoch]:
            raise RuntimeError("this process alone has failed")
        time.sleep(pause)

    if options.get("plateau"):
        options["plateau"] = train.ReduceOnPlateau(patience=1, min_delta=1.0)
    apply, params, state = model()
    x, y = data()
    if different == "parameters":
        params["in"] = params["in"] + index
    if different == "data":
        x = x + index
    if different == "seed":
        options["seed"] = index
    given = Part(index, count, batches) if kind == "stream" else (x, y)
    if kind == "arrays":
        options |= {"batch_size": 8}
    if kind == "generator":
        given = iter(Part(index, count))
    time.sleep(late * index)
    result = train.fit(
        (apply, params, state),
        given,
        loss=cross_entropy,
        optimizer=optim.adam(0.05),
        validation=data(13),
        mesh=jax.make_mesh((jax.device_count(),), ("data",)),
        callbacks=[say],
        progress=False,
        **options,
    )
    whole = jax.tree.map(np.asarray, jax.jit(lambda t: t, out_shardings=replicated())(result.params))
    if out and index == 0:
        mean = np.asarray(result.state["mean"])
        np.savez(out, **whole, mean=mean, **{f"history {k}": v for k, v in result.history.items()})
    cut = sorted({str(leaf.sharding.spec) for leaf in jax.tree.leaves(result.opt_state)})
    print(f"done at step {result.step}, {cut}", flush=True)


def replicated():
    mesh = jax.make_mesh((jax.device_count(),), ("data",))
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main(json.loads(sys.argv[1]))
