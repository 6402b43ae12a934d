"""The profile as one HTML page; everything that comes from the data is escaped by the tables."""

import html
from collections.abc import Callable, Mapping
from typing import Any

from litmus.page import Raw, details, inline, long_table, page, small, svg, table
from litmus.prepare.mining import figures
from litmus.prepare.mining.sections import classes, cluster_examples, column_values, outlier_lists, place, rejects

MOST_HISTOGRAMS = 12
SHOWN = 10  # label errors, before one asks for more

Found = Mapping[str, Any]


def profile_page(found: Found) -> str:
    """HTML of profile.json."""
    parts = [f"<h2>{title}</h2>\n{content}" for title, section in SECTIONS.items() if (content := section(found))]
    return page(f"{found['name']}: profile", "\n".join([_summary(found), *parts]))


def _summary(found: Found) -> str:
    rows = sum(found["rows"].values())
    said = (
        f"{rows:,} rows of kind {found['kind']} ({', '.join(f'{split} {n:,}' for split, n in found['rows'].items())})"
    )
    counts = found["counts"] or {}
    if counts:
        said += f", from {counts['in']:,} records, of which {counts['rejected']:,} were rejected"
    looked = ", ".join(f"{split} {count:,}" for split, count in found["sample"]["rows"].items())
    return (
        f"<p>{html.escape(said)}; fingerprint {html.escape(str(found['fingerprint']))}.</p>\n"
        "<p>Counts and statistics are of all rows. The vocabulary, drift and label errors are of the first rows in the "
        f"order of a hash ({looked}), and of the first {found['sample']['longest_text']:,} characters of a text.</p>"
    )


def _columns(found: Found) -> str:
    head = [
        "column",
        "kind",
        "split",
        "rows",
        "missing",
        "≈\u00a0distinct",
        "min",
        "≈\u00a0median",
        "≈\u00a099%",
        "max",
        "mean",
        "std",
    ]
    rows = []
    for name, column in found["columns"].items():
        kind = column["kind"] if column["measured"] == "value" else f"{column['kind']} ({column['measured']})"
        for split, own in column["splits"].items():
            places = own.get("quantiles", {})
            first = (name, kind) if split == "all" else ("", "")
            more = (
                own.get("min"),
                places.get("0.5"),
                places.get("0.99"),
                own.get("max"),
                own.get("mean"),
                own.get("std"),
            )
            rows.append((*first, split, own["count"], own["nulls"], own["distinct"], *more))
    return table(head, rows) + column_values(found["columns"])


def _histograms(found: Found) -> str:
    shown = list(found["histograms"].items())[:MOST_HISTOGRAMS]
    parts = [f"<h3>{html.escape(name)}</h3>{inline(svg(figures.histogram(one)))}" for name, one in shown]
    note = "<p>The outermost bins hold what lies beyond 99% of the values.</p>" if parts else ""
    return note + "\n".join(parts)


def _vocabulary(found: Found) -> str:
    own = found["vocabulary"]
    if not own:
        return ""
    said = f"{own['tokens']:,} {own['unit']} in {own['texts']:,} texts, {own['distinct']:,} distinct"
    said += f", {own['seen_once']:,} seen once"
    if own["heaps_exponent"] is not None:
        said += f"; the vocabulary grows with the power {own['heaps_exponent']:.2f} of the text (Heaps)"
    frequent = " ".join(f"{one['token']} {one['count']:,};" for one in own["frequent"])
    more = details("Most frequent", f"<p>{html.escape(frequent)}</p>")
    return f"<p>{said}.</p>{inline(svg(figures.vocabulary(own)))}{more}"


def _drift(found: Found) -> str:
    told = [one for one in found["drift"] if "classifier" in one]
    rows = []
    for one in found["drift"]:
        between = f"{one['between']}: {one['a']} / {one['b']}"
        if "why_not" in one:
            rows.append((None, between, one["why_not"], None, None, None))
            continue
        measures = {}
        if "classifier" in one:
            measures["classifier (area)"] = (one["classifier"]["auc"], one["classifier"]["chance"])
        measures |= {name: (own["distance"], own["chance"]) for name, own in one["distances"].items()}
        for line, (name, (value, chance)) in enumerate(measures.items()):
            first = (told.index(one) + 1 if one in told else None, between) if line == 0 else ("", "")
            rows.append((*first, name, round(value, 3), round(chance, 3), "differs" if value > chance else "alike"))
    if not rows:
        return ""
    note = (
        "<p>The area under the curve of a quick model that tells two sides apart, unseen (0.5: alike), and distances "
        "of Jensen and Shannon from 0 (alike) to 1; beside them what chance does not exceed, with sides that "
        "are drawn by lot.</p>"
    )
    figure = inline(svg(figures.drift(told))) if told else ""
    parts = [note, figure, table(["", "between", "measure", "value", "by chance", ""], rows)]
    for one in told:
        if one.get("tokens"):
            apart = [(t["token"], f"{t['share_a']:.3%}", f"{t['share_b']:.3%}") for t in one["tokens"]]
            parts.append(
                details(f"Tokens that tell {one['a']} from {one['b']}", table(["token", one["a"], one["b"]], apart))
            )
    return "\n".join(parts)


def _label_errors(found: Found) -> str:
    own = found["label_errors"]
    if not own["looked_at"]:
        return f"<p>Not looked for: {html.escape(own['why_not'])}.</p>"
    note = (
        f"<p>Of {own['looked_at']:,} training rows {own['suspected']:,} are suspected by confident learning; the quick "
        f"model behind it is right for {own['accuracy']:.1%} of rows that it has not seen, so look before you "
        "believe.</p>"
    )
    rows = [
        (
            Raw(f'<img alt="" src="data:image/png;base64,{one["picture"]}">') if "picture" in one else one["text"],
            f"{one['given']} → {one['suggested']}",
            one["probability_given"],
            small(place(one)),
        )
        for one in own["examples"]
    ]
    pairs = [(one["given"], one["suggested"], one["count"]) for one in own["between"]]
    between = details("By classes", table(["given", "suggested", "rows"], pairs))
    return note + between + long_table(["example", "given → suggested", "given's probability", "place"], rows, SHOWN)


SECTIONS: Mapping[str, Callable[[Found], str]] = {
    "Columns": _columns,
    "Classes": classes,
    "Lengths and numbers": _histograms,
    "Vocabulary": _vocabulary,
    "Rejected": rejects,
    "Duplicates": cluster_examples,
    "Drift": _drift,
    "Suspected label errors": _label_errors,
    "Outliers": outlier_lists,
}
