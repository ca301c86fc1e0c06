"""The picture of gradient profiles."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from jaxml.diagnostics._figure import COLOURS, finish, ground
from jaxml.diagnostics._gradient_profile import GradientProfile
from jaxml.functional._checks import check_choice


def plot_gradient_profile(
    profiles: Mapping[str, GradientProfile], *, over: str = "steps", path: str = "*", into: Any = None
) -> Any:
    """A matplotlib `Figure`: a line for each of `profiles`, by its name, on a logarithmic axis.

    over: "steps", the norms at h_t over t, of the last of its layers and directions; or "layers", those at the outputs
        over the depth.
    path: a pattern; of the recurrent layers the first is drawn whose path matches, of the modules all that do.
    into: matplotlib's axes to draw into, in place of a figure of its own; their figure is returned.

    Errors: `ValueError` for no profiles, an unknown `over`, a pattern that matches nothing; `ImportError` without
    matplotlib, which `jaxml-nn[bench]` installs.
    """
    check_choice("plot_gradient_profile", "over", over, ("steps", "layers"))
    if not profiles:
        raise ValueError("plot_gradient_profile: profiles must not be empty")
    curves = {name: _curve(name, profile, over, path) for name, profile in profiles.items()}
    figure, axes = ground("plot_gradient_profile", into, size=(7, 4))
    for place, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[place % len(COLOURS)]
        # A gradient that is zero to the last bit has no logarithm, and leaves a gap.
        axes.plot(np.arange(1, len(curve) + 1), np.where(curve > 0, curve, np.nan), color=colour, lw=1.6, label=name)
    axes.set(yscale="log", xlabel="step t" if over == "steps" else "layer")
    axes.set_ylabel("‖d loss / d h_t‖" if over == "steps" else "‖d loss / d output‖")
    finish(axes)
    return figure


def _curve(name: str, profile: GradientProfile, over: str, path: str) -> np.ndarray:
    found = [value for at, value in getattr(profile, over).items() if fnmatchcase(at, path)]
    if not found:
        there = ", ".join(getattr(profile, over)) or "none"
        raise ValueError(f"plot_gradient_profile: {name} has no {over} at {path!r}; there are {there}")
    return np.asarray(found[0][-1] if over == "steps" else found, np.float64)
