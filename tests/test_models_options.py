"""Options that every family of image networks has: activations by name, pooling, no classes, dtype, checkpoints,
statistics over several devices."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxml import flops, models, nn
from jaxml.models._registry import OneKey
from tests._devices import run_on_devices

BASIC = models.ResNetConfig(num_classes=3, widths=(4, 8), depths=(1, 1), in_channels=2, stem="cifar", block="basic")
# name -> the class, a small configuration, the shape of its input, features of its last map
FAMILIES = {
    "resnet": (models.ResNet, BASIC, (2, 6, 6, 2), 8),
    "resnet_v2": (models.ResNet, replace(BASIC, block="bottleneck", preactivation=True), (2, 6, 6, 2), 32),
    "mobilenet_v1": (
        models.MobileNetV1,
        models.MobileNetV1Config(num_classes=3, width_multiplier=0.125, in_channels=2),
        (2, 32, 32, 2),
        128,
    ),
}
CHEAP = {"xla_backend_optimization_level": 0}  # these tests take their time for compiling


def create(name, **options):
    model, config, *_ = FAMILIES[name]
    return model(replace(config, **options), rngs=nnx.Rngs(0))


def abstract(name, **options):
    model, config, *_ = FAMILIES[name]
    return nn.abstract(lambda: model(replace(config, **options), rngs=OneKey(0)))


def shapes(name, train=False, taps=(), **options):
    apply, params, state = abstract(name, **options)
    x = jax.ShapeDtypeStruct(FAMILIES[name][2], jnp.float32)
    return jax.eval_shape(partial(apply, train=train, taps=taps), params, state, x)[0]


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


# Thirteen blocks take their time to trace: what is the same code in every family is swept over them in the slow stage.
DEEP_IS_SLOW = pytest.mark.parametrize(
    "family", [pytest.param(name, marks=pytest.mark.slow if name == "mobilenet_v1" else ()) for name in FAMILIES]
)


@DEEP_IS_SLOW
def test_pool_and_classes(family):
    features = FAMILIES[family][3]
    side = shapes(family, pool="none").shape[1]
    assert shapes(family, pool="none").shape == (2, side, side, 3)
    assert shapes(family, pool="none", num_classes=0).shape == (2, side, side, features)
    assert shapes(family, pool="max").shape == (2, 3)
    assert shapes(family, num_classes=0).shape == shapes(family, pool="max", num_classes=0).shape == (2, features)


def test_max_pool(rng):
    x = jnp.asarray(rng.normal(size=FAMILIES["resnet"][2]), jnp.float32)
    pooled, taps = create("resnet", pool="max", num_classes=0)(x, taps=("features",))
    np.testing.assert_array_equal(pooled, taps["features"].max((1, 2)))


def test_compute_dtype(family):
    """bfloat16 from the stem to the pool; the classifier, parameters and statistics keep theirs."""
    apply, params, state = abstract(family, dtype="bfloat16")
    names = ("stem", "blocks/1", "pool")
    x = jax.ShapeDtypeStruct(FAMILIES[family][2], jnp.float32)
    (logits, taps), new = jax.eval_shape(partial(apply, train=True, taps=names), params, state, x)
    assert all(tap.dtype == jnp.bfloat16 for tap in taps.values()) and logits.dtype == jnp.float32
    floating = [leaf for leaf in jax.tree.leaves((params, new)) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert all(leaf.dtype == jnp.float32 for leaf in floating)


def test_bfloat16_is_close(rng):
    x = jnp.asarray(rng.normal(size=FAMILIES["resnet"][2]), jnp.float32)
    (exact, half) = (jax.jit(create("resnet", dtype=dtype), compiler_options=CHEAP)(x) for dtype in (None, "bfloat16"))
    assert 1e-5 < np.abs(exact - half).max() / np.abs(exact).max() < 0.05


def test_only_training_moves_the_statistics(family):
    """Serving returns the very variables it was given, in any dtype."""
    apply, params, state = abstract(family)
    seen = []

    def serve(params, state, x):
        y, new = apply(params, state, x)
        seen.append([a is b for a, b in zip(*map(jax.tree.leaves, (state, new)), strict=True)])
        return y

    jax.eval_shape(serve, params, state, jax.ShapeDtypeStruct(FAMILIES[family][2], jnp.bfloat16))
    assert len(seen[0]) > 5 and all(seen[0])


@DEEP_IS_SLOW
def test_checkpointed_blocks_take_the_same_step(family, rng):
    """The loss, its gradient, the statistics and keys after it; in float64, where rounding crosses no kink."""
    depth = {} if family == "mobilenet_v1" else {"stochastic_depth": 0.5}
    results = []
    with jax.enable_x64(True):
        x = jnp.asarray(rng.normal(size=FAMILIES[family][2]), jnp.float64)
        for remat in (False, True):
            apply, params, state = nn.functionalize(create(family, remat=remat, **depth))
            params, state = jax.tree.map(wide, (params, state))

            def loss(params, apply=apply, state=state):
                logits, new = apply(params, state, x, train=True)
                return jnp.sum(logits * jnp.arange(3.0).reshape(1, 3)), new

            step = jax.value_and_grad(loss, has_aux=True)
            results.append(jax.jit(step, compiler_options=CHEAP)(params))
    for one, other in zip(*map(jax.tree.leaves, results), strict=True):
        if jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
            one, other = jax.random.key_data(one), jax.random.key_data(other)
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def wide(x):
    return x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x


@DEEP_IS_SLOW
def test_checkpointed_blocks_keep_less(family):
    """Counted in the residuals of the loss, not in memory, which is the compiler's."""
    kept = []
    for remat in (False, True):
        apply, params, state = abstract(family, remat=remat)

        def loss(params, state, x, apply=apply):
            return apply(params, state, x, train=True)[0].sum()

        x = jax.ShapeDtypeStruct(FAMILIES[family][2], jnp.float32)
        residuals = jax.eval_shape(lambda *args: jax.vjp(loss, *args)[1], params, state, x)
        kept.append(sum(leaf.size for leaf in jax.tree.leaves(residuals)) - nn.count_params(params))
    assert kept[1] < 0.8 * kept[0]


