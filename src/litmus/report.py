"""Figures of a run and the page that shows them: one file, no network."""

import html
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from litmus.folder import read_metrics, read_record, write_whole
from litmus.page import inline, page, svg

CURVES = ("loss", "accuracy", "mse", "perplexity")
LONGEST = 500  # characters of a text that are shown
MOST_NAMED = 20  # classes, above which a confusion matrix has no names and numbers

BODY = """<p>{summary}</p>
<table>{rows}</table>
{figures}
<h2>Run it again</h2>
<pre>{command}</pre>
<h2>Record</h2>
<details><summary>run.json</summary><pre>{record}</pre></details>"""


def learning_curves(path: Path) -> Figure | None:
    """Loss and scores over steps, train beside val; None if nothing was logged."""
    curves: dict[str, dict[str, list[tuple[int, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in read_metrics(path):
        stage, _, name = row["metric"].partition("/")
        if stage in ("train", "val") and name in CURVES:
            curves[name][stage].append((int(row["step"]), float(row["value"])))
    if not curves:
        return None
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axes, (name, stages) in zip(np.atleast_1d(figure.subplots(1, len(curves))), curves.items(), strict=True):
        for stage, points in sorted(stages.items()):
            axes.plot(*zip(*points, strict=True), label=stage, marker="o", markersize=2.5, linewidth=1.2)
        axes.set(xlabel="step", title=name)
        axes.legend()
        axes.grid(alpha=0.3)
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
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count) if count else "", ha="center", va="center", color=color, fontsize=8)
    return figure


def pictures(images: Sequence[NDArray[np.uint8]], titles: Sequence[str]) -> Figure | None:
    """A grid of images [height, width, channels]; None if there are none."""

    def paint(axes: Axes, image: NDArray[np.uint8]) -> None:
        axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        axes.axis("off")

    return _grid(images, titles, paint)


def curves(series: Sequence[NDArray[np.float32]], titles: Sequence[str]) -> Figure | None:
    """A grid of series [length, channels]; None if there are none."""

    def paint(axes: Axes, values: NDArray[np.float32]) -> None:
        axes.plot(values, linewidth=1)
        axes.tick_params(labelsize=6)

    return _grid(series, titles, paint)


def texts(words: Sequence[str], titles: Sequence[str]) -> str | None:
    """A table of texts, in HTML; None if there are none."""
    rows = (
        f"<tr><th>{html.escape(title)}</th><td>{html.escape(text[:LONGEST])}</td></tr>"
        for title, text in zip(titles, words, strict=True)
    )
    return f"<table>{''.join(rows)}</table>" if words else None


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


def _grid(items: Sequence[Any], titles: Sequence[str], paint: Callable[[Axes, Any], None]) -> Figure | None:
    if not items:
        return None
    columns = 6
    rows = -(-len(items) // columns)
    figure = Figure(figsize=(9, 1.9 * rows), layout="constrained")
    for index, (item, title) in enumerate(zip(items, titles, strict=True), 1):
        axes = figure.add_subplot(rows, columns, index)
        paint(axes, item)
        axes.set_title(title, fontsize=8)
    return figure


def write_page(folder: Path, figures: Mapping[str, Figure | str]) -> None:
    """figures/*.svg and report.html in the run's folder."""
    (folder / "figures").mkdir(exist_ok=True)
    parts = []
    for title, figure in figures.items():
        if isinstance(figure, str):
            parts.append(f"<h2>{title.capitalize()}</h2>\n{figure}")
            continue
        picture = svg(figure)
        (folder / "figures" / f"{title.replace(' ', '_')}.svg").write_text(picture)
        parts.append(f"<h2>{title.capitalize()}</h2>\n{inline(picture)}")
    record = read_record(folder)
    write_whole(folder / "report.html", run_page(record, "\n".join(parts)))


def shown(value: float | None) -> str:
    """A metric in a table; one that was not finite is none."""
    return "-" if value is None else f"{value:.4f}"


def run_page(record: Mapping[str, Any], figures: str) -> str:
    """The HTML of a record and its figures."""
    metrics = {name: value for name, value in record["metrics"].items() if name.startswith(("val/", "test/"))}
    rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{shown(value)}</td></tr>" for name, value in metrics.items())
    git = record.get("git") or {}
    summary = f"seed {record['seed']}, {record['parameters']:,} parameters, {record['hardware']['cpu']}"
    body = BODY.format(
        summary=html.escape(f"{summary}, {record['device']}, commit {git.get('commit', 'none')[:12]}"),
        rows=rows,
        figures=figures,
        command=html.escape(record["command"]),
        record=html.escape(json.dumps({**record, "git": {**git, "patch": "..."}}, indent=2)),
    )
    return page(record["id"], body)
