"""`jaxml flops`: what each layer of a model costs, or any function. Exit status 2 for what cannot be counted."""

import re
import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import typer
from rich.console import Console

from jaxml.cli._load import LoadError, load_object

EXAMPLES = """
Examples:

jaxml flops mobilenet_v1 --batch 8 --resolution 224 --backward

jaxml flops cnn --depth 1 --json

jaxml flops mobilenet_v1 --explain

jaxml flops pkg.module:loss --shape 8,224,224,3 --shape float32[8,1000] --backward
"""


class UsageError(ValueError):
    """The options do not fit what is to be counted."""


def flops(
    target: str = typer.Argument(..., help="A model (see `jaxml models`), or a function as pkg.module:function."),
    batch: int | None = typer.Option(None, min=1, help="Examples in the model's batch; 1 unless given."),
    resolution: int | None = typer.Option(None, min=1, help="Height and width of the model's images."),
    num_classes: int | None = typer.Option(None, min=1, help="Outputs of the model."),
    train: bool = typer.Option(False, "--train", help="Call the model with train=True."),
    depth: int | None = typer.Option(None, min=1, help="Fold the model's layers below so many names of a path."),
    shape: list[str] = typer.Option([], help="An argument of the function: 8,3 or float32[8,3]; () for a scalar."),
    trip_count: int | None = typer.Option(None, min=0, help="Steps of each loop of the function whose number is open."),
    backward: bool = typer.Option(False, "--backward", help="Count forward and backward pass, as in a training step."),
    padding: str = typer.Option("include", help="include counts taps on padding, as the papers do; exclude does not."),
    explain: bool = typer.Option(False, "--explain", help="Compile it, and say why XLA's figures differ."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
) -> None:
    """Count MACs, FLOPs and bytes of a model, layer by layer, or of any function; nothing is run.

    The backward pass is counted from its own program: of a model, the gradient of the summed output by the parameters;
    of a function, that of its summed floating outputs by all its floating arguments.
    """
    # What only this command needs is imported by it alone, so that `jaxml --help` stays as fast as it was.
    from jaxml.flops import CountError

    of_model = {"--batch": batch, "--resolution": resolution, "--num-classes": num_classes, "--depth": depth}
    of_function = {"--shape": shape or None, "--trip-count": trip_count}
    try:
        _refuse({"--depth": depth if explain else None}, "--explain is of the whole program")
        if ":" in target:
            _refuse(of_model | {"--train": train or None}, f"{target} is a function")
            found = _function(target, shape, backward, explain, padding=padding, trip_count=trip_count)
        else:
            _refuse(of_function, f"{target} is a model, whose arguments are known" if _is_model(target) else None)
            options = {} if num_classes is None else {"num_classes": num_classes}
            found = _model(target, options, batch or 1, resolution, train, backward, depth, explain, padding)
    except (UsageError, LoadError, CountError) as error:
        raise typer.BadParameter(str(error)) from error
    if as_json:
        print(found.to_json())
        _warn(found)
    else:
        Console(soft_wrap=True).print(found)


def _refuse(options: dict[str, Any], because: str | None) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given and because is not None:
        raise UsageError(f"{because}: {' and '.join(given)} cannot be used")


def _is_model(name: str) -> bool:
    from jaxml import models

    return name in models.names()


def _model(
    name: str,
    options: dict[str, Any],
    batch: int,
    resolution: int | None,
    train: bool,
    backward: bool,
    depth: int | None,
    explain: bool,
    padding: str,
) -> Any:
    import jax
    from flax import nnx

    from jaxml import models, nn

    try:
        info = models.info(name, **options)
    except ValueError as error:
        raise UsageError(f"{error} (a function is written pkg.module:function)") from error
    example = info.input_shape
    if resolution is not None:
        if len(example) != 3:
            shape = "x".join(map(str, example))
            raise UsageError(f"--resolution is for models of images; {name} takes examples of {shape}")
        example = (resolution, resolution, example[-1])
    x = jax.ShapeDtypeStruct((batch, *example), info.input_dtype)

    def build() -> nnx.Module:
        return models.create(name, rngs=nnx.Rngs(0), **options)

    if not explain:
        return nn.summary(build, x, train=train, backward=backward, depth=depth, padding=padding)
    from jaxml.flops import explain as explained

    apply, params, state = nn.abstract(build)

    def forward(params: Any, state: Any, x: Any) -> Any:
        return apply(params, state, x, train=train)

    step = jax.value_and_grad(lambda params, state, x: forward(params, state, x)[0].sum())
    return explained(step if backward else forward, params, state, x, padding=padding)


def _function(spec: str, shapes: list[str], backward: bool, explain: bool, **options: Any) -> Any:
    if not shapes:
        raise UsageError(f"{spec} is a function: give --shape for each of its arguments")
    args = [_argument(shape) for shape in shapes]
    f = load_object(spec)
    from jaxml import flops

    counted = _gradient(spec, f, args) if backward else f
    return (flops.explain if explain else flops.count)(counted, *args, **options)


def _gradient(spec: str, f: Callable[..., Any], args: list[Any]) -> Callable[..., Any]:
    """The gradient of the sum of all floating outputs by all floating arguments, with the value."""
    import jax
    import jax.numpy as jnp

    by = tuple(i for i, a in enumerate(args) if jnp.issubdtype(a.dtype, jnp.floating))
    if not by:
        raise UsageError("--backward needs a floating --shape")

    def loss(*args: Any) -> Any:
        leaves = [leaf for leaf in jax.tree.leaves(f(*args)) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)]
        if not leaves:
            raise UsageError(f"--backward needs a floating output, and {spec} has none")
        sums = [jnp.sum(leaf) for leaf in leaves]
        return sum((s.astype(sums[0].dtype) for s in sums[1:]), sums[0])

    loss.__name__ = spec
    return jax.value_and_grad(loss, by)


def _argument(text: str) -> Any:
    """`8,3`, `float32[8,3]`, `()`, `int32[]` as an array without values."""
    import jax
    import jax.numpy as jnp

    found = re.fullmatch(r"(?:(\w+)\[(.*)\]|\((.*)\)|([\d, ]+))", text.strip())
    sizes = next((part for part in found.groups()[1:] if part is not None), None) if found else None
    if found is None or sizes is None or not re.fullmatch(r"|\d+(\s*,\s*\d+)*\s*,?", sizes.strip()):
        raise UsageError(f"--shape must be sizes, such as 8,224,224,3 or float32[8,3] or (), got {text!r}")
    try:
        dtype = jnp.dtype(found[1] or "float32")
    except TypeError as error:
        raise UsageError(f"--shape {text!r}: {found[1]!r} is not a dtype{_near_dtype(found[1])}") from error
    return jax.ShapeDtypeStruct(tuple(int(n) for n in sizes.split(",") if n.strip()), dtype)


def _near_dtype(wrong: str) -> str:
    known = ["bool", *(f"{kind}{n}" for kind in ("int", "uint") for n in (8, 16, 32, 64))]
    known += ["bfloat16", "float16", "float32", "float64", "complex64", "complex128"]
    near = get_close_matches(wrong, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _warn(found: Any) -> None:
    """On the standard error: JSON says it as well, but who pipes it may not look there."""
    whole = getattr(found, "cost", None) or getattr(found, "total", found)
    for name, reason in whole.uncounted.items():
        print(f"NOT COUNTED  {name}: {reason}", file=sys.stderr)
