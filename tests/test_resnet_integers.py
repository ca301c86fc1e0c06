"""What residual networks hold and cost: the integers of their architectures, and the papers' rounded figures."""

import jax
import jax.numpy as jnp
import pytest

from jaxml import flops, models, nn
from jaxml.models._registry import OneKey

C = models.ResNetConfig
slow = pytest.mark.slow
# Trainable parameters, running statistics, MACs. torchvision's metadata, and Keras's count_params(); Keras counts both
# halves of its total, torchvision the first alone. Table 1 of the paper has 1.8, 3.6, 3.8, 7.6 and 11.3e9 MACs:
# those of variant "paper", and of 34 layers without projections.
INTEGERS = [
    (C.resnet18(), 11_689_512, 9_600, 1_814_073_344),
    (C.resnet34(), 21_797_672, 17_024, 3_663_761_408),
    (C.resnet50(), 25_557_032, 53_120, 4_089_184_256),
    pytest.param(C.resnet101(), 44_549_160, 105_344, 7_801_405_440, marks=slow),
    pytest.param(C.resnet152(), 60_192_808, 151_424, 11_513_626_624, marks=slow),
    (C.resnet50(variant="paper"), 25_557_032, 53_120, 3_857_973_248),
    pytest.param(C.resnet101(variant="paper"), 44_549_160, 105_344, 7_570_194_432, marks=slow),
    pytest.param(C.resnet152(variant="paper"), 60_192_808, 151_424, 11_282_415_616, marks=slow),
    (C.resnet50(variant="keras"), 25_583_592, 53_120, 3_857_973_248),
    pytest.param(C.resnet101(variant="keras"), 44_601_832, 105_344, 7_570_194_432, marks=slow),
    pytest.param(C.resnet152(variant="keras"), 60_268_520, 151_424, 11_282_415_616, marks=slow),
    (C.resnet50_v2(variant="keras"), 25_568_360, 45_440, 3_482_255_360),
    pytest.param(C.resnet101_v2(variant="keras"), 44_577_896, 97_664, 7_194_476_544, marks=slow),
    pytest.param(C.resnet152_v2(variant="keras"), 60_236_904, 143_744, 10_906_697_728, marks=slow),
    pytest.param(C.resnet50_v2(), 25_549_352, 45_440, 4_089_184_256, marks=slow),
    (C.cifar_resnet20(), 269_722, 1_376, 40_551_040),
    pytest.param(C.cifar_resnet32(), 464_154, 2_272, 68_862_592, marks=slow),
    pytest.param(C.cifar_resnet44(), 658_586, 3_168, 97_174_144, marks=slow),
    pytest.param(C.cifar_resnet56(), 853_018, 4_064, 125_485_696, marks=slow),
    pytest.param(C.cifar_resnet110(), 1_727_962, 8_096, 252_887_680, marks=slow),
    # Table 1's 3.6e9 for 34 layers is option A: no projections.
    (C.resnet34(shortcut="pad"), 21_797_672 - 173_824, 17_024 - 1_792, 3_644_493_824),
]


def counted(config):
    apply, params, state = nn.abstract(lambda: models.ResNet(config, rngs=OneKey(0)))
    statistics = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    x = jax.ShapeDtypeStruct((1, *config.input_shape), jnp.float32)
    cost = flops.count(lambda params, state, x: apply(params, state, x)[0], params, state, x)
    assert cost.uncounted == {}
    return nn.count_params(params), nn.count_params(statistics), cost.macs


def title(value):
    if not isinstance(value, C):
        return ""
    layers = 2 + sum(value.depths) * (2 if value.block == "basic" else 3)
    return f"{value.stem}-{layers}-{value.variant}{'-v2' if value.preactivation else ''}-{value.shortcut}"


@pytest.mark.parametrize(("config", "trainable", "statistics", "macs"), INTEGERS, ids=title)
def test_integers(config, trainable, statistics, macs):
    assert counted(config) == (trainable, statistics, macs)


@pytest.mark.slow
def test_a_thousand_layers():
    """19.4 M parameters in the paper's Table 6."""
    assert counted(C.cifar(1202)) == (19_421_274, 89_632, 2_829_238_912)


def test_parameters_of_table_6():
    """Millions, rounded in the paper."""
    for layers, millions in {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7}.items():
        assert abs(models.info(f"cifar_resnet{layers}").params / 1e6 - millions) < 0.03, layers
