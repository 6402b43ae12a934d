"""Labels that are probably wrong: confident learning (Northcutt, Jiang, Chuang 2021), by cleanlab."""

import base64
import io
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litmus.prepare.mining.quick import FOLDS, out_of_fold
from litmus.prepare.mining.result import Result
from litmus.prepare.mining.sample import Sample

LISTED = 50
EXCERPT = 300  # characters
THUMBNAIL = 48  # pixels
MOST_CLASSES = 1000


def label_errors(result: Result, sample: Sample, features: Any) -> dict[str, Any]:
    """Training examples whose labels a model that has not seen them confidently calls wrong, the surest first.

    Args:
        features: Of the sample's rows, in their order.
    """
    if not result.has_classes:
        return {"looked_at": 0, "why_not": "the target is no class"}
    if not features.shape[1]:
        return {"looked_at": 0, "why_not": "no input is a text, an image or a number"}
    rows = [row for row in np.flatnonzero(sample.split == "train") if sample.labels[row] is not None]
    counts = Counter(sample.labels[row] for row in rows)
    classes = sorted(label for label, count in counts.items() if count >= FOLDS)
    if not 2 <= len(classes) <= MOST_CLASSES:
        why = f"{len(classes)} classes have {FOLDS} examples or more: there must be from 2 to {MOST_CLASSES}"
        return {"looked_at": 0, "why_not": why}
    number = {label: index for index, label in enumerate(classes)}
    own = np.array([row for row in rows if sample.labels[row] in number])
    given = np.array([number[sample.labels[row]] for row in own])
    sure = out_of_fold(features[own], given, linear=result.manifest["kind"] != "table")
    found = _issues(given, sure)
    said = [result.said(label) for label in classes]
    suggested = sure.argmax(1)
    between = Counter((said[given[place]], said[suggested[place]]) for place in found)
    listed = found[:LISTED]
    excerpts = _excerpts(result, sample, own[listed])
    return {
        "looked_at": len(own),
        "accuracy": float((suggested == given).mean()),
        "suspected": len(found),
        "between": [{"given": a, "suggested": b, "count": count} for (a, b), count in _ordered(between)[:LISTED]],
        "examples": [
            {
                **sample.places[own[place]],
                "given": said[given[place]],
                "suggested": said[suggested[place]],
                "probability_given": float(sure[place, given[place]]),
                "probability_suggested": float(sure[place, suggested[place]]),
                **excerpt,
            }
            for place, excerpt in zip(listed, excerpts, strict=True)
        ],
    }


def _issues(given: NDArray[np.int64], sure: NDArray[np.float64]) -> NDArray[np.int64]:
    from cleanlab.filter import find_label_issues

    found = find_label_issues(given, sure, return_indices_ranked_by="self_confidence", n_jobs=1)
    return np.asarray(found, np.int64)


def _ordered(between: Counter[tuple[str, str]]) -> list[tuple[tuple[str, str], int]]:
    return sorted(between.items(), key=lambda item: (-item[1], item[0]))


def _excerpts(result: Result, sample: Sample, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """What an example says, for people: the beginning of a text, a small image, or numbers."""
    if sample.texts is not None:
        return [{"text": sample.texts[row][:EXCERPT]} for row in rows]
    if result.manifest["kind"] == "table" and sample.numbers is not None:
        names = result.numbers
        return [
            {"text": ", ".join(_value(*pair) for pair in zip(names, sample.numbers[row], strict=True))} for row in rows
        ]
    found = []
    for row in rows:
        place = sample.places[row]
        found_rows = result.database.execute(
            f'SELECT "{result.input}" FROM rows WHERE _source = ? AND _file = ? AND _row = ? LIMIT 1', [*place.values()]
        ).fetchall()
        found.append({"picture": _thumbnail(found_rows[0][0])})
    return found


def _value(name: str, value: float) -> str:
    return f"{name}={value:g}"


def _thumbnail(content: bytes) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        small = image.convert("RGB")
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        small.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
