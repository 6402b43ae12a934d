"""What was rejected and why, and the largest clusters of records that say the same."""

from typing import Any

from litmus.prepare.engine import quoted
from litmus.prepare.mining.result import Result
from litmus.prepare.schema import PROVENANCE
from litmus.prepare.write import SAID

LARGEST = 20
EXAMPLES = 3  # of a cluster, and of a reason
EXCERPT = 200  # characters


def rejected(result: Result) -> dict[str, Any]:
    """Counts by reason and source, and some records of each reason."""
    counts = result.rows("SELECT reason, _source, count(*) FROM rejects GROUP BY ALL ORDER BY ALL")
    examples = result.rows(
        f"SELECT reason, _source, _file, _row, detail, substr(record, 1, {EXCERPT}) FROM rejects QUALIFY "
        f"row_number() OVER (PARTITION BY reason ORDER BY _source, _file, _row) <= {EXAMPLES} "
        "ORDER BY reason, _source, _file, _row"
    )
    found: dict[str, Any] = {}
    for reason, source, count in counts:
        own = found.setdefault(reason, {"count": 0, "sources": {}, "examples": []})
        own["count"] += count
        own["sources"][source] = count
    for reason, *place, detail, record in examples:
        found[reason]["examples"].append({**_place(place), "detail": detail, "text": record})
    return found


def clusters(result: Result) -> dict[str, Any]:
    """Rejected records by the kept one that they were the same as (of conflicts: the first one, kept or not)."""
    cases = " ".join(
        f"WHEN reason = {quoted(reason)} THEN substr(detail, {len(words) + 1})" for reason, words in SAID.items()
    )
    result.database.execute(
        f"CREATE OR REPLACE TABLE same AS SELECT reason, CASE {cases} END AS kept, _source, _file, _row, "
        f"substr(record, 1, {EXCERPT}) AS record FROM rejects "
        f"WHERE reason IN ({', '.join(map(quoted, SAID))}) AND kept IS NOT NULL"
    )
    largest = result.rows(
        f"SELECT kept, reason, count(*) AS many FROM same GROUP BY ALL ORDER BY many DESC, kept, reason LIMIT {LARGEST}"
    )
    sizes = result.rows(
        "SELECT many, count(*) FROM (SELECT count(*) AS many FROM same GROUP BY kept, reason) GROUP BY many "
        "ORDER BY many"
    )
    return {
        "clusters": sum(count for _, count in sizes),
        "sizes": [{"rejected": many, "clusters": count} for many, count in sizes],
        "largest": [
            {"kept": kept, "reason": reason, "rejected": many, **_members(result, kept, reason)}
            for kept, reason, many in largest
        ],
    }


def _members(result: Result, kept: str, reason: str) -> dict[str, Any]:
    file, _, row = kept.rpartition(":")
    members = result.database.execute(
        "SELECT _source, _file, _row, record FROM same WHERE kept = ? AND reason = ? ORDER BY _source, _file, _row "
        f"LIMIT {EXAMPLES}",
        [kept, reason],
    ).fetchall()
    text = f'substr("{result.input}", 1, {EXCERPT})' if result.columns[result.input] in ("text", "category") else "NULL"
    first = result.database.execute(
        f"SELECT _split, {text} FROM rows WHERE _file = ? AND _row = ? ORDER BY _source LIMIT 1", [file, int(row)]
    ).fetchall()
    return {
        "kept_split": first[0][0] if first else None,
        "kept_text": first[0][1] if first else None,
        "examples": [{**_place(place), "text": record} for *place, record in members],
    }


def _place(values: list[Any]) -> dict[str, Any]:
    return dict(zip(PROVENANCE, values, strict=True))
