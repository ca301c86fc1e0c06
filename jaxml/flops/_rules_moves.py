"""What computes nothing: moving, reshaping, converting, communicating. It costs bytes, or not even those."""

from jaxml.flops._cost import Cost
from jaxml.flops._rules import Call, nbytes, rule, size
from jaxml.flops._rules_elementwise import real_operations

NOTHING = Cost()


@rule(
    "broadcast_in_dim", "concatenate", "pad", "transpose", "rev", "iota", "tile", "split", "stack", "unstack", "copy",
    "convert_element_type", "reduce_precision", "real", "imag", "complex", "empty", "empty2", "dim_as_value",
    "dimension_size", "random_wrap", "random_unwrap", "random_clone", "all_gather", "all_gather_invariant",
    "all_gather_reduced", "all_to_all", "ragged_all_to_all", "ppermute", "pbroadcast", "lu_pivots_to_permutation",
    "broadcast_to", "iota_2x32_shape", "from_edtype", "to_edtype", "device_put", "all_gather_start",
    "all_gather_reduced_start", "all_to_all_start", "pbroadcast_start", "ppermute_start",
)  # fmt: skip
def move(call: Call) -> Cost:
    return NOTHING


# The same bytes under another shape, type or name: nothing is read.
@rule(
    "reshape", "squeeze", "expand_dims", "bitcast_convert_type", "stop_gradient", "name", "copy_p", "axis_index",
    "optimization_barrier", "sharding_constraint", "layout_constraint", "reshard", "pvary", "pcast", "preduced",
    "vary_unreduced_cast_p", "reduced_vary_cast_p", "with_memory_space_constraint", "platform_index", "create_token",
    "after_all", "inspect_sharding", "shape_assertion", "check", "debug_callback", "debug_print", "ref", "new_ref",
    "empty_ref", "accum_grad_in_ref", "all_gather_done", "psum_done", "reduce_scatter_done", "all_to_all_done",
    "pbroadcast_done", "ppermute_done",
    "freeze", "free_ref", "custom_lin", "dce_sink", "tie", "create_linear", "pin", "unpin",
    bytes=lambda call: 0,
)  # fmt: skip
def rename(call: Call) -> Cost:
    return NOTHING


def _taken(call: Call) -> int:
    """What is taken is read and written; of the array it is taken from, the rest is not touched. And the indices."""
    return 2 * sum(map(nbytes, call.outputs)) + sum(map(nbytes, call.inputs[1:]))


@rule("slice", "dynamic_slice", "gather", "get", bytes=_taken)
def take(call: Call) -> Cost:
    return NOTHING


@rule("dynamic_update_slice", bytes=lambda call: 2 * nbytes(call.inputs[1]) + sum(map(nbytes, call.inputs[2:])))
@rule("swap", bytes=lambda call: 4 * nbytes(call.inputs[1]))  # the old value comes out
def put(call: Call) -> Cost:
    """In place, as XLA does it: the update is read and written."""
    return NOTHING


@rule("scatter", bytes=lambda call: 2 * nbytes(call.inputs[2]) + nbytes(call.inputs[1]))
def scatter(call: Call) -> Cost:
    """Of `x.at[...].set` nothing; of `x.at[...].apply` its function, for each element of the updates."""
    from jaxml.flops._walk import Walker  # which needs the rules

    if (function := call.params.get("update_jaxpr")) is None:
        return NOTHING
    one = Walker(call.padding).walk(function, ())[0].total()
    return Cost(0, one.other, one.transcendentals) * size(call.inputs[2])


@rule(
    "scatter-add", "scatter-sub", "scatter-mul", "scatter-min", "scatter-max",
    bytes=lambda call: 3 * nbytes(call.inputs[2]) + nbytes(call.inputs[1]),
)  # fmt: skip
def scatter_combine(call: Call) -> Cost:
    """One operation for each element of the updates; what they meet is read and written."""
    operation = "mul" if "mul" in call.name else "add"
    return Cost(other=size(call.inputs[2]) * real_operations(operation, call.inputs[2]))


@rule("scatter_add", "scatter_sub", "scatter_mul", "scatter_min", "scatter_max")
def _scatter_other_spelling(call: Call) -> Cost:
    return scatter_combine(call)


@rule(
    "psum", "psum_invariant", "pmax", "pmin", "unreduced_psum", "reduce_scatter", "unreduced_reduce_scatter",
    "psum_start", "psum_invariant_start", "unreduced_psum_start", "reduce_scatter_start",
    "unreduced_reduce_scatter_start",
)  # fmt: skip
def collective(call: Call) -> Cost:
    """A reduction over devices: one operation for each element that a device puts in."""
    return Cost(other=sum(size(x) * real_operations("add", x) for x in call.inputs))
