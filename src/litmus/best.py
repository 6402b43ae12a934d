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
from litmus.folder import list_runs, read_record
from litmus.snapshot import read_overrides
from litmus.sweeps.job import NOT_OF_THE_RESULT

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
    runs = [(folder, record) for folder in list_runs(root) if (record := _done(folder))]
    if not runs:
        raise ValueError(f"no run in {root.absolute()} is done: elsewhere is litmus --root DIR")
    tested = [name for name in runs[-1][1]["metrics"] if name.startswith("test/") and name != "test/loss"]
    metric = metric or next(iter(tested), "test/loss")
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


def table(metric: str, groups: Sequence[Group]) -> Iterator[tuple[str, ...]]:
    """The rows that are shown, with a head."""
    yield metric, "95 %", "n", "name", "overrides"
    for group in groups:
        half = "-" if group.summary.half is None else f"± {group.summary.half:.2g}"
        yield f"{group.summary.mean:.4g}", half, str(group.summary.n), group.name, " ".join(group.overrides) or "-"


def _done(folder: Path) -> dict[str, Any] | None:
    try:
        record = read_record(folder)
    except ValueError:  # a damaged one is for `litmus runs list`
        return None
    return record if record.get("status") == "done" and record.get("metrics") else None


def _asked(folder: Path) -> Iterator[str]:
    """The overrides that decide on the result, but for the seed."""
    for word in sorted(read_overrides(folder)):
        key = re.split("[=.@]", word.lstrip("+~"))[0]
        if key not in ("seed", *NOT_OF_THE_RESULT):
            yield word
