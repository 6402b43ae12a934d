"""How the vocabulary grows with the text that is read (Heaps 1978): distinct = k * tokens^beta."""

from typing import Any

import numpy as np

from litmus.prepare.mining.tokens import Tokens

POINTS = 50
MOST_FREQUENT = 50


def growth(tokens: Tokens) -> dict[str, Any] | None:
    """Distinct tokens over tokens read, and Heaps' exponent by least squares in logarithms; None without tokens."""
    read = len(tokens.ids)
    if not read:
        return None
    _, first = np.unique(tokens.ids, return_index=True)
    new = np.zeros(read, np.int64)
    new[first] = 1
    distinct = np.cumsum(new)
    points = np.unique(np.geomspace(min(100, read), read, POINTS).round().astype(np.int64))
    heaps = np.polyfit(np.log(points), np.log(distinct[points - 1]), 1) if len(points) > 2 else None
    counts = np.bincount(tokens.ids, minlength=len(tokens.words))
    order = np.argsort(-counts, kind="stable")[:MOST_FREQUENT]
    return {
        "texts": len(tokens.starts) - 1,
        "unit": "characters" if tokens.unspaced else "words",
        "tokens": read,
        "distinct": len(first),
        "seen_once": int((counts == 1).sum()),
        "heaps_exponent": None if heaps is None else float(heaps[0]),
        "heaps_factor": None if heaps is None else float(np.exp(heaps[1])),
        "growth": [[int(point), int(distinct[point - 1])] for point in points],
        "frequent": [{"token": tokens.words[place], "count": int(counts[place])} for place in order],
    }
