"""What a report knows of a job of a sweep, whether somebody listed it or a search drew it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from litmus.folder import read_record
from litmus.sweeps.job import Job
from litmus.sweeps.table import value_of


@dataclass(frozen=True)
class Trial:
    """One of them.

    Attributes:
        point: In what it differs from the others.
        state: done, pruned, failed, or that of a run which is none of these.
        value: Of the objective; None if there is none.
        run: Its folder; None if it got none.
        reason: Of a failure.
    """

    number: int
    point: Mapping[str, Any]
    state: str
    value: float | None
    run: Path | None
    record: Mapping[str, Any]
    reason: str


def trials_of(jobs: Sequence[Job], metric: str) -> list[Trial]:
    """Those of a grid. The point of each is what sets it apart."""
    found = []
    for number, job in enumerate(jobs):
        record = read_record(job.run) if job.run is not None else {}
        reason = job.outcome().reason if record.get("status") not in ("done", "running") else ""
        state = record.get("status", "failed")
        found.append(Trial(number, point_of(job.label), state, value_of(record, metric), job.run, record, reason))
    return found


def point_of(label: str) -> dict[str, Any]:
    """The values of overrides: numbers as such."""
    found: dict[str, Any] = {}
    for word in filter(None, label.split(" ")):
        override = OverridesParser.create().parse_override(word)
        value = override.value()
        found[override.key_or_group] = value if isinstance(value, bool | int | float) else word.partition("=")[2]
    return found


def cost_of(trials: Sequence[Trial]) -> dict[str, float]:
    """Seconds of runs by state, and from the first start to the last end."""
    spent: dict[str, float] = {}
    for trial in trials:
        spent[trial.state] = spent.get(trial.state, 0.0) + float(trial.record.get("seconds") or 0.0)
    times = [(trial.record.get("started"), trial.record.get("ended")) for trial in trials]
    known = [(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in times if start and end]
    if known:
        spent["from start to end"] = (max(end for _, end in known) - min(start for start, _ in known)).total_seconds()
    return spent
