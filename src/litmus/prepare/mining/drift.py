"""Whether the splits, and the sources, are alike: distances of distributions, and a model that tells them apart."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from litmus.prepare.config import NUMERIC
from litmus.prepare.mining.quick import FOLDS, out_of_fold
from litmus.prepare.mining.result import Result
from litmus.prepare.mining.sample import Sample
from litmus.prepare.mining.tokens import Tokens

ROWS = 4_000  # of each side
FEWEST = 30  # rows of a side, below which nothing is said
MOST_SOURCES = 10  # that are compared, the largest first
DEVIATIONS = 3  # standard ones, which chance does not exceed
SHUFFLES = 20  # of which side a row is on: how far apart are two sides that are alike?
BINS = 20  # of numbers and lengths
MOST_TOKENS = 1000  # the most frequent ones are compared
TELLING = 12  # tokens that are listed


def drift(result: Result, sample: Sample, tokens: Tokens | None, features: Any) -> list[dict[str, Any]]:
    """Comparisons of train with the other splits, and of each source with the rest (of two: with each other)."""
    found: list[dict[str, Any]] = []
    seen = set()  # published splits are often the sources, too
    for between, a, b, sides in _pairs(result, sample):
        rows = np.concatenate([np.flatnonzero(side)[:ROWS] for side in sides])
        if rows.tobytes() in seen:
            continue
        seen.add(rows.tobytes())
        many = [min(int(side.sum()), ROWS) for side in sides]
        entry: dict[str, Any] = {"between": between, "a": a, "b": b, "rows": many}
        if min(many) < FEWEST:
            found.append({**entry, "why_not": f"a side has fewer than {FEWEST} rows in the sample"})
            continue
        is_b = np.arange(len(rows)) >= many[0]
        entry["distances"] = {
            name: _distance(values, is_b) for name, values in _values(result, sample, rows).items() if len(values)
        }
        if tokens is not None:
            entry["distances"]["tokens"], entry["tokens"] = _token_distance(tokens, rows, is_b)
        if features.shape[1]:
            entry["classifier"] = _told_apart(features[rows], is_b, result.manifest["kind"] != "table")
        found.append(entry)
    return found


def _pairs(result: Result, sample: Sample) -> list[tuple[str, str, str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]]:
    found = []
    for split in result.splits:
        if split != "train":
            found.append(("splits", "train", split, (sample.split == "train", sample.split == split)))
    source = sample.source
    names, counts = np.unique(source, return_counts=True)
    names = names[np.argsort(-counts, kind="stable")][:MOST_SOURCES]
    if len(names) == 2:
        found.append(("sources", str(names[0]), str(names[1]), (source == names[0], source == names[1])))
    elif len(names) > 2:
        found += [("sources", str(name), "all others", (source == name, source != name)) for name in names]
    return found


def _values(result: Result, sample: Sample, rows: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Of each thing that is compared the bin that a row is in."""
    found = {}
    if result.has_classes:
        found["classes"] = np.unique([str(sample.labels[row]) for row in rows], return_inverse=True)[1]
    if result.manifest["kind"] != "table":
        found["lengths"] = binned(sample.lengths[rows])
    elif sample.numbers is not None:
        for index, name in enumerate(result.numbers):
            found[name] = binned(sample.numbers[rows, index])
    if result.target and result.columns[result.target] in NUMERIC:
        target = [np.nan if sample.labels[row] is None else float(sample.labels[row]) for row in rows]
        found[result.target] = binned(np.array(target))
    return found


def binned(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each value, of about as many values each; a bin of its own for what is missing."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values), np.int64)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.where(np.isfinite(values), np.searchsorted(edges, values, side="right"), len(edges) + 1)


def jensen_shannon(a: NDArray[Any], b: NDArray[Any]) -> float:
    """The distance of two histograms, from 0 (alike) to 1 (nothing in common); Endres and Schindelin 2003."""
    p, q = a / max(a.sum(), 1), b / max(b.sum(), 1)
    return float(np.sqrt(max(0.0, _parts(p, q).sum())))


def _parts(p: NDArray[Any], q: NDArray[Any]) -> NDArray[Any]:
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(p > 0, p * np.log2(p / middle), 0)
        right = np.where(q > 0, q * np.log2(q / middle), 0)
    return np.asarray((left + right) / 2)


def _distance(bins: NDArray[np.int64], is_b: NDArray[np.bool_]) -> dict[str, float]:
    def measured(side: NDArray[np.bool_]) -> float:
        width = int(bins.max()) + 1
        return jensen_shannon(np.bincount(bins[~side], minlength=width), np.bincount(bins[side], minlength=width))

    return {"distance": measured(is_b), "chance": _by_chance(measured, is_b)}


def _by_chance(measured: Any, is_b: NDArray[np.bool_]) -> float:
    """What sides that are drawn by lot do not exceed."""
    generator = np.random.default_rng(0)
    found = [measured(generator.permutation(is_b)) for _ in range(SHUFFLES)]
    return float(np.mean(found) + DEVIATIONS * np.std(found))


def _token_distance(
    tokens: Tokens, rows: NDArray[np.int64], is_b: NDArray[np.bool_]
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    pieces = [tokens.ids[tokens.starts[row] : tokens.starts[row + 1]] for row in rows]
    ids = np.concatenate(pieces)
    counts = np.bincount(ids, minlength=len(tokens.words))
    top = np.argsort(-counts, kind="stable")[:MOST_TOKENS]
    place = np.full(len(tokens.words), len(top), np.int64)
    place[top] = np.arange(len(top))  # all others share the last one
    bins = place[ids]
    text = np.repeat(np.arange(len(rows)), [len(piece) for piece in pieces])

    def sides(side: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
        b = np.bincount(bins, side[text], minlength=len(top) + 1)
        return np.bincount(bins, minlength=len(top) + 1) - b, b

    a, b = sides(is_b)
    p, q = a / max(a.sum(), 1), b / max(b.sum(), 1)
    telling = np.argsort(-_parts(p, q)[: len(top)], kind="stable")[:TELLING]
    listed = [{"token": tokens.words[top[at]], "share_a": float(p[at]), "share_b": float(q[at])} for at in telling]
    chance = _by_chance(lambda side: jensen_shannon(*sides(side)), is_b)
    return {"distance": jensen_shannon(a, b), "chance": chance}, listed


def _told_apart(features: Any, is_b: NDArray[np.bool_], linear: bool) -> dict[str, float]:
    """The two-sample test by a classifier (Lopez-Paz and Oquab 2017): the area under the curve, out of fold.

    Its standard deviation by chance is that of Mann and Whitney's U (1947).
    """
    from sklearn.metrics import roc_auc_score

    a, b = int((~is_b).sum()), int(is_b.sum())
    chance = 0.5 + DEVIATIONS * float(np.sqrt((a + b + 1) / (12 * a * b)))
    if min(a, b) < FOLDS:
        return {"auc": 0.5, "chance": chance}
    sure = out_of_fold(features, is_b.astype(np.int64), linear)[:, 1]
    return {"auc": float(roc_auc_score(is_b, sure)), "chance": chance}
