"""What the pictures of this part have in common."""

from typing import Any

import numpy as np


def figure_and_axes(function: str, into: Any, columns: int = 1) -> tuple[Any, list[Any]]:
    """A figure with `columns` axes side by side that share y, or those of `into`."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"{function}: matplotlib is not installed: pip install 'jaxml-nn[tune]'") from error
    if into is not None:
        axes = list(np.atleast_1d(into))
        if len(axes) != columns:
            raise ValueError(f"{function}: into must hold {columns} of matplotlib's axes, got {len(axes)}")
        figure = axes[0].figure
    else:
        figure = Figure(figsize=(max(6.4, 3.4 * columns), 3.8), dpi=110, layout="constrained")
        axes = list(np.atleast_1d(figure.subplots(1, columns, sharey=True)))
    for each in axes:
        each.grid(color="#e4e4e4")
        each.set_axisbelow(True)
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes
