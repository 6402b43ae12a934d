"""What a quick model sees of an example: hashed runs of tokens weighted by rarity, or standardised numbers."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from litmus.prepare.mining.tokens import Tokens

WIDTH = 1 << 18  # columns that runs of tokens are hashed into
WEIGHTS = 1 << 23  # that a model may have: with many classes there are fewer columns
CHUNK = 1000  # texts that are counted at once
MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio (Knuth, volume 3, 6.4)


def text_features(tokens: Tokens, classes: int = 2) -> csr_matrix:
    """Runs of one and two words, or of one to three characters: (1 + log count) * (1 + log(texts / texts with it)),
    brought to length 1."""
    longest = 3 if tokens.unspaced else 2
    width = 1 << max(10, min(WIDTH, WEIGHTS // max(classes, 1)).bit_length() - 1)
    texts = len(tokens.starts) - 1
    counts = vstack(
        [_counted(tokens, start, min(start + CHUNK, texts), longest, width) for start in range(0, texts, CHUNK)],
        format="csr",
    )
    counts.data = 1 + np.log(counts.data)
    seen = np.bincount(counts.indices, minlength=width)
    counts.data *= np.log((1 + texts) / (1 + seen)).astype(np.float32)[counts.indices] + 1
    norms = np.sqrt(np.asarray(counts.multiply(counts).sum(1)).ravel())
    counts.data /= np.repeat(np.maximum(norms, 1e-12), np.diff(counts.indptr)).astype(np.float32)
    return counts


def _counted(tokens: Tokens, start: int, end: int, longest: int, width: int) -> csr_matrix:
    begin = tokens.starts[start]
    ids = tokens.ids[begin : tokens.starts[end]].astype(np.uint64) + np.uint64(1)
    rows = np.repeat(np.arange(end - start), np.diff(tokens.starts[start : end + 1]))
    shift = np.uint64(64 - (width.bit_length() - 1))
    all_rows, all_columns = [], []
    runs = np.zeros_like(ids)
    for size in range(1, min(longest, len(ids)) + 1):
        runs = (runs[: len(ids) - size + 1] + ids[size - 1 :]) * MIX
        inside = rows[size - 1 :] == rows[: len(rows) - size + 1]
        all_rows.append(rows[: len(inside)][inside])
        all_columns.append((runs >> shift)[inside].astype(np.int32))
    if not all_rows:
        return csr_matrix((end - start, width), dtype=np.float32)
    where = (np.concatenate(all_rows), np.concatenate(all_columns))
    return csr_matrix((np.ones(len(where[0]), np.float32), where), shape=(end - start, width))


def number_features(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean 0, standard deviation 1, and the mean for what is missing."""
    known = np.isfinite(numbers)
    many = np.maximum(known.sum(0), 1)
    mean = np.where(known, numbers, 0).sum(0) / many
    away = np.where(known, numbers - mean, 0)
    std = np.sqrt((away**2).sum(0) / many)
    return np.asarray(away / np.where(std > 0, std, 1))
