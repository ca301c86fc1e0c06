"""What tests/test_train_devices.py runs on eight host devices, in a process of its own: facts, printed as JSON."""

import json
import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxml import optim, train

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(100, 6)), RNG.integers(0, 4, 100)
IMAGES = RNG.normal(size=(48, 8, 8, 1))


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]


def apply(params, state, x, train):
    hidden = jnp.tanh(x @ params["in"]["w"] + params["in"]["b"][None])
    return hidden @ params["out"]["w"], {"mean": 0.9 * state["mean"] + 0.1 * x.mean(0)}


def plain():
    rng = np.random.default_rng(1)
    first = {"w": jnp.asarray(rng.normal(size=(6, 16))), "b": jnp.zeros(16)}
    return apply, {"in": first, "out": {"w": jnp.asarray(rng.normal(size=(16, 4)))}}, {"mean": jnp.zeros(6)}


def fit(model=None, data=(X, Y), **options):
    given = {"loss": cross_entropy, "optimizer": optim.adamw(1e-2), "epochs": 2, "batch_size": 16}
    given |= {"validation": (X[:30], Y[:30]), "progress": False}
    return train.fit(model or plain(), data, **(given | options))


def meshes():
    automatic = (AxisType.Auto,) * 2
    return {
        "data": jax.make_mesh((8,), ("data",)),
        "explicit": jax.make_mesh((8,), ("data",), axis_types=(AxisType.Explicit,)),
        "both": jax.make_mesh((4, 2), ("data", "model"), axis_types=automatic),
    }


def arrays(result):
    leaves = jax.tree.leaves((result.params, result.state, result.opt_state))
    is_key = [jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]
    numbers = [jax.random.key_data(leaf) if key else leaf for leaf, key in zip(leaves, is_key, strict=True)]
    return [np.asarray(leaf, np.float64) for leaf in numbers]


def difference(a, b):
    """The largest, over parameters, state, optimizer and history, relative to the array's largest entry."""
    assert a.history.keys() == b.history.keys()
    pairs = list(zip(arrays(a), arrays(b), strict=True))
    pairs += [(np.array(a.history[name]), np.array(b.history[name])) for name in a.history]
    return max(float(np.abs(p - q).max() / max(np.abs(p).max(), 1e-6)) for p, q in pairs)


def same_bits(a, b):
    return a.history == b.history and all(map(np.array_equal, arrays(a), arrays(b)))


def layout(result):
    """For every array of parameters and optimizer: shape, the shape of each device's part; and bytes on each device."""
    leaves = jax.tree.leaves_with_path((result.params, result.opt_state))
    shapes = {jax.tree_util.keystr(p): [a.shape, a.sharding.shard_shape(a.shape)] for p, a in leaves}
    held = [sum(s.data.nbytes for _, a in leaves for s in a.addressable_shards if s.device == d) for d in jax.devices()]
    return {"shapes": shapes, "held": held, "total": sum(a.nbytes for _, a in leaves)}


def quick():
    by, one = meshes(), fit()
    parts = fit(mesh=by["explicit"], sharding="fsdp")
    both = fit(mesh=by["both"], sharding="fsdp")
    ruled = fit(mesh=by["both"], sharding=lambda path, a: P(None, "model") if path == "in/w" else P())
    facts = {
        "differences": {
            "data": difference(one, fit(mesh=by["data"])),
            "fsdp": difference(one, parts),
            "both": difference(one, both),
            "callable": difference(one, ruled),
            "accumulate": difference(fit(accumulate=2), fit(mesh=by["data"], accumulate=2)),
        },
        "fsdp": layout(parts),
        "both": layout(both),
        "callable": layout(ruled),
        "whole": layout(one),
    }
    return facts | {"resumed": resumed(by, parts), "collectives": collectives(by["data"]), "errors": errors(by)}


def resumed(by, uninterrupted):
    """An epoch each on eight devices, on one, on 4 x 2, on eight again; and two on the same eight, interrupted."""
    ways = [{"mesh": by["data"], "sharding": "fsdp"}, {}, {"mesh": by["both"], "sharding": "fsdp"}]
    with tempfile.TemporaryDirectory() as folder:
        for epoch, options in enumerate([*ways, ways[0]]):
            result = fit(**options, epochs=epoch + 1, checkpoint_dir=folder, resume=epoch > 0)
    with tempfile.TemporaryDirectory() as folder:
        for epoch in (1, 2):
            same = fit(**ways[0], epochs=epoch, checkpoint_dir=folder, resume=epoch > 1)
    return {"difference": difference(fit(epochs=4), result), "same_bits": same_bits(uninterrupted, same)}


