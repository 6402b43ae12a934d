"""The profile's figures. They have numbers and names of splits only: matplotlib has no font for every script."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter


def histogram(found: Mapping[str, Any]) -> Figure:
    """Shares of each split's rows by length, or value."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    for split, counts in found["splits"].items():
        edges = found["from"] + found["width"] * np.arange(len(counts) + 1)
        axes.stairs(np.array(counts) / max(sum(counts), 1), edges, label=split, linewidth=1.4)
    axes.set(xlabel=found["measured"], ylabel="share of the split", ylim=(0, None))
    axes.legend()
    axes.grid(alpha=0.3)
    return figure


def vocabulary(found: Mapping[str, Any]) -> Figure:
    """Distinct tokens over tokens read, and Heaps' law."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    read, distinct = np.array(found["growth"]).T
    axes.loglog(read, distinct, marker="o", markersize=2.5, linewidth=1.2, label="distinct")
    if found["heaps_exponent"] is not None:
        law = found["heaps_factor"] * read ** found["heaps_exponent"]
        axes.loglog(
            read, law, color="gray", linewidth=1, label=f"{found['heaps_factor']:.3g} n^{found['heaps_exponent']:.2f}"
        )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,.0f}")
        axis.set_minor_formatter(NullFormatter())
    axes.set(xlabel=f"{found['unit']} read (n)", ylabel=f"distinct {found['unit']}")
    axes.legend()
    axes.grid(alpha=0.3)
    return figure


def drift(found: list[Mapping[str, Any]]) -> Figure:
    """The area under the curve of each comparison's classifier, with what chance gives."""
    figure = Figure(figsize=(9, 1.2 + 0.35 * len(found)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(found), 0, -1)
    chance = np.array([one["classifier"]["chance"] for one in found])
    axes.barh(places, 2 * chance - 1, left=1 - chance, height=0.8, color="0.85", label="by chance")
    axes.plot([one["classifier"]["auc"] for one in found], places, "o", label="area under the curve")
    axes.set(xlim=(0.4, 1.01), xlabel="0.5: alike; 1: told apart every time")
    axes.set_yticks(places, [str(number) for number in range(1, len(found) + 1)])
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper right", ncols=2)
    return figure
