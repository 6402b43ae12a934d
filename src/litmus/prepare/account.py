"""How many records came in, and where each of them went."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from litmus.prepare.config import AGAINST, Prepare
from litmus.prepare.engine import Engine
from litmus.prepare.sources import Piece


def count(engine: Engine, recipe: Prepare, facts: Mapping[str, Any], splits: Mapping[str, Any]) -> dict[str, Any]:
    """How many records came in, and where each of them went.

    Raises:
        AssertionError: If one were lost.
    """
    by_source: dict[str, Any] = {}
    for fact in facts.values():
        own = by_source.setdefault(fact["source"], {"in": 0, "rejected": Counter()})
        own["in"] += fact["in"]
    for source, reason, many in engine.rows("SELECT _source, reason, count(*) FROM rejected GROUP BY _source, reason"):
        by_source[source]["rejected"][reason] += int(many)
    for name, own in by_source.items():
        own["rejected"] = dict(sorted(own["rejected"].items()))
        only_read = name in recipe.tables or recipe.sources[name].split == AGAINST
        own["looked_up" if only_read else "out"] = own["in"] - sum(own["rejected"].values())
    come = sum(own["in"] for own in by_source.values())
    rejected = sum(sum(own["rejected"].values()) for own in by_source.values())
    out = sum(split["rows"] for split in splits.values())
    looked_up = sum(own.get("looked_up", 0) for own in by_source.values())
    if come != out + rejected + looked_up:
        raise AssertionError(f"{come} records came in, {out} went out, {rejected} were rejected, {looked_up} looked up")
    return {"in": come, "out": out, "rejected": rejected, "looked_up": looked_up, "sources": by_source}


def lineage(todo: list[Piece], facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each part was read from."""
    return [
        {
            "source": piece.source,
            "part": piece.key,
            "bytes": piece.size,
            "files": [file.name for file in piece.files],
            "in": facts[piece.key]["in"],
            "read": facts[piece.key]["out"],
        }
        for piece in todo
    ]


def summary(manifest: Mapping[str, Any]) -> str:
    """What came of the records, for people: a line a split, and one a reason."""
    counts = manifest["counts"]
    lines = [f"{counts['in']:,} records in"]
    for split, facts in manifest["splits"].items():
        lines.append(f"{facts['rows']:>12,} {split}")
    reasons: Counter[str] = Counter()
    for own in counts["sources"].values():
        reasons.update(own["rejected"])
    for reason, many in sorted(reasons.items()):
        lines.append(f"{many:>12,} rejected: {reason}")
    if counts["looked_up"]:
        lines.append(f"{counts['looked_up']:>12,} read to be looked up, or compared with")
    for split, many in manifest["found"]["repeats"].items():
        if many:
            lines.append(f"found {many:,} repeats inside {split}")
    if many := manifest["found"]["evaluation_records_in_train"]:
        lines.append(f"found {many:,} records for evaluation among those for training")
    return "\n".join(lines)