def collectives(mesh):
    """What the devices send one another in a step of data parallel training, in parts and not."""
    found = {}
    for accumulate in (1, 2):
        pure, params, state = plain()
        tx = optim.adamw(1e-2)
        step = train.make_train_step(pure, cross_entropy, tx, accumulate=accumulate)
        carry = jax.device_put((params, state, tx.init(params)), NamedSharding(mesh, P()))
        batch = jax.device_put((X[:64], Y[:64]), NamedSharding(mesh, P("data")))
        text = step.lower(*carry, batch).compile().as_text()
        names = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
        found[accumulate] = [name for name in names if f"{name}(" in text or f"{name}-start(" in text]
    return found


def errors(by):
    found = {}

    def attempt(name, **options):
        try:
            fit((never, *plain()[1:]), **options)
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"

    attempt("axes", mesh=jax.make_mesh((8,), ("batch",)))
    attempt("extra axis", mesh=jax.make_mesh((4, 2), ("data", "tensor")))
    attempt("batch", mesh=by["data"], batch_size=12)
    attempt("batch in parts", mesh=by["data"], batch_size=24, accumulate=2)
    attempt("parts", batch_size=15, accumulate=2)
    attempt("no mesh", sharding="fsdp")
    attempt("unknown", mesh=by["data"], sharding="zero")
    attempt("not divisible", mesh=by["data"], sharding=lambda path, a: P(*[None] * (a.ndim - 1), "data"))
    attempt("unknown axis", mesh=by["data"], sharding=lambda path, a: P("model"))
    attempt("no spec", mesh=by["data"], sharding=lambda path, a: "data")
    return found


def never(*_, **__):
    raise AssertionError("nothing may be traced")


def models():
    """Models of the library, with batch normalisation over the whole batch: float64, whatever the mesh."""
    from flax import nnx

    from jaxml import models as zoo
    from jaxml import nn

    class Block(nnx.Module):
        """A bottleneck, 16 -> 4 -> 4 -> 16, around which the input goes too."""

        def __init__(self, rngs):
            sizes = (1, 16, (1, 1)), (16, 4, (1, 1)), (4, 4, (3, 3)), (4, 16, (1, 1))
            self.stem, self.narrow, self.middle, self.wide = (
                nn.Conv(*size, use_bias=False, rngs=rngs)
                for size in sizes  # its gradient would be rounding alone
            )
            self.norms = nnx.List([nn.BatchNorm(n) for n in (4, 4, 16)])
            self.head = nn.Linear(16, 4, rngs=rngs)

        def __call__(self, x, *, train=False):
            x = self.stem(x, train=train)
            y = x
            for conv, norm in zip((self.narrow, self.middle, self.wide), self.norms, strict=True):
                y = jax.nn.relu(norm(conv(y, train=train), train=train))
            return self.head((x + y).mean((1, 2)), train=train)

    def made(name):
        rngs = nnx.Rngs(0)
        model = Block(rngs) if name == "bottleneck" else zoo.create(name, rngs=rngs, num_classes=4)
        pure, params, state = nn.functionalize(model)
        widen = lambda a: a.astype(jnp.float64) if jnp.issubdtype(a.dtype, jnp.floating) else a  # noqa: E731
        return pure, *jax.tree.map(widen, (params, state))

    by, found = meshes(), {}
    data = IMAGES, Y[:48]
    for name in ("mlp", "cnn_separable", "bottleneck"):
        options = {"data": data, "validation": data, "epochs": 1}
        one = fit(made(name), **options)
        for mesh, sharding in (("data", "fsdp"), ("both", None)):
            many = fit(made(name), **options, mesh=by[mesh], sharding=sharding)
            found[f"{name} {mesh} {sharding}"] = difference(one, many)
    return found


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_compilation_cache_dir", str(Path(__file__).parents[1] / ".cache" / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    print(json.dumps({"quick": quick, "models": models}[sys.argv[1]]()))
