"""One HTML page that needs nothing else: no network, light and dark, figures inside as SVG."""

import html
import io
from collections.abc import Iterable, Mapping, Sequence

from matplotlib import rc_context
from matplotlib.figure import Figure

NUMBER = ' class="number"'
LONG = 40  # characters, above which a text in a table gets room

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
figure {{ margin: 1rem 0; padding: 1rem; border: 1px solid #8886; border-radius: .5rem; overflow-x: auto }}
figure svg {{ max-width: 100%; min-width: 34rem; height: auto; fill: currentColor }}
.wide {{ overflow-x: auto }}
table {{ border-collapse: collapse }} td, th {{ padding: .2rem 1rem .2rem 0; text-align: left; vertical-align: top }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }}
th.number {{ white-space: normal; vertical-align: bottom }} thead th {{ vertical-align: bottom }}
td.text {{ min-width: min(16rem, 55vw); overflow-wrap: anywhere; white-space: pre-line }}
td small {{ white-space: pre }}
meter {{ width: 8rem }}
pre {{ overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere }}
pre.command {{ padding: .6rem 1rem; border: 1px solid #8886; border-radius: .5rem; user-select: all }}
.good {{ color: light-dark(#1a7f37, #4ac26b) }} .bad {{ color: light-dark(#cf222e, #ff7b72) }}
.dim {{ color: light-dark(#57606a, #9198a1) }}
.plus {{ background: rgb(214 60 50 / var(--share)) }} .minus {{ background: rgb(50 110 240 / var(--share)) }}
p.tokens {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: .2rem 0 1rem }}
h1 {{ overflow-wrap: anywhere }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


class Raw(str):
    """HTML that stands in a table as it is."""


def page(title: str, body: str) -> str:
    """The whole page; the title is escaped, the body is HTML."""
    return PAGE.format(title=html.escape(title), body=body)


def svg(figure: Figure) -> str:
    """A figure as an SVG file; the same figure gives the same characters.

    It has no background, and what is black in it takes the colour of the text around it, so it is read in the dark too.
    """
    for legend in filter(None, (axes.get_legend() for axes in figure.axes)):
        legend.get_frame().set_visible(False)
    buffer = io.StringIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with rc_context({"svg.hashsalt": "litmus"}):
        figure.savefig(buffer, format="svg", metadata=metadata, transparent=True)
    return buffer.getvalue().replace("#000000", "currentColor")


def inline(picture: str) -> str:
    """An SVG file inside a page."""
    return f"<figure>{picture[picture.index('<svg') :]}</figure>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table that scrolls on a narrow screen; everything but `Raw` is escaped, and numbers stand to the right."""
    rows = list(rows)
    numeric = [any(isinstance(row[place], int | float) for row in rows) for place in range(len(head))]
    names = "".join(
        f"<th{NUMBER if number else ''}>{html.escape(name)}</th>" for name, number in zip(head, numeric, strict=True)
    )
    lines = "\n".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{names}</tr></thead>\n<tbody>{lines}</tbody></table></div>'


def long_table(head: Sequence[str], rows: Sequence[Sequence[object]], shown: int) -> str:
    """A table of which only the first rows are seen at once."""
    rest = rows[shown:]
    more = details(f"{len(rest)} more", table(head, rest)) if rest else ""
    return table(head, rows[:shown]) + more


def cell(value: object) -> str:
    """One field of a table; a long text gets room."""
    if isinstance(value, Raw):
        return f"<td>{value}</td>"
    if value is None:
        return f"<td{NUMBER}>-</td>"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"<td{NUMBER}>{shown(value)}</td>"
    text = str(value)
    room = ' class="text"' if len(text) > LONG else ""
    return f"<td{room}>{html.escape(text)}</td>"


def shown(value: int | float) -> str:
    """A number for people."""
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < 1e15)
    return f"{value:,.0f}" if whole else f"{value:.4g}"


def bar(share: float) -> Raw:
    """A share from 0 to 1 as a bar."""
    return Raw(f'<meter value="{min(max(share, 0.0), 1.0):.4f}"></meter>')


def small(text: str) -> Raw:
    """Lines that stay as they are, such as names of files."""
    return Raw(f"<small>{html.escape(text)}</small>")


def tokens(pieces: Sequence[str], shares: Sequence[float]) -> str:
    """A text with its tokens marked: red from 0 to 1, blue from 0 to -1."""
    marked = (
        f'<span class="{"plus" if share > 0 else "minus"}" style="--share:{min(abs(share), 1.0):.2f}">'
        f"{html.escape(piece)}</span>"
        for piece, share in zip(pieces, shares, strict=True)
    )
    return f'<p class="tokens">{"".join(marked)}</p>'


def sections(parts: Mapping[str, str]) -> str:
    """Titles, and what stands under each; what is empty has none."""
    return "\n".join(f"<h2>{title[0].upper()}{title[1:]}</h2>\n{part}" for title, part in parts.items() if part)


def judged(word: str, kind: str | None) -> Raw:
    """A word in the colour of what is `good` or `bad`; None for neither."""
    return Raw(f'<span class="{kind or "dim"}">{html.escape(word)}</span>')


def link(address: str, text: str) -> Raw:
    """A place to go to; the address is relative to the page, or of the web."""
    return Raw(f'<a href="{html.escape(address)}">{html.escape(text)}</a>')


def command(text: str) -> str:
    """A command line, which one click selects."""
    return f'<pre class="command">{html.escape(text)}</pre>'


def details(title: str, content: str) -> str:
    """HTML that is shown when its title is clicked on."""
    return f"<details><summary>{html.escape(title)}</summary>{content}</details>"
