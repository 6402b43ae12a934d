"""Near-duplicates: MinHash signatures in bands (Broder 1997; Leskovec, Rajaraman, Ullman, chapter 3), and the likeness
of two texts."""

import hashlib
import re
from collections.abc import Sequence

from litmus.prepare.config import NearDuplicates

WORD = re.compile(r"\w+")


def shingles(text: str, near: NearDuplicates) -> set[str]:
    """All runs of so many words, or characters, in small letters."""
    units: Sequence[str] = WORD.findall(text.casefold())
    if near.unit == "character":
        units = "".join(units)
        return {units[start : start + near.size] for start in range(max(1, len(units) - near.size + 1))}
    return {" ".join(units[start : start + near.size]) for start in range(max(1, len(units) - near.size + 1))}


def bands(texts: Sequence[str], near: NearDuplicates) -> list[list[int]]:
    """Of each text one number a band: texts that are alike share one or more of them.

    Two texts of likeness s share one with a probability of 1 - (1 - s^r)^b, for b bands of r permutations.
    """
    import numpy as np
    from rensa import RMinHash

    sets = [list(shingles(text, near)) for text in texts]
    signatures = np.array(RMinHash.digests_from_token_sets(sets, near.permutations, 0), np.uint32)
    rows = signatures.reshape(len(texts), near.bands, -1)
    return [
        [
            int.from_bytes(
                hashlib.blake2b(row.tobytes(), digest_size=8, salt=bytes([band])).digest(), "big", signed=True
            )
            for band, row in enumerate(text)
        ]
        for text in rows
    ]


def likeness(a: str, b: str, near: NearDuplicates) -> float:
    """Jaccard's index of the shingles of two texts: 1 for the same ones, 0 for none in common."""
    first, second = shingles(a, near), shingles(b, near)
    return len(first & second) / len(first | second)
