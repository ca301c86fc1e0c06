"""Attention as one call into cuDNN: what `jax.nn.dot_product_attention(implementation="cudnn")` becomes on a GPU.

It counts like the same attention in JAX's own terms: masked scores too, which the kernel may leave out.
"""

from jaxml.flops._cost import Cost
from jaxml.flops._rules import Call, rule, size

SOFTMAX = 5  # scale, maximum, difference, sum, division
SOFTMAX_GRADIENT = 4  # product, sum, difference, product; the scores are computed again before, with their exponential


def _scores(call: Call) -> int:
    """Every query meets every key, in each head."""
    query, key = call.inputs[:2]
    position = 1 if call.params["layout"] == 0 else 2  # of BTNH, or of BNTH
    return size(query) // query.shape[-1] * key.shape[position]


@rule("dot_product_attention_fwd", "dot_product_attention_fwd_wrapper")
@rule("dot_product_attention_fp8_fwd", "dot_product_attention_fp8_fwd_wrapper")
def attention(call: Call) -> Cost:
    """Two products, of the scores and of the values."""
    query, _, value = call.inputs[:3]
    scores = _scores(call)
    return Cost(macs=scores * (query.shape[-1] + value.shape[-1]), other=SOFTMAX * scores, transcendentals=scores)


@rule("dot_product_attention_bwd", "dot_product_attention_bwd_wrapper")
@rule("dot_product_attention_fp8_bwd", "dot_product_attention_fp8_bwd_wrapper")
def attention_gradient(call: Call) -> Cost:
    """Five products: the scores once more, which were not kept; d/dq and d/dk; d/dv, and that by the scores."""
    query, _, value = call.inputs[:3]
    scores = _scores(call)
    other = (2 + SOFTMAX_GRADIENT) * scores
    return Cost(macs=scores * (3 * query.shape[-1] + 2 * value.shape[-1]), other=other, transcendentals=scores)
