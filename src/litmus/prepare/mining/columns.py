"""Each column: what it holds, in all splits and in each."""

from typing import Any

from litmus.prepare.config import NUMERIC
from litmus.prepare.mining.quantiles import quantiles
from litmus.prepare.mining.result import Result

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
MOST_FREQUENT = 10
EXCERPT = 200  # characters


def columns(result: Result) -> dict[str, Any]:
    """Type, statistics by split (`all` is all of them together), and the most frequent values.

    `distinct` is an estimate (HyperLogLog, within some percent), and so are the quantiles.
    """
    return {
        name: {
            "kind": kind,
            "type": str(result.schema.field(name).type),
            "measured": MEASURED.get(kind, "value"),
            "splits": _statistics(result, name, kind),
            "frequent": _frequent(result, name, kind),
        }
        for name, kind in result.columns.items()
    }


MEASURED = {"text": "characters", "image": "bytes"}


def measure(result: Result, name: str) -> str | None:
    """SQL for the number that is looked at: a value, characters of a text, bytes of an image; None: there is none."""
    kind = result.columns[name]
    if kind in NUMERIC:
        return f'"{name}"'
    return {"text": f'"{name}_length"', "image": f'octet_length("{name}")'}.get(kind)


def _statistics(result: Result, name: str, kind: str) -> dict[str, Any]:
    number = measure(result, name)
    wanted = [f'count(*), count(*) - count("{name}"), approx_count_distinct("{name}")']
    if number is not None:
        wanted.append(f"min({number}), max({number}), avg({number}), stddev_pop({number}::DOUBLE)")
    elif kind == "time":
        wanted.append(f'min("{name}")::VARCHAR, max("{name}")::VARCHAR')
    found = result.rows(f"SELECT _split, {', '.join(wanted)} FROM rows GROUP BY ROLLUP (_split)")
    by_split = {split or "all": _said(values) for split, *values in found}
    if number is not None:
        for split, values in quantiles(result, number, QUANTILES).items():
            by_split[split]["quantiles"] = dict(zip(map(str, QUANTILES), values, strict=True))
    return {split: by_split[split] for split in ("all", *result.splits)}


def _said(values: list[Any]) -> dict[str, Any]:
    count, nulls, distinct, *more = values
    said = {"count": count, "nulls": nulls, "distinct": min(distinct, count - nulls)}
    return said | dict(zip(("min", "max", "mean", "std"), more, strict=False))


def _frequent(result: Result, name: str, kind: str) -> list[dict[str, Any]]:
    """Values that stand there more than once; long texts are counted by a hash."""
    if kind in ("image", "time"):
        return []
    value = f'hash("{name}")' if kind == "text" else f'"{name}"'
    found = result.rows(
        f'SELECT {value} AS value, count(*) AS many FROM rows WHERE "{name}" IS NOT NULL GROUP BY value '
        f"HAVING many > 1 ORDER BY many DESC, value LIMIT {MOST_FREQUENT}"
    )
    if kind == "text" and found:
        hashes = ", ".join(str(value) for value, _ in found)
        texts = dict(
            result.rows(
                f'SELECT hash("{name}") AS value, min(substr("{name}", 1, {EXCERPT})) FROM rows '
                f"WHERE value IN ({hashes}) GROUP BY value"
            )
        )
        found = [(texts[value], many) for value, many in found]
    said = result.said if name == result.target else (lambda value: value)
    return [{"value": said(value), "count": many} for value, many in found]
