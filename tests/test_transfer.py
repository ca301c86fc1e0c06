"""Transfer learning: another head, and what is frozen stays to the bit and costs no gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from leaves import everything, flat

import jaxml.functional as F
from jaxml import flops, models, nn, optim
from jaxml.train import fit, make_train_step

SMALL = {"num_classes": 5, "widths": (4, 6, 8), "strides": (1, 2, 1), "dropout": 0.25}
LOSS = F.softmax_cross_entropy_with_integer_labels


def network(name="cnn_separable", **options):
    """A small one whose statistics are not those it started with."""
    model = models.create(name, rngs=nnx.Rngs(0), **(options or SMALL))
    apply, params, state = nn.functionalize(model)
    x = jax.random.normal(jax.random.key(1), (4, *model.config.input_shape))
    nnx.update(model, params, apply(params, state, x, train=True)[1])
    return model


def images(n=12, classes=2):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 8, 8, 1)).astype(np.float32), rng.integers(0, classes, n).astype(np.int32)


@pytest.fixture(params=[True, False], ids=["graph", "tree"])
def nnx_mode(request):
    with nnx.set_graph_mode(request.param), nnx.set_graph_updates(request.param):
        yield


# ------------------------------------------------------------------------------------------ nn.freeze


def test_frozen_parameters_are_state_and_the_model_given_is_left_alone(nnx_mode):
    model = network()
    before, names = everything(model), sorted(flat(nn.functionalize(model)[1]))
    frozen = nn.freeze(model, "^blocks/0/|^stem/conv/")
    params = nn.functionalize(frozen)[1]
    want = [name for name in names if not name.startswith(("blocks/0/", "stem/conv/"))]
    assert sorted(flat(params)) == want
    after = everything(frozen)
    assert sorted(after) == sorted(before)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)
    assert sorted(flat(nn.functionalize(model)[1])) == names and not model.blocks[0].depthwise_norm.frozen
    # The stem's norm has parameters that are trained: its statistics move.
    held = [path for path, part in nn._scope.members(frozen) if getattr(part, "frozen", False)]
    assert held == ["blocks/0/depthwise_norm", "blocks/0/pointwise_norm"]
    x, _ = images(4)
    outputs = [nn.functionalize(m)[0](*nn.functionalize(m)[1:], jnp.asarray(x))[0] for m in (model, frozen)]
    np.testing.assert_array_equal(*outputs)


def test_unfreeze_is_the_way_back(nnx_mode):
    model = network()
    frozen = nn.freeze(model, "^(stem|blocks)/")
    trained = nn.unfreeze(frozen, "")
    assert sorted(flat(nn.functionalize(trained)[1])) == sorted(flat(nn.functionalize(model)[1]))
    assert not any(getattr(part, "frozen", False) for _, part in nn._scope.members(trained))
    top = nn.unfreeze(frozen, "^blocks/1/")
    assert all(name.startswith(("blocks/1/", "head/")) for name in flat(nn.functionalize(top)[1]))
    assert len(flat(nn.functionalize(top)[1])) == 6 + 2
    assert not top.blocks[1].pointwise_norm.frozen and top.blocks[0].pointwise_norm.frozen
    assert frozen.blocks[1].pointwise_norm.frozen


def test_norms_without_parameters_are_frozen_by_the_path_of_their_statistics():
    rngs = nnx.Rngs(0)
    net = nn.Sequential(nn.Linear(2, 3, rngs=rngs), nn.BatchNorm(3, use_scale=False, use_bias=False))
    net = nn.Sequential(net, nn.Linear(3, 2, rngs=rngs))
    frozen = nn.freeze(net, "^layers/0/")
    assert frozen.layers[0].layers[1].frozen
    assert not nn.unfreeze(frozen, "").layers[0].layers[1].frozen
    assert not nn.freeze(net, "^layers/0/layers/0").layers[0].layers[1].frozen


def test_shared_parameters_stay_shared():
    with nnx.set_graph_mode(True):
        layer = nn.Linear(2, 2, rngs=nnx.Rngs(0))
        net = nn.Sequential(layer, layer, nn.Linear(2, 2, rngs=nnx.Rngs(1)))
        frozen = nn.freeze(net, "^layers/0/")
        assert frozen.layers[0].w is frozen.layers[1].w
        assert sorted(flat(nn.functionalize(frozen)[1])) == ["layers/2/b", "layers/2/w"]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda m: nn.freeze(m, "^bocks/"), ValueError, r"freeze: '\^bocks/' matches no parameter; the paths are "),
        (lambda m: nn.freeze(m, ""), ValueError, "freeze: '' matches every parameter, and leaves none to train"),
        (lambda m: nn.freeze(m, "("), ValueError, r"freeze: '\(' is no regular expression"),
        (lambda m: nn.freeze(m, None), TypeError, "freeze: pattern must be a string, got NoneType"),
        (lambda m: nn.freeze({}, "w"), TypeError, "freeze: model must be an nnx.Module, got dict"),
        (lambda m: nn.unfreeze(m, ""), ValueError, "unfreeze: '' matches nothing that is frozen; what is: none"),
        (lambda m: nn.unfreeze(nn.freeze(m, "^stem/"), "^head/"), ValueError, "what is: stem/conv/w, stem/norm/"),
        (lambda m: models.transfer(m, 0, rngs=nnx.Rngs(0)), ValueError, "transfer: num_classes must be positive"),
        (lambda m: models.transfer(m, 2, freeze="^x", rngs=nnx.Rngs(0)), ValueError, "freeze: '.x' matches no param"),
        (lambda m: models.transfer(m.head, 2, rngs=nnx.Rngs(0)), ValueError, "transfer: .* Linear has no head"),
        (lambda m: models.features(m.head, np.ones((1, 2))), ValueError, "features: .* Linear has no head"),
        (lambda m: models.features(m, np.ones((0, 8, 8, 1))), ValueError, "features: x must have at least one example"),
        (lambda m: models.features(m, np.ones((1, 8, 8, 1)), batch_size=0), ValueError, "batch_size must be positive"),
    ],
)  # fmt: skip
def test_errors(unchecked_types, call, error, says):
    with pytest.raises(error, match=says):
        call(models.create("cnn_separable", rngs=nnx.Rngs(0), **SMALL))


# ------------------------------------------------------------------------------------------ models.transfer


def test_another_head_on_the_same_backbone():
    model = network()
    model.head.dtype = jnp.bfloat16
    moved = models.transfer(model, 2, rngs=nnx.Rngs(3))
    assert moved.head.w.shape == (8, 2) and moved.head.dtype == jnp.bfloat16 and moved.config.num_classes == 2
    assert model.head.w.shape == (8, 5) and model.config.num_classes == 5
    want = {name: value for name, value in everything(model).items() if not name.startswith("head/")}
    assert_same({name: value for name, value in everything(moved).items() if not name.startswith("head/")}, want)
    assert float(jnp.abs(moved.head.w[...]).min()) > 0
    other = models.transfer(model, 2, rngs=nnx.Rngs(4))
    assert not (moved.head.w[...] == other.head.w[...]).any()


def assert_same(got, want):
    assert sorted(got) == sorted(want)
    for name, value in want.items():
        np.testing.assert_array_equal(got[name], value, err_msg=name)


@pytest.mark.loose_promotion  # optax.adamw
@pytest.mark.parametrize(
    "optimizer",
    [
        optim.adamw(0.01, weight_decay=0.5),
        optax.chain(optax.clip_by_global_norm(1.0), optax.add_decayed_weights(0.5), optax.adamw(0.01)),
    ],
    ids=["jaxml", "optax"],
)
@pytest.mark.parametrize(("freeze", "trained"), [("backbone", "head/"), ("^(stem|blocks/0)/", ("blocks/1/", "head/"))])
def test_what_is_frozen_stays_to_the_bit(freeze, trained, optimizer):
    """Parameters and running statistics, under weight decay, with train=True, and the optimizer keeps nothing of it."""
    model = models.transfer(network(), 2, freeze=freeze, rngs=nnx.Rngs(1))
    apply, params, state = nn.functionalize(model)
    before = everything(model)
    step, opt_state = make_train_step(apply, LOSS, optimizer), optimizer.init(params)
    kept = sum(leaf.size for leaf in jax.tree.leaves(opt_state) if leaf.ndim)
    assert kept == 2 * nn.count_params(params) < 2 * nn.count_params(nn.functionalize(network())[1])
    for _ in range(2):
        params, state, opt_state, _ = step(params, state, opt_state, images())
    after = flat(params) | flat(state)
    moved = {name for name, value in before.items() if not (after[name] == value).all()}
    assert moved == {name for name in before if name.startswith(trained)}


def test_no_gradient_is_computed_for_what_is_frozen():
    """The step's operations: the forward pass, and of the backward pass the head's weight gradient alone."""
    x, y = jax.ShapeDtypeStruct((2, 8, 8, 1), "float32"), jax.ShapeDtypeStruct((2,), "int32")

    def macs(freeze):
        apply, params, state = nn.functionalize(models.transfer(network(), 3, freeze=freeze, rngs=nnx.Rngs(1)))
        step = make_train_step(apply, LOSS, optim.sgd(0.1))
        forward = flops.count(lambda *a: apply(*a)[0], params, state, x).macs
        return flops.count(step, params, state, optim.sgd(0.1).init(params), (x, y)).macs, forward

    whole, forward = macs(None)
    assert macs("backbone") == (forward + 2 * 8 * 3, forward)
    # The last block's: its weights' gradients, and those of its pointwise layer's input; none of the depthwise's.
    depthwise, pointwise = 2 * 16 * 9 * 6, 2 * 16 * 6 * 8
    assert macs("^(stem|blocks/0)/")[0] == forward + 2 * 2 * 8 * 3 + depthwise + 2 * pointwise
    assert whole > 2.5 * forward


@pytest.mark.parametrize("name", ["mobilenet_v1_025", "mobilenet_v2_035", "mobilenet_v3_small", "resnet18"])
def test_every_family(name):
    """Of a training step with the backbone held: the forward pass in inference mode, and the head's gradient."""

    def build():
        return models.transfer(models.create(name, rngs=nnx.Rngs(0)), 3, rngs=nnx.Rngs(1))

    apply, params, state = nn.abstract(build)
    assert list(params) == ["head"]
    width, classes = params["head"]["w"].shape
    x, y = jax.ShapeDtypeStruct((2, 32, 32, 3), "float32"), jax.ShapeDtypeStruct((2,), "int32")
    forward = flops.count(lambda *a: apply(*a)[0], params, state, x).macs
    step = make_train_step(apply, LOSS, optim.sgd(0.1))
    opt_state = jax.eval_shape(optim.sgd(0.1).init, params)
    assert flops.count(step, params, state, opt_state, (x, y)).macs == forward + 2 * width * classes
    assert classes == 3


