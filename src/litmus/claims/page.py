"""The page of a reproduction: each claim with its verdict, how far it is off, what it cost, and the runs behind it."""

import html
from collections.abc import Iterator, Sequence
from pathlib import Path

from litmus.claims.paper import bars, costs, curves
from litmus.claims.table import Row, cells, headline
from litmus.folder import write_whole
from litmus.page import Raw, command, details, inline, judged, link, page, sections, svg, table

HEAD = ("claim", "verdict", "paper", "here, 95 % interval", "difference", "n", "from, to", "a seed")
CLASSES = {"reproduced": "good", "deviates": "bad"}
KNOWN = ("seed", "value", "seconds", "run", "commit", "device")


def write_page(rows: Sequence[Row], folder: Path) -> Path:
    """report.html in a folder, in the place of the one before."""
    run = [row for row in rows if row.verdict.summary is not None]
    figures = {"distance from the papers": bars(run), "cost and distance": costs(run)} if run else {}
    parts = [f"<p><b>{html.escape(headline(rows))}</b></p>", table(HEAD, map(_cells, rows)), *_misses(rows)]
    drawn = {title: inline(svg(figure)) for title, figure in figures.items()}
    claims = "\n".join(claim(row) for row in rows)
    again = command("litmus reproduce --all\nlitmus reproduce --check")
    parts.append(sections({**drawn, "claims": claims, "run it again": again}))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    write_whole(path, page("Reproduction", "\n".join(parts)))
    return path


def _cells(row: Row) -> list[object]:
    name, _, here, n, ends, difference, verdict, seconds, _ = cells(row)
    claim = row.recipe.claim
    word = judged(verdict, CLASSES.get(row.verdict.word))
    numbers = map(_whole, (f"{claim.metric} {claim.value:.4g}", here, difference, n, ends, seconds))
    return [link(f"#{name}", name), word, *numbers]


def _whole(text: str) -> Raw:
    """On one line."""
    return Raw(f'<span class="number">{html.escape(text)}</span>')


def _misses(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if row.verdict.word == "deviates":
            reason = row.recipe.claim.miss or "nobody knows why yet"
            yield f"<p>{html.escape(row.recipe.name)} deviates: {html.escape(reason)}</p>"


def claim(row: Row) -> str:
    """What is claimed, its curves and its runs."""
    claim, figure = row.recipe.claim, curves(row) if row.runs else None
    tolerance = f"-{claim.tolerance.below:g}, +{claim.tolerance.above:g}: {claim.tolerance.reason}"
    facts = [
        ("printed", claim.printed),
        ("tolerance", tolerance),
        ("weights", claim.selection),
    ]
    if claim.deviations:
        facts.append(("unlike there", "\n".join(claim.deviations)))
    runs = [[run.get(name) for name in KNOWN] for run in row.runs]
    commands = {str(run["command"]): None for run in row.runs if run.get("command")}
    parts = [
        f'<h3 id="{html.escape(row.recipe.name)}">{html.escape(row.recipe.name)}: {html.escape(claim.title)}</h3>',
        table(("", ""), facts),
        inline(svg(figure)) if figure is not None else "",
        details(f"{len(runs)} runs", table(KNOWN, runs) + command("\n".join(commands))) if runs else "",
    ]
    return "\n".join(filter(None, parts))
