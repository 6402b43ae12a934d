"""Quantiles that come out the same every time, in bounded memory: counts in buckets that grow by a hundredth (DDSketch;
Masson, Rim, Lee 2019). DuckDB's own sketch gives others each time."""

from collections.abc import Sequence

from litmus.prepare.mining.result import Result

GROWTH = 1.01  # an estimate is within half a percent of its distance from the least value


def quantiles(result: Result, number: str, places: Sequence[float]) -> dict[str, list[float]]:
    """Quantiles of a SQL expression by split, and of `all`; exact where a bucket holds one value."""
    least = result.rows(f"SELECT min({number})::DOUBLE FROM rows")[0][0]
    if least is None:
        return {}
    away = f"({number})::DOUBLE - ({least!r})"
    found = result.rows(
        f"SELECT _split, CASE WHEN {away} > 0 THEN floor(ln({away}) / ln({GROWTH})) ELSE -1e9 END AS bucket, count(*), "
        f"min({number})::DOUBLE, max({number})::DOUBLE FROM rows WHERE {number} IS NOT NULL GROUP BY ALL "
        "ORDER BY bucket, _split"
    )
    by_split: dict[str, list[tuple[int, float]]] = {split: [] for split in ("all", *result.splits)}
    for split, _, count, low, high in found:
        for name in ("all", split):
            by_split[name].append((count, (low + high) / 2))
    return {split: [_at(place, buckets) for place in places] for split, buckets in by_split.items() if buckets}


def _at(place: float, buckets: Sequence[tuple[int, float]]) -> float:
    """The value that a share of all values reaches."""
    left = place * sum(count for count, _ in buckets)
    for count, value in buckets:
        left -= count
        if left <= 0:
            return value
    return buckets[-1][1]