@pytest.mark.parametrize("graph", [True, False], ids=["graph", "tree"])
def test_checkpointed_blocks_keep_names_and_statistics(graph):
    """A block called again in the backward pass is the same block to `flops.count`, and its statistics move once."""
    scopes = []
    with nnx.set_graph_mode(graph), nnx.set_graph_updates(graph):
        for remat in (False, True):
            apply, params, state = abstract("resnet", remat=remat)
            x = jax.ShapeDtypeStruct(FAMILIES["resnet"][2], jnp.float32)
            cost = flops.count(partial(apply, train=True), params, state, x)
            scopes.append({name: scope.macs for name, scope in cost.by_scope.items()})
            moved = []

            def step(params, state, x, apply=apply, moved=moved):
                new = apply(params, state, x, train=True)[1]
                moved += [a is not b for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(new), strict=True)]

            jax.eval_shape(step, params, state, x)
            assert all(moved)
    assert scopes[0] == scopes[1] and scopes[0]["blocks/1/convs/1"] > 0


@DEEP_IS_SLOW
def test_taps_leave_the_network_as_it_is(family, rng):
    """Every activation by name; the logits are those of a call without them; each block is the next one's input."""
    model = create(family)
    x = jnp.asarray(rng.normal(size=FAMILIES[family][2]), jnp.float32)

    @partial(jax.jit, compiler_options=CHEAP)
    def both(x):
        return model(x), model(x, taps=model.tap_names)

    logits, (again, taps) = both(x)
    np.testing.assert_allclose(logits, again, rtol=1e-4, atol=1e-5)
    assert set(taps) == set(model.tap_names)  # jit sorts a dictionary
    for i, block in enumerate(model.blocks):
        before = taps["stem"] if i == 0 else taps[f"blocks/{i - 1}"]
        shape = jax.eval_shape(block, before).shape
        assert taps[f"blocks/{i}"].shape == shape
    last = model.blocks[-1](taps[f"blocks/{len(model.blocks) - 2}"])
    np.testing.assert_allclose(last, taps[f"blocks/{len(model.blocks) - 1}"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(taps["pool"], taps["features"].mean((1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.head(taps["pool"]), again, rtol=1e-4, atol=1e-5)


def test_stage_taps():
    for name, config in [("resnet50", models.ResNetConfig.resnet50()), ("mobilenet_v1", models.MobileNetV1Config())]:
        made = []

        def build(made=made, name=name, config=config):
            kind = models.MobileNetV1 if name == "mobilenet_v1" else models.ResNet
            made.append(kind(config, rngs=OneKey(0)).stage_taps)

        jax.eval_shape(build)
        at = {"resnet50": (2, 6, 12, 15), "mobilenet_v1": (0, 2, 4, 10, 12)}[name]
        stem = ("stem",) if name == "resnet50" else ()
        assert made[0] == (*stem, *(f"blocks/{i}" for i in at))


def test_errors_of_taps(family):
    with pytest.raises(ValueError, match=r": tap must be one of 'stem', 'blocks/0', .*got 'block/1'"):
        shapes(family, taps=("block/1",))
    with pytest.raises(ValueError, match=r": taps must be a sequence of names, got 'pool'; write taps=\('pool',\)"):
        shapes(family, taps="pool")
    with pytest.raises(ValueError, match=r": pool must be one of 'avg', 'max', 'none', got 'mean'"):
        abstract(family, pool="mean")


def test_keras_mobilenet():
    """ReLU6; one row and one column behind at stride 2, whatever the size."""
    config = models.MobileNetV1Config(num_classes=3, width_multiplier=0.0625, variant="keras")
    blocks = models.MobileNetV1(config, rngs=nnx.Rngs(0)).blocks
    assert {block.activation for block in blocks} == {"relu6"}
    assert {(b.depthwise.stride, b.depthwise.padding) for b in blocks} == {
        ((1, 1), "SAME"),
        ((2, 2), ((0, 1), (0, 1))),
    }
    with pytest.raises(ValueError, match=r"^MobileNetV1: variant must be one of 'paper', 'keras', got 'torch'"):
        models.MobileNetV1Config(variant="torch")


def test_statistics_over_a_mapped_axis(rng):
    """Two halves of a batch, each on its own, with the statistics of the whole."""
    x = jnp.asarray(rng.normal(size=(4, 6, 6, 2)), jnp.float32)
    apply, params, state = nn.functionalize(create("resnet"))
    want, moved = jax.jit(partial(apply, train=True), compiler_options=CHEAP)(params, state, x)
    apply, *_ = nn.functionalize(create("resnet", axis_name="data"))
    mapped = jax.vmap(lambda x: apply(params, state, x, train=True), axis_name="data")
    got, states = jax.jit(mapped, compiler_options=CHEAP)(x.reshape(2, 2, 6, 6, 2))
    np.testing.assert_allclose(got.reshape(4, 3), want, rtol=1e-4, atol=1e-5)
    for one, both in zip(jax.tree.leaves(moved), jax.tree.leaves(states), strict=True):
        if jnp.issubdtype(one.dtype, jnp.floating):
            np.testing.assert_allclose(both, jnp.stack([one, one]), rtol=1e-4, atol=1e-5)


# The smallest that `models.create` makes of each family whose blocks name the axis in their own code.
ON_DEVICES = {
    "resnet18": {"widths": (4, 4, 4, 8), "stem": "cifar", "image_size": 8},
    "mobilenet_v1": {"width_multiplier": 0.0625, "resolution_multiplier": 16 / 224},
    "mobilenet_v2": {"width_multiplier": 0.1, "image_size": 16},
    "mobilenet_v3_small": {"width_multiplier": 0.1, "image_size": 16},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_DEVICES)
def test_statistics_over_eight_devices(name):
    """A batch over a mesh, by `jax.jit` and by `jax.shard_map` with the axis named: gradients and statistics of one."""
    said = run_on_devices(
        f"""
        import jax, jax.numpy as jnp, numpy as np
        from flax import nnx
        from functools import partial
        from jax.sharding import NamedSharding, PartitionSpec as P
        from jaxml import models, nn

        jax.config.update("jax_enable_x64", True)
        def made(**options):
            options = dict(num_classes=3, in_channels=2, dropout=0.0, **{ON_DEVICES[name]}, **options)
            return nn.functionalize(models.create("{name}", rngs=nnx.Rngs(0), **options)), options
        def floating(leaf):
            return jnp.issubdtype(leaf.dtype, jnp.floating)
        (apply, params, state), options = made()
        wide = lambda leaf: leaf.astype(jnp.float64) if floating(leaf) else leaf
        params, state = jax.tree.map(wide, (params, state))
        shape = models.info("{name}", **options).input_shape
        x = jax.random.normal(jax.random.key(0), (8, *shape))
        def step(params, state, x, apply=apply, average=lambda v: v):
            def loss(params):
                logits, new = apply(params, state, x, train=True)
                return average(jnp.square(logits - jnp.arange(3.0)).mean()), new
            (value, new), grads = jax.value_and_grad(loss, has_aux=True)(params)
            return value, grads, new
        def floats(tree):
            return [np.asarray(leaf) for leaf in jax.tree.leaves(tree) if floating(leaf)]
        want = floats(jax.jit(step)(params, state, x))
        mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
        spread = jax.device_put(x, NamedSharding(mesh, P("data")))
        got = floats(jax.jit(step)(params, state, spread))
        (named, *_), _ = made(axis_name="data")
        mapped = jax.shard_map(
            partial(step, apply=named, average=lambda v: jax.lax.pmean(v, "data")),
            mesh=mesh, in_specs=(P(), P(), P("data")), out_specs=P(),
        )
        also = floats(jax.jit(mapped)(params, state, spread))
        for result in (got, also):
            for a, b in zip(want, result, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)
        print(jax.device_count(), len(want))
        """,
        count=8,
    )
    assert said.split()[0] == "8" and int(said.split()[1]) > 30
