"""Histograms by split: characters of texts, bytes of images, numbers."""

import math
from collections.abc import Mapping
from typing import Any

from litmus.prepare.mining.columns import measure
from litmus.prepare.mining.result import Result

BINS = 40


def histograms(result: Result, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Counts in bins of one width; what is beyond the last percent on an open side stands in the outermost bin."""
    found = {}
    for name, column in columns.items():
        number = measure(result, name)
        quantiles = column["splits"]["all"].get("quantiles")
        if number is None or not quantiles:
            continue
        whole = column["kind"] != "number"
        low = column["splits"]["all"]["min"] if column["kind"] in ("text", "image") else quantiles["0.01"]
        high = quantiles["0.99"]
        low = math.floor(low) if whole else low
        width = max(1, math.ceil((high - low) / BINS)) if whole else (high - low) / BINS
        if not width:
            continue
        bins = min(BINS, math.ceil((high - low + 1) / width)) if whole else BINS
        spot = f"least(greatest(floor(({number}::DOUBLE - ({low!r})) / {width!r}), 0), {bins - 1})::INTEGER"
        counts = {split: [0] * bins for split in result.splits}
        for split, place, many in result.rows(
            f"SELECT _split, {spot} AS place, count(*) FROM rows WHERE {number} IS NOT NULL GROUP BY ALL"
        ):
            counts[split][place] = many
        found[name] = {"measured": column["measured"], "from": low, "width": width, "splits": counts}
    return found
