"""`litmus runs best`: runs that were asked for the same but for the seed, together, the best first."""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litmus.claims.verdict import Summary, summarize
from litmus.config import did_you_mean
from litmus.folder import list_records
from litmus.runs.find import first_tested
from litmus.snapshot import read_overrides
from litmus.sweeps.job import NOT_OF_THE_RESULT, key_of

SMALLER = re.compile(r"(loss|mse|mae|perplexity|bits\w*)$")  # is better


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seeds."""

    name: str
    overrides: tuple[str, ...]
    seeds: tuple[int, ...]
    summary: Summary


def best(root: Path, metric: str | None) -> tuple[str, list[Group]]:
    """The metric, by default the first of test that the newest run has, and the groups with it.

    Raises:
        ValueError: If no run is done, or none has the metric.
    """
    runs = [(folder, record) for folder, record in list_records(root) if _is_done(record)]
    if not runs:
        raise ValueError(f"no run in {root.absolute()} is done: elsewhere is litmus --root DIR")
    metric = metric or first_tested(runs[-1][1]["metrics"]) or "test/loss"
    values: dict[tuple[str, tuple[str, ...]], dict[int, float]] = defaultdict(dict)
    for folder, record in runs:
        if (value := record["metrics"].get(metric)) is not None and math.isfinite(value):
            values[record["name"], tuple(_asked(folder))][record["seed"]] = float(value)  # the newest of a seed
    if not values:
        known = {name for _, record in runs for name in record["metrics"]}
        raise ValueError(f"no run has {metric}: {did_you_mean(metric, known)}")
    groups = [
        Group(name, overrides, tuple(sorted(found)), summarize(list(found.values())))
        for (name, overrides), found in values.items()
    ]
    sign = 1 if SMALLER.search(metric) else -1
    return metric, sorted(groups, key=lambda group: sign * group.summary.mean)


def rows(metric: str, groups: Sequence[Group]) -> list[dict[str, Any]]:
    """What is shown of them; `95 %` is half the interval of the mean."""
    return [
        {
            metric: group.summary.mean,
            "95 %": group.summary.half,
            "n": group.summary.n,
            "name": group.name,
            "overrides": list(group.overrides),
        }
        for group in groups
    ]


def _is_done(record: dict[str, Any]) -> bool:
    return record.get("status") == "done" and bool(record.get("metrics"))


def _asked(folder: Path) -> Iterator[str]:
    """The overrides that decide on the result, but for the seed."""
    left_out = ("seed", *NOT_OF_THE_RESULT)
    return (word for word in sorted(read_overrides(folder)) if key_of(word) not in left_out)
