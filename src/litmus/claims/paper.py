"""`litmus paper`: the claims as tables in Markdown and LaTeX, and as figures in PDF and PNG."""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from litmus.claims.table import Row, latex, markdown
from litmus.folder import write_whole

FORMATS = ("pdf", "png")
DOTS = 200  # an inch of a PNG
POINTS = 100  # of a mean curve
HEIGHTS = (5, -11, 18, -24, 31, -37)  # of names above and below their dots
FAR = 3.0  # tolerances, beyond which a claim is drawn at the edge
COLOURS = {"reproduced": "tab:green", "deviates": "tab:red"}


def write(rows: Sequence[Row], folder: Path) -> Iterator[Path]:
    """All of it into a folder, and the path of each file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("claims.md", markdown(rows) + "\n"), ("claims.tex", latex(rows))):
        write_whole(folder / name, text)
        yield folder / name
    run = [row for row in rows if row.verdict.summary is not None]
    if not run:
        return
    figures = {"bars": bars(run), "cost": costs(run)}
    figures |= {f"curves-{row.recipe.name}": figure for row in run if (figure := curves(row)) is not None}
    for name, figure in figures.items():
        for form in FORMATS:
            path = folder / f"{name}.{form}"
            figure.savefig(path, dpi=DOTS, metadata={"CreationDate": None} if form == "pdf" else None)
            yield path


def bars(rows: Sequence[Row]) -> Figure:
    """Each claim's mean with its interval, as a distance from the paper's value."""
    figure = Figure(figsize=(7, 1.0 + 0.3 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(-1, 1, color="gray", alpha=0.15)
    axes.axvline(0, color="gray", linewidth=1)
    for place, row in enumerate(reversed(rows)):
        off, half = distance(row)
        colour = COLOURS.get(row.verdict.word, "tab:gray")
        shape = "o" if abs(off) <= FAR else ">" if off > 0 else "<"
        axes.barh(place, min(max(off, -FAR), FAR), height=0.25, color=colour, alpha=0.4)
        axes.errorbar(min(max(off, -FAR), FAR), place, xerr=half, fmt=shape, color=colour, capsize=3, markersize=5)
    axes.set_yticks(range(len(rows)), [row.recipe.name for row in reversed(rows)])
    axes.set(xlim=(-FAR - 0.2, FAR + 0.2), xlabel="here - paper, in tolerances (mean and 95 % interval)")
    return figure


def costs(rows: Sequence[Row]) -> Figure:
    """Seconds of a seed against the distance from the paper."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.axhspan(-1, 1, color="gray", alpha=0.15)
    points = []
    for row in rows:
        seconds = [float(run["seconds"]) for run in row.runs if run.get("seconds")]
        if seconds:
            points.append((float(np.median(seconds)), min(max(distance(row)[0], -FAR), FAR), row))
    for place, (x, y, row) in enumerate(sorted(points, key=itemgetter(0, 1))):
        axes.plot(x, y, "o", color=COLOURS.get(row.verdict.word, "tab:gray"))
        offset = 4, HEIGHTS[place % len(HEIGHTS)]  # points; neighbours do not write over each other
        axes.annotate(row.recipe.name, (x, y), fontsize=7, xytext=offset, textcoords="offset points")
    axes.margins(x=0.25)
    axes.set(xscale="log", ylim=(-FAR - 0.2, FAR + 0.2))
    axes.set(xlabel="seconds of a seed", ylabel="here - paper, in tolerances")
    axes.grid(alpha=0.3)
    return figure


def distance(row: Row) -> tuple[float, float]:
    """Of a mean from the paper's value, and half its interval, in tolerances; a claim without any is in units of
    its value."""
    summary, claim = row.verdict.summary, row.recipe.claim
    assert summary is not None
    off = summary.mean - claim.value
    unit = (claim.tolerance.above if off > 0 else claim.tolerance.below) or abs(claim.value) or 1.0
    return off / unit, (summary.half or 0.0) / unit


def curves(row: Row) -> Figure | None:
    """Mean over the seeds of each curve, with a band from the lowest to the highest; None if none was kept."""
    kept = [run["curves"] for run in row.runs if run.get("curves")]
    names = sorted(set.intersection(*(set(each) for each in kept))) if kept else []
    metrics = list(dict.fromkeys(name.partition("/")[2] for name in names))
    if not metrics:
        return None
    figure = Figure(figsize=(4.5 * len(metrics), 3.4))
    figure.subplots_adjust(0.11 / len(metrics), 0.14, 0.99, 0.83, wspace=0.2)
    for axes, metric in zip(np.atleast_1d(figure.subplots(1, len(metrics))), metrics, strict=True):
        for name in (name for name in names if name.partition("/")[2] == metric):
            steps = [np.array([point[0] for point in each[name]]) for each in kept]
            grid = np.linspace(max(each[0] for each in steps), min(each[-1] for each in steps), POINTS)
            lines = [
                np.interp(grid, each, [point[1] for point in curve[name]])
                for each, curve in zip(steps, kept, strict=True)
            ]
            axes.plot(grid, np.mean(lines, axis=0), label=name.partition("/")[0], linewidth=1.2)
            axes.fill_between(grid, np.min(lines, axis=0), np.max(lines, axis=0), alpha=0.25)
        axes.set(xlabel="step", title=metric)
        axes.legend()
        axes.grid(alpha=0.3)
    figure.suptitle(f"{row.recipe.name}, {len(kept)} seeds")
    return figure
