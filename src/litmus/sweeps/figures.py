"""Figures of a sweep: what was tried, how far that got, and what it hung on."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from litmus.sweeps.trials import Trial

MANY = 12  # values of a parameter, above which not every one is named
FEW = 5  # numbers that an axis has
FLAT = 20.0  # largest over smallest, from which numbers above zero are drawn by their logarithm
SHADES = colormaps["plasma"]  # whose middle is seen on white and on black
STATES = {"pruned": ("x", "tab:orange"), "failed": ("x", "tab:red")}


def history(trials: Sequence[Trial], metric: str, mode: str) -> Figure | None:
    """The value of each trial in turn, and the best so far; None if no trial has one."""
    scored = [(place, trial) for place, trial in enumerate(trials) if trial.value is not None]
    done = [(place, trial.value) for place, trial in scored if trial.state == "done"]
    if not done:
        return None
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    places, values = zip(*done, strict=True)
    axes.plot(places, values, "o", markersize=4, label="done")
    for state, (marker, colour) in STATES.items():
        if points := [(place, trial.value) for place, trial in scored if trial.state == state]:
            axes.plot(*zip(*points, strict=True), marker, color=colour, markersize=5, label=state)
    best = np.minimum.accumulate(values) if mode == "min" else np.maximum.accumulate(values)
    axes.step(places, best, where="post", label="best so far")
    axes.set(xlabel="trial", ylabel=metric)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    axes.grid(alpha=0.3)
    return figure


def parallel_coordinates(trials: Sequence[Trial], metric: str, mode: str) -> Figure | None:
    """A line a trial that is done, over its parameters and its value, in colour the better ones; None for fewer than
    two trials."""
    done = [trial for trial in trials if trial.state == "done" and trial.value is not None]
    keys = varied(done)
    if len(done) < 2 or not keys:
        return None
    columns = {**{key: [trial.point.get(key) for trial in done] for key in keys}, metric: [t.value for t in done]}
    figure = Figure(figsize=(max(9.0, 1.9 * len(columns)), 4.2), layout="constrained")
    axes = figure.subplots()
    heights = np.array([_axis(axes, place, values) for place, values in enumerate(columns.values())])
    values = np.array(columns[metric], dtype=float)
    goodness = values if mode == "max" else -values
    shades = (goodness - goodness.min()) / (np.ptp(goodness) or 1.0)
    for number in np.argsort(goodness):  # the best on top
        colour = SHADES(0.3 + 0.55 * float(shades[number]))
        axes.add_line(Line2D(range(len(columns)), heights[:, number], color=colour, linewidth=1.4, alpha=0.8))
    axes.set(xlim=(-0.3, len(columns) - 0.4), ylim=(-0.06, 1.06), yticks=[])
    axes.set_xticks(range(len(columns)), [key.replace(".", ".\n") for key in columns])
    axes.tick_params(axis="x", length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure


def importance(shares: Mapping[str, float]) -> Figure | None:
    """How much of the variance of the value each parameter explains; None if that is not known."""
    if not shares:
        return None
    figure = Figure(figsize=(9, 0.9 + 0.34 * len(shares)), layout="constrained")
    axes = figure.subplots()
    keys = list(shares)[::-1]
    bars = axes.barh(range(len(keys)), [shares[key] for key in keys], height=0.6)
    axes.bar_label(bars, fmt="%.2f", padding=4)
    axes.set_yticks(range(len(keys)), keys)
    axes.set(xlabel="share of the variance that is explained", xlim=(0, 1.1 * max(*shares.values(), 1e-9)))
    axes.grid(alpha=0.3, axis="x")
    return figure


def varied(trials: Sequence[Trial]) -> list[str]:
    """Parameters that not all trials have with the same value."""
    keys = dict.fromkeys(key for trial in trials for key in trial.point)
    return [key for key in keys if len({str(trial.point.get(key)) for trial in trials}) > 1]


def _axis(axes: Any, place: int, values: Sequence[Any]) -> list[float]:
    """Draws a vertical axis, with words where they are, and gives the heights of the values on it, from 0 to 1."""
    axes.axvline(place, color="gray", linewidth=0.8)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        numbers = np.array(values, dtype=float)
        scale = np.log if numbers.min() > 0 and numbers.max() / numbers.min() > FLAT else np.asarray
        low, high = float(scale(numbers.min())), float(scale(numbers.max()))
        span = high - low or 1.0
        apart = np.unique(scale(numbers))
        middle = apart if len(apart) <= FEW else np.linspace(low, high, FEW)
        ticks = [(float(np.exp(one)) if scale is np.log else float(one), (one - low) / span) for one in middle]
        named = [(f"{number:.3g}", height) for number, height in ticks]
        heights = [float((scale(number) - low) / span) for number in numbers]
    else:
        names = sorted({_name(value) for value in values})
        step = 1 / max(1, len(names) - 1)
        heights = [names.index(_name(value)) * step for value in values]
        named = [(name, index * step) for index, name in enumerate(names)]
        named = named[:: -(-len(named) // MANY)]
    for name, height in named:
        axes.text(place + 0.03, height, name, fontsize=8, va="center")
    return heights


def _name(value: Any) -> str:
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
