"""Mining: what a result folder holds, as profile.json and profile.html beside it.

Counts and statistics are of all rows, by SQL; what needs texts or a model looks at a sample of fixed size.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from litmus.folder import write_whole
from litmus.prepare.mining.balance import balance
from litmus.prepare.mining.clusters import clusters, rejected
from litmus.prepare.mining.columns import columns
from litmus.prepare.mining.drift import drift
from litmus.prepare.mining.features import number_features, text_features
from litmus.prepare.mining.histograms import histograms
from litmus.prepare.mining.label_errors import label_errors
from litmus.prepare.mining.outliers import image_sizes, outliers
from litmus.prepare.mining.page import profile_page
from litmus.prepare.mining.result import Result
from litmus.prepare.mining.sample import LONGEST, take
from litmus.prepare.mining.tokens import tokenize
from litmus.prepare.mining.vocabulary import growth

DIGITS = 6  # of numbers in the JSON


def profile(folder: Path) -> None:
    """Writes the profile of a result; the same result gives the same bytes."""
    folder = Path(folder)
    with Result(folder, folder.parent / f".{folder.name}.profile") as result:
        found = rounded(look(result))
    write_whole(folder / "profile.json", json.dumps(found, indent=2, ensure_ascii=False, default=str) + "\n")
    write_whole(folder / "profile.html", profile_page(found))


def look(result: Result) -> dict[str, Any]:
    """Everything that the profile says."""
    manifest = result.manifest
    statistics = columns(result)
    found: dict[str, Any] = {
        "format": 1,
        **{name: manifest.get(name) for name in ("name", "fingerprint", "kind", "inputs", "target", "counts", "found")},
        "rows": {split: result.count(split) for split in result.splits},
        "columns": statistics,
        "classes": balance(result),
        "histograms": histograms(result, statistics),
        "rejected": rejected(result),
        "clusters": clusters(result),
        "outliers": outliers(result),
    }
    if manifest["kind"] == "image":
        found["image_sizes"] = image_sizes(result)
    return found | _sampled(result)


def _sampled(result: Result) -> dict[str, Any]:
    """What is said by a sample."""
    sample = take(result)
    tokens = None if sample.texts is None else tokenize(sample.texts)
    if tokens is not None:
        classes = len(set(sample.labels)) if result.has_classes else 2
        features: Any = text_features(tokens, classes)
    else:
        features = number_features(np.asarray(sample.numbers))
    return {
        "sample": {
            "rows": {split: int((sample.split == split).sum()) for split in result.splits},
            "longest_text": LONGEST,
        },
        "vocabulary": None if tokens is None else growth(tokens),
        "drift": drift(result, sample, tokens, features),
        "label_errors": label_errors(result, sample, features),
    }


def rounded(value: Any) -> Any:
    """Floats with so many digits that count; what is not finite is nothing."""
    if isinstance(value, dict):
        return {str(name): rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value