@pytest.mark.loose_promotion
def test_fit_trains_it_and_goes_on_from_its_checkpoint(tmp_path):
    source = network()
    model = models.transfer(source, 2, rngs=nnx.Rngs(1))
    options = dict(
        loss=LOSS, optimizer=optim.adamw(0.05, weight_decay=0.1), batch_size=6, ema=0.9, clip_norm=1.0, progress=False
    )
    whole = fit(model, images(), epochs=3, **options)
    fit(model, images(), epochs=1, checkpoint_dir=tmp_path, **options)
    resumed = fit(model, images(), epochs=3, checkpoint_dir=tmp_path, resume=True, **options)
    assert_same(flat(resumed.params), flat(whole.params))
    assert sorted(flat(whole.params)) == sorted(flat(whole.average_params)) == ["head/b", "head/w"]
    nnx.update(model, whole.params, whole.state)
    got, want = everything(model), everything(source)
    assert_same({n: v for n, v in got.items() if n[:4] != "head"}, {n: v for n, v in want.items() if n[:4] != "head"})
    # Trained further, from the top down: what was learnt so far is where it starts.
    further = nn.unfreeze(model, "^blocks/1/")
    result = fit(further, images(), epochs=1, **options)
    assert {name.split("/")[0] for name in flat(result.params)} == {"blocks", "head"}


@pytest.mark.parametrize(("name", "options"), [("mlp", {"in_features": 12}), ("linear", {"in_features": 12})])
def test_models_of_vectors(name, options):
    model = models.create(name, rngs=nnx.Rngs(0), num_classes=4, **options)
    if name == "linear":
        with pytest.raises(ValueError, match="matches no parameter"):  # it has no backbone
            models.transfer(model, 2, rngs=nnx.Rngs(0))
        moved = models.transfer(model, 2, freeze=None, rngs=nnx.Rngs(0))
    else:
        moved = models.transfer(model, 2, rngs=nnx.Rngs(0))
    assert moved(jnp.ones((3, 12))).shape == (3, 2)


def test_features_are_what_the_head_is_given():
    model, (x, _) = network(), images(7)
    found = models.features(model, x, batch_size=3)
    assert isinstance(found, np.ndarray) and found.shape == (7, 8)
    np.testing.assert_allclose(model.head(jnp.asarray(found)), model(jnp.asarray(x)), rtol=1e-5, atol=1e-6)
    one = models.features(model, x[:1])
    np.testing.assert_allclose(one, found[:1], rtol=1e-5, atol=1e-6)
