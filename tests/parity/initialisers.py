"""Coverage: initialisers. They draw numbers of their own, so that no two libraries' can be compared entry by entry."""

from ._claim import Claim
from ._row import Row

CLAIMS: list[Claim] = []
FANS = "truncated as in Keras and Flax, which PyTorch's is not; `groups`"
ROWS = [
    Row(("nn.init.kaiming_normal_",), ("initializers.HeNormal",), "functional.init.he_normal", reason=FANS),
    Row(("nn.init.kaiming_uniform_",), ("initializers.HeUniform",), "functional.init.he_uniform"),
    Row(("nn.init.xavier_normal_",), ("initializers.GlorotNormal",), "functional.init.glorot_normal", reason=FANS),
    Row(("nn.init.xavier_uniform_",), ("initializers.GlorotUniform",), "functional.init.glorot_uniform"),
    Row((), ("initializers.LecunNormal",), "functional.init.lecun_normal"),
    Row((), ("initializers.LecunUniform",), "functional.init.lecun_uniform"),
    Row(("nn.init.trunc_normal_",), ("initializers.TruncatedNormal",), "functional.init.truncated_normal"),
    Row(("nn.init.normal_",), ("initializers.RandomNormal",), "functional.init.normal"),
    Row(("nn.init.uniform_",), ("initializers.RandomUniform",), "functional.init.uniform"),
    Row(("nn.init.constant_",), ("initializers.Constant",), "functional.init.constant"),
    Row(("nn.init.zeros_",), ("initializers.Zeros",), "functional.init.zeros"),
    Row(("nn.init.ones_",), ("initializers.Ones",), "functional.init.ones"),
    Row(("nn.init.orthogonal_",), ("initializers.Orthogonal",), "orthogonal", whose="jax.nn.initializers"),
    Row(("nn.init.dirac_",), (), reason="`jnp.zeros(shape).at[middle].set(jnp.eye(n, m))`"),
    Row(("nn.init.eye_",), ("initializers.Identity",), reason="`jnp.eye`"),
    Row(("nn.init.sparse_",), (), reason="a product with `jax.random.bernoulli`; no layer here starts so"),
    Row(("nn.init.calculate_gain",), (), reason="the gain is in the name: he for rectifiers, glorot and lecun for 1"),
]  # fmt: skip
