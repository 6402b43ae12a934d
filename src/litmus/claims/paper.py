"""`litmus paper`: the claims as tables in Markdown and LaTeX, and as figures in PDF and PNG."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from litmus.claims.table import Row, latex, markdown
from litmus.folder import write_whole

FORMATS = ("pdf", "png")
DOTS = 200  # an inch of a PNG
POINTS = 100  # of a mean curve


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
    """Each claim's mean with its interval as a share of the paper's value."""
    figure = Figure(figsize=(7, 0.8 + 0.34 * len(rows)), layout="constrained")
    axes = figure.subplots()
    colours = {"reproduced": "tab:green", "deviates": "tab:red"}
    for place, row in enumerate(reversed(rows)):
        summary, claim = row.verdict.summary, row.recipe.claim
        assert summary is not None
        unit = abs(claim.value) or 1.0
        low, high = claim.value - claim.tolerance.below, claim.value + claim.tolerance.above
        axes.barh(place, (high - low) / unit, left=low / unit, height=0.7, color="0.88")
        colour = colours.get(row.verdict.word, "tab:gray")
        axes.errorbar(summary.mean / unit, place, xerr=(summary.half or 0) / unit, fmt="o", color=colour, capsize=3)
    axes.axvline(1, color="0.3", linewidth=1)
    axes.set_yticks(range(len(rows)), [row.recipe.name for row in reversed(rows)])
    axes.set(xlabel="here / paper (mean and 95 % interval; grey: the tolerance)")
    return figure


def costs(rows: Sequence[Row]) -> Figure:
    """Seconds of a seed against the difference from the paper, in tolerances."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for row in rows:
        summary, claim = row.verdict.summary, row.recipe.claim
        seconds = [float(run["seconds"]) for run in row.runs if run.get("seconds")]
        if summary is None or not seconds:
            continue
        off = summary.mean - claim.value
        unit = (claim.tolerance.above if off > 0 else claim.tolerance.below) or abs(claim.value) or 1.0
        axes.plot(np.median(seconds), off / unit, "o", color="tab:blue")
        axes.annotate(
            row.recipe.name,
            (float(np.median(seconds)), off / unit),
            fontsize=7,
            xytext=(4, 4),
            textcoords="offset points",
        )
    for edge in (-1, 1):
        axes.axhline(edge, color="0.6", linewidth=1, linestyle="--")
    axes.set(xscale="log", xlabel="seconds of a seed", ylabel="difference from the paper, in tolerances")
    axes.grid(alpha=0.3)
    return figure


def curves(row: Row) -> Figure | None:
    """Mean over the seeds of each curve, with a band from the lowest to the highest; None if none was kept."""
    kept = [run["curves"] for run in row.runs if run.get("curves")]
    names = sorted(set.intersection(*(set(each) for each in kept))) if kept else []
    metrics = list(dict.fromkeys(name.partition("/")[2] for name in names))
    if not metrics:
        return None
    figure = Figure(figsize=(4 * len(metrics), 3.2), layout="constrained")
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
