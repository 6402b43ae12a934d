"""Sections of the page that are tables only."""

import html
from collections.abc import Mapping
from typing import Any

from litmus.page import bar, details, long_table, small, table

Found = Mapping[str, Any]
MOST_CLASSES = 100
SHOWN = 5  # clusters, before one asks for more


def column_values(columns: Found) -> str:
    """The most frequent values of each column."""
    parts = []
    for name, column in columns.items():
        if column["frequent"]:
            rows = [(str(one["value"]), one["count"]) for one in column["frequent"]]
            parts.append(details(f"Most frequent in {name}", table(["value", "rows"], rows)))
    return "\n".join(parts)


def classes(found: Found) -> str:
    """Counts and shares of classes: in all, by split and by source."""
    own = found["classes"]
    if not own:
        return ""
    total = max(sum(own["counts"].values()), 1)
    groups = [*own["splits"].items(), *own["sources"].items()]
    head = ["class", "rows", "share", "", *own["splits"], *(f"source {name}" for name in own["sources"])]
    sums = [max(sum(counts.values()), 1) for _, counts in groups]
    rows = []
    for name, count in list(own["counts"].items())[:MOST_CLASSES]:
        shares = [f"{counts[name] / every:.1%}" for (_, counts), every in zip(groups, sums, strict=True)]
        rows.append((name, count, f"{count / total:.1%}", bar(count / total), *shares))
    said = f"<p>{own['classes']:,} classes; columns of splits and sources: the shares there.</p>"
    return said + table(head, rows)


def rejects(found: Found) -> str:
    """Reasons, with some examples of each."""
    own = found["rejected"]
    if not own:
        return "<p>No record was rejected.</p>"
    most = sum(one["count"] for one in own.values())
    rows = [
        (
            reason,
            one["count"],
            bar(one["count"] / most),
            ", ".join(f"{source} {count:,}" for source, count in one["sources"].items()),
        )
        for reason, one in sorted(own.items(), key=lambda item: -item[1]["count"])
    ]
    parts = [table(["reason", "records", "", "sources"], rows)]
    for reason, one in own.items():
        examples = [(small(place(at)), at["detail"], at["text"] or "") for at in one["examples"]]
        parts.append(details(f"Examples of {reason}", table(["place", "why", "record"], examples)))
    return "\n".join(parts)


def cluster_examples(found: Found) -> str:
    """What repeats, before anything was done about it, and the largest clusters."""
    facts = found["found"] or {}
    said = [f"{split}: {count:,} repeats" for split, count in facts.get("repeats", {}).items() if count]
    for name, words in (
        ("evaluation_records_in_train", "records for evaluation that also stand in train"),
        ("texts_with_several_labels", "inputs with several labels"),
    ):
        if facts.get(name):
            said.append(f"{facts[name]:,} {words}")
    parts = [f"<p>As read: {html.escape('; '.join(said) or 'no repeats')}.</p>"]
    own = found["clusters"]
    if own["clusters"]:
        parts.append(f"<p>{own['clusters']:,} clusters, the largest first:</p>")
        rows = []
        for one in own["largest"]:
            others = [place(at) for at in one["examples"] if place(at) != one["kept"]]
            more = one["rejected"] - len(one["examples"])
            others += [f"and {more:,} more"] if more > 0 else []
            text = one["kept_text"] or next((at["text"] for at in one["examples"] if at["text"]), "")
            first = f"{one['kept']} ({one['kept_split'] or 'rejected, too'})"
            rows.append((text, one["reason"], one["rejected"], small("\n".join([first, *others]))))
        parts.append(long_table(["text", "reason", "rejected", "the first, and rejected ones"], rows, SHOWN))
    return "\n".join(parts)


def outlier_lists(found: Found) -> str:
    """The ends of each column."""
    parts = []
    for name, own in found["outliers"].items():
        lists = [(end, own[end]) for end in ("farthest", "shortest", "longest") if own.get(end)]
        about = " of the logarithm of its length" if own.get("logarithm") else ""
        said = f"{name}: {own['count']:,} rows are more than 5 robust standard deviations{about} from the median"
        parts.append(f"<p>{html.escape(said)}.</p>")
        for end, rows in lists:
            listed = [(one["value"], one["split"], small(place(one)), one["text"] or "") for one in rows]
            shown = table(["value", "split", "place", "text"], listed)
            parts.append(details(f"{end.capitalize()} in {name}", shown))
    if found.get("image_sizes"):
        sizes = [(f"{one['width']} x {one['height']}, {one['mode']}", one["count"]) for one in found["image_sizes"]]
        parts.append(table(["size", "images looked at"], sizes))
    return "\n".join(parts)


def place(one: Found) -> str:
    """Where a record came from."""
    return f"{one['_file']}:{one['_row']}"
