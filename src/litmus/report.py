"""Figures of a run; run_page.py puts them on a page."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from litmus.folder import read_metrics
from litmus.page import Raw, long_table, table, tokens

Maps = Sequence[NDArray[np.float32]] | None
CURVES = ("loss", "accuracy", "mse", "perplexity")
COSTS = {  # of training, by metric
    "examples_per_second": "examples a second",
    "memory_gib": "GiB of the process",
    "gpu_memory_gib": "GiB of tensors on the GPU, the most so far",
}
LONGEST_TEXT = 150  # tokens that are shown
TRANSPARENT = 0.15  # share of the strongest pixel, below which nothing of a map is seen
MOST_NAMED = 20  # classes, above which a confusion matrix has no names and numbers


def learning_curves(path: Path) -> Figure | None:
    """Loss and scores over steps, train beside val; None if nothing was logged."""
    return _lines(path, ("train", "val"), {name: name for name in CURVES})


def costs(path: Path) -> Figure | None:
    """Throughput and memory over steps; None if nothing was logged."""
    return _lines(path, ("train",), COSTS)


def _lines(path: Path, stages: Sequence[str], titles: Mapping[str, str]) -> Figure | None:
    curves: dict[str, dict[str, list[tuple[int, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in read_metrics(path):
        stage, _, name = row["metric"].partition("/")
        if stage in stages and name in titles:
            curves[name][stage].append((int(row["step"]), float(row["value"])))
    if not curves:
        return None
    figure = Figure(figsize=(9, 3.2))
    figure.subplots_adjust(0.06, 0.15, 0.99, 0.9, wspace=0.2)  # a layout that is found takes a quarter of a second
    for axes, (name, lines) in zip(np.atleast_1d(figure.subplots(1, len(curves))), curves.items(), strict=True):
        for stage, points in sorted(lines.items()):
            axes.plot(*zip(*points, strict=True), label=stage, marker="o", markersize=2.5, linewidth=1.2)
        axes.set(xlabel="step", title=titles[name])
        axes.grid(alpha=0.3)
        if len(stages) > 1:
            axes.legend()
        else:
            axes.set_ylim(0, 1.1 * max(value for _, value in next(iter(lines.values()))))
    return figure


def confusion_matrix(counts: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Shares of each true class (a row) by predicted class; the numbers are counts."""
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure.colorbar(axes.imshow(shares, cmap="Blues", vmin=0, vmax=1), label="share of the true class")
    axes.set(xlabel="predicted", ylabel="true")
    if len(classes) <= MOST_NAMED:
        axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
        axes.set_yticks(range(len(classes)), classes)
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.5 else "#222222"
            axes.text(column, row, str(count) if count else "", ha="center", va="center", color=color, fontsize=8)
    return figure


def per_class(counts: NDArray[np.int64], classes: Sequence[str]) -> str:
    """A table of test examples, precision, recall and F1 by class, in HTML; a share of nothing is none."""
    right = counts.diagonal()
    rows = []
    for name, hits, true, predicted in zip(classes, right, counts.sum(1), counts.sum(0), strict=True):
        parts = ((hits, predicted), (hits, true), (2 * hits, true + predicted))
        rows.append((name, int(true), *(float(some / whole) if whole else None for some, whole in parts)))
    return long_table(("class", "examples", "precision", "recall", "F1"), rows, MOST_NAMED)


def pictures(images: Sequence[NDArray[np.uint8]], titles: Sequence[str], maps: Maps = None) -> Figure | None:
    """A grid of images [height, width, channels]; None if there are none.

    Args:
        maps: What of each image spoke for its title, red, and against it, blue [images, height, width].
    """

    def paint(axes: Axes, image: NDArray[np.uint8], shares: NDArray[np.float32] | None) -> None:
        if shares is None:
            axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        else:
            axes.imshow(image.mean(2), cmap="gray", vmin=0, vmax=255)
            seen = np.clip((np.abs(shares) - TRANSPARENT) / (1 - TRANSPARENT), 0, 1) ** 0.5
            axes.imshow(shares, cmap="coolwarm", vmin=-1, vmax=1, alpha=seen)
        axes.axis("off")

    return _grid(images, titles, paint, maps)


def curves(series: Sequence[NDArray[np.float32]], titles: Sequence[str], maps: Maps = None) -> Figure | None:
    """A grid of series [length, channels]; None if there are none.

    Args:
        maps: As for pictures [series, length].
    """

    def paint(axes: Axes, values: NDArray[np.float32], shares: NDArray[np.float32] | None) -> None:
        axes.plot(values, linewidth=1, zorder=2)
        if shares is not None:
            low, high = axes.get_ylim()
            extent = (-0.5, len(values) - 0.5, low, high)
            axes.imshow(shares[None], cmap="coolwarm", vmin=-1, vmax=1, alpha=0.5, aspect="auto", extent=extent)
        axes.tick_params(labelsize=6)

    return _grid(series, titles, paint, maps)


def texts(words: Sequence[Sequence[str]], titles: Sequence[str], maps: Maps = None) -> str | None:
    """A table of texts, each a list of its tokens, in HTML; None if there are none.

    Args:
        maps: As for pictures, of a list of numbers for each text.
    """
    rows = []
    for number, (pieces, title) in enumerate(zip(words, titles, strict=True)):
        shown = list(pieces[:LONGEST_TEXT])
        shares = [0.0] * len(shown) if maps is None else maps[number][: len(shown)].tolist()
        rows.append((title, Raw(tokens(shown, shares))))
    return table(("", ""), rows) if rows else None


def scatter(predictions: NDArray[np.float32], targets: NDArray[np.float32]) -> Figure:
    """Predicted against true numbers [examples]."""
    figure = Figure(figsize=(5, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(targets, predictions, "o", markersize=3, alpha=0.5)
    ends = [min(targets.min(), predictions.min()), max(targets.max(), predictions.max())]
    axes.plot(ends, ends, color="gray", linewidth=1)
    axes.set(xlabel="true", ylabel="predicted")
    axes.grid(alpha=0.3)
    return figure


def forecasts(examples: Sequence[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]) -> Figure:
    """The past [length, channels], the future and its forecast [horizon, channels] of examples: a channel each."""
    figure = Figure(figsize=(9, 2.2 * len(examples)), layout="constrained")
    for channel, (axes, (past, future, forecast)) in enumerate(
        zip(figure.subplots(len(examples), squeeze=False).flat, examples, strict=True)
    ):
        column = channel % past.shape[1]
        steps = np.arange(len(future))
        axes.plot(np.arange(-len(past), 0), past[:, column], color="gray", linewidth=1, label="past")
        axes.plot(steps, future[:, column], linewidth=1.2, label="true")
        axes.plot(steps, forecast[:, column], linewidth=1.2, label="forecast")
        axes.set(title=f"channel {column}", xlabel="step")
        axes.legend(loc="upper left", fontsize=8)
        axes.grid(alpha=0.3)
    return figure


def _grid(
    items: Sequence[Any], titles: Sequence[str], paint: Callable[[Axes, Any, Any], None], maps: Maps
) -> Figure | None:
    if not items:
        return None
    columns = 6
    rows = -(-len(items) // columns)
    height = 1.9 * rows  # inches
    figure = Figure(figsize=(9, height))
    figure.subplots_adjust(0.03, 0.1 / height, 0.99, 1 - 0.4 / height, hspace=0.4)
    for index, (item, title) in enumerate(zip(items, titles, strict=True), 1):
        axes = figure.add_subplot(rows, columns, index)
        paint(axes, item, None if maps is None else maps[index - 1])
        axes.set_title(title, fontsize=8)
    return figure
