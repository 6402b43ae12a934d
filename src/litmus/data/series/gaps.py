"""Values that are not there, or not finite: refused by their place, or interpolated along the steps."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Missing = Literal["refuse", "interpolate"]


def close_gaps(
    values: NDArray[np.float32], missing: Missing, place: Callable[[int, int, int], str]
) -> NDArray[np.float32]:
    """Values [count, steps, channels] that are all finite: between two neighbours on a line, at the ends the nearest.

    Args:
        place: What an example, a step and a channel are called in a message.

    Raises:
        ValueError: For the first gap if they are refused, or for one without a neighbour.
    """
    finite = np.isfinite(values)
    if finite.all():
        return values
    if missing == "refuse":
        example, step, channel = np.argwhere(~finite)[0].tolist()
        raise ValueError(
            f"{place(example, step, channel)} is {values[example, step, channel]}: mend it, or fill such gaps from "
            "their neighbours with data.missing=interpolate"
        )
    filled, steps = values.copy(), np.arange(values.shape[1])
    for example, channel in np.argwhere(~finite.all(1)).tolist():
        known = np.flatnonzero(finite[example, :, channel])
        if len(known) == 0:
            raise ValueError(
                f"{place(example, 0, channel)} and all steps after it are missing: there is nothing to interpolate from"
            )
        filled[example, :, channel] = np.interp(steps, known, values[example, known, channel])
    return filled
