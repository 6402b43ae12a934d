"""How many examples each class has: by split, and by source."""

from typing import Any

from litmus.prepare.mining.result import Result

MOST_CLASSES = 1000  # that are listed, the most frequent first


def balance(result: Result) -> dict[str, Any] | None:
    """Counts of classes; None where the target is no class."""
    if not result.has_classes:
        return None
    found = result.rows(
        f'SELECT "{result.target}" AS label, _split, _source, count(*) FROM rows WHERE label IS NOT NULL '
        "GROUP BY ALL ORDER BY ALL"
    )
    totals: dict[Any, int] = {}
    for label, _, _, count in found:
        totals[label] = totals.get(label, 0) + count
    if result.columns[str(result.target)] == "label":
        totals = {label: totals.get(label, 0) for label in range(len(result.manifest["classes"]))}
    order = sorted(totals, key=lambda label: -totals[label])[:MOST_CLASSES]
    none = {result.said(label): 0 for label in order}
    counts: dict[str, dict[str, dict[str, int]]] = {
        "splits": {split: {**none} for split in result.splits},
        "sources": {},
    }
    for label, split, source, count in found:
        for group, name in (("splits", split), ("sources", source)):
            own = counts[group].setdefault(name, {**none})
            if result.said(label) in own:
                own[result.said(label)] += count
    total = sum(totals.values())
    return {
        "classes": len(totals),
        "counts": {result.said(label): totals[label] for label in order},
        "largest_share": max(totals.values()) / total if total else None,
        **counts,
    }
