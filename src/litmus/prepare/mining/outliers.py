"""Values far from the others: numbers, texts by length, images by size."""

import io
from collections import Counter
from typing import Any

from litmus.prepare.compare import MAD
from litmus.prepare.config import NUMERIC
from litmus.prepare.mining.columns import measure
from litmus.prepare.mining.quantiles import quantiles
from litmus.prepare.mining.result import Result

FAR = 5.0  # standard deviations, of the normal distribution with the same median absolute deviation
LISTED = 10
EXCERPT = 200  # characters


def outliers(result: Result) -> dict[str, Any]:
    """Of each column how many are far out, and the farthest ones; of texts and images both ends.

    Lengths are compared by their logarithms. Medians are estimates.
    """
    return {name: _column(result, name) for name, kind in result.columns.items() if kind in (*NUMERIC, "text", "image")}


def _column(result: Result, name: str) -> dict[str, Any]:
    number = str(measure(result, name))
    numeric = result.columns[name] in NUMERIC
    scaled = f"{number}::DOUBLE" if numeric else f"ln(1 + {number})"
    median = quantiles(result, scaled, [0.5])
    if not median:
        return {"count": 0}
    middle = median["all"][0]
    away = f"abs({scaled} - ({middle!r}))"
    spread = MAD * quantiles(result, away, [0.5])["all"][0]
    far = f"{away} > {FAR * spread!r}" if spread > 0 else "false"
    count = result.rows(f"SELECT count(*) FROM rows WHERE {far}")[0][0]
    found = {"median": middle, "robust_std": spread, "logarithm": not numeric, "count": count}
    if numeric:
        return {**found, "farthest": _listed(result, name, number, f"{away} DESC", far)}
    both = {
        "shortest": _listed(result, name, number, number),
        "longest": _listed(result, name, number, f"{number} DESC"),
    }
    return {**found, **both}


def _listed(result: Result, name: str, number: str, order: str, where: str = "true") -> list[dict[str, Any]]:
    text = f'substr("{name}", 1, {EXCERPT})' if result.columns[name] == "text" else "NULL"
    found = result.rows(
        f'SELECT _split, _source, _file, _row, {number}, {text} FROM rows WHERE "{name}" IS NOT NULL AND {where} '
        f"ORDER BY {order}, _source, _file, _row LIMIT {LISTED}"
    )
    names = ("split", "_source", "_file", "_row", "value", "text")
    return [dict(zip(names, row, strict=True)) for row in found]


def image_sizes(result: Result, rows: int = 2_000) -> list[dict[str, Any]]:
    """Width, height and mode of some images of each split, and how many have them."""
    from PIL import Image

    counts: Counter[tuple[int, int, str]] = Counter()
    for split in result.splits:
        reader = result.database.execute(
            f'SELECT "{result.input}" FROM rows WHERE _split = ? AND "{result.input}" IS NOT NULL LIMIT {rows}', [split]
        )
        while (row := reader.fetchone()) is not None:
            with Image.open(io.BytesIO(row[0])) as image:
                counts[(*image.size, image.mode)] += 1
    return [
        {"width": width, "height": height, "mode": mode, "count": count}
        for (width, height, mode), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:50]
    ]
