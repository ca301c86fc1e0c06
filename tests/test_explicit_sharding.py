"""On a mesh with explicit axes, the batch sharded over two devices: values and gradients are those of one device."""

import pytest
from _devices import run_on_devices

PROGRAM = """
from functools import partial
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
import jaxml.functional as F

rng = np.random.default_rng(0)
draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)
number = lambda high, *shape: rng.integers(1, high, shape).astype(np.int32)
KEY, ROWS, IMAGE, WORDS = jax.random.key(0), (4, 8), (4, 6, 6, 8), (4, 5, 2, 8)
# Name: function, arrays with the batch first, arrays without one.
SWEPT = {
    **{f: (getattr(F, f), [draw(*ROWS)], []) for f in ("gelu", "softmax", "logmeanexp", "sparsemax", "swiglu")},
    **{f: (getattr(F, f), [draw(*ROWS)], [draw(8)]) for f in ("prelu", "rms_norm", "layer_norm")},
    **{f: (getattr(F, f), [draw(*ROWS), draw(*ROWS)], []) for f in (
        "mse_loss", "huber_loss", "hinge_loss", "binary_cross_entropy", "softmax_cross_entropy", "sparsemax_loss",
        "cosine_similarity", "pairwise_distance", "info_nce_loss", "nt_xent_loss",
    )},
    **{f: (getattr(F, f), [draw(*ROWS), number(8, 4)], []) for f in (
        "softmax_cross_entropy_with_integer_labels", "softmax_focal_loss", "multi_margin_loss", "circle_loss",
    )},
    "nt_xent_loss, learned temperature": (
        lambda x, y, t: F.nt_xent_loss(x, y, temperature=t), [draw(*ROWS), draw(*ROWS)], [np.float32(0.5)]
    ),
    "cdist": (F.cdist, [draw(4, 5, 3), draw(4, 2, 3)], []),
    "pdist": (F.pdist, [draw(4, 5, 3)], []),
    "pdist, order 3": (partial(F.pdist, order=3), [draw(4, 5, 3)], []),
    "triplet_margin_loss": (F.triplet_margin_loss, [draw(*ROWS), draw(*ROWS), draw(*ROWS)], []),
    "linear_cross_entropy": (
        lambda x, n, w: F.linear_cross_entropy(x, w, n), [draw(*ROWS), number(5, 4)], [draw(8, 5)]
    ),
    "ctc_loss": (F.ctc_loss, [draw(4, 6, 5), number(5, 4, 2)], []),
    "linear": (F.linear, [draw(*ROWS)], [draw(8, 3)]),
    "embedding": (lambda x, i, w: F.embedding(i, w) + x, [draw(4, 3, 8), number(6, 4, 3)], [draw(6, 8)]),
    "embedding_bag": (lambda x, i, w: F.embedding_bag(i, w) + x, [draw(4, 8), number(6, 4, 3)], [draw(6, 8)]),
    "dot_product_attention": (F.dot_product_attention, [draw(*WORDS), draw(*WORDS), draw(*WORDS)], []),
    "rotary_embedding": (F.rotary_embedding, [draw(*WORDS)], []),
    "conv2d": (partial(F.conv2d, padding=1), [draw(*IMAGE)], [draw(3, 3, 8, 4)]),
    "conv2d_input_grad": (partial(F.conv2d_input_grad, input_size=6), [draw(*IMAGE)], [draw(3, 3, 5, 8)]),
    "depthwise_conv2d": (F.depthwise_conv2d, [draw(*IMAGE)], [draw(3, 3, 1, 8)]),
    "separable_conv2d": (F.separable_conv2d, [draw(*IMAGE)], [draw(3, 3, 1, 8), draw(8, 4)]),
    "conv_transpose2d": (partial(F.conv_transpose2d, stride=2), [draw(*IMAGE)], [draw(3, 3, 8, 4)]),
    "conv_transpose2d of each channel": (
        partial(F.conv_transpose2d, stride=2, groups=8), [draw(*IMAGE)], [draw(3, 3, 1, 8)]
    ),
    "unfold": (partial(F.unfold, window=2), [draw(*IMAGE)], []),
    "fold": (partial(F.fold, output_size=6, window=2), [draw(4, 5, 5, 8)], []),
    "max_pool2d": (partial(F.max_pool2d, window=2), [draw(*IMAGE)], []),
    "adaptive_avg_pool2d": (partial(F.adaptive_avg_pool2d, output_size=4), [draw(*IMAGE)], []),
    "max_unpool2d": (lambda x: F.max_unpool2d(*F.max_pool2d_with_indices(x, window=2), window=2), [draw(*IMAGE)], []),
    "group_norm": (partial(F.group_norm, groups=2), [draw(*IMAGE)], [draw(8), draw(8)]),
    "batch_norm": (lambda x, m, v: F.batch_norm(x, m, v, train=True)[0], [draw(*IMAGE)], [draw(8), draw(8)]),
    "local_response_norm": (partial(F.local_response_norm, window=3), [draw(*IMAGE)], []),
    "dropout": (lambda x: F.dropout(KEY, x, rate=0.5), [draw(*ROWS)], []),
    "mixup": (lambda x, y: F.mixup(KEY, x, y)[0], [draw(*IMAGE), draw(4, 3)], []),
    "cutmix": (lambda x, y: F.cutmix(KEY, x, y)[0], [draw(*IMAGE), draw(4, 3)], []),
    "pad": (partial(F.pad, padding=1), [draw(*IMAGE)], []),
    "pixel_shuffle": (partial(F.pixel_shuffle, upscale_factor=2), [draw(*IMAGE)], []),
    "pixel_unshuffle": (partial(F.pixel_unshuffle, downscale_factor=2), [draw(*IMAGE)], []),
    "interpolate": (partial(F.interpolate, output_size=(9, 9), mode="bilinear"), [draw(*IMAGE)], []),
    "grid_sample": (F.grid_sample, [draw(*IMAGE), draw(4, 3, 3, 2)], []),
}


def both(f, *arrays):
    return f(*arrays), jax.grad(lambda x: jnp.sum(f(x, *arrays[1:]) ** 2))(arrays[0])


want = {name: jax.jit(partial(both, f))(*a, *b) for name, (f, a, b) in SWEPT.items()}
want = jax.device_get(want)
mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Explicit,))
jax.set_mesh(mesh)
KEY = jax.random.key(0)  # on this mesh
for name, (f, batched, whole) in SWEPT.items():
    placed = [jax.device_put(a, NamedSharding(mesh, P("batch"))) for a in batched]
    placed += [jax.device_put(a, NamedSharding(mesh, P())) for a in whole]
    try:
        got = jax.jit(partial(both, f))(*placed)
        for g, w in zip(got, want[name], strict=True):
            assert g.sharding.spec[0] == "batch", g.sharding.spec
            np.testing.assert_allclose(g, w, rtol=1e-4, atol=1e-4)
    except Exception as error:
        print(name, type(error).__name__, *str(error).split("\\n")[:2])
rows = draw(4, 3)  # each meets all others, so that the result is whole
got = jax.jit(F.pdist)(jax.device_put(rows, NamedSharding(mesh, P("batch"))))
np.testing.assert_allclose(got, np.linalg.norm(rows[:, None] - rows, axis=-1)[np.triu_indices(4, 1)], rtol=1e-5)
print(len(SWEPT), "done")
"""


@pytest.mark.slow
def test_batch_on_two_devices():
    """Of every family; what fails is named."""
    assert run_on_devices(PROGRAM) == "56 done"
