"""How a sweep goes on: a table that stays in its place on a terminal, a line for each job in a log file."""

import time
from collections import Counter
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from litmus.folder import read_record
from litmus.sweeps.job import Job, Outcome

COLOURS = {"done": "green", "pruned": "yellow", "interrupted": "yellow", "failed": "red"}
EVERY = 1.0  # seconds between two looks at the records of what runs


class Table:
    """Done, running, failed, best, time left.

    Args:
        total: How many jobs there are to be.
        before: How many of them were done by an earlier sweep.
        metric: What is shown of a run, and which way it is better.
        at_once: How many run at the same time.
    """

    def __init__(self, total: int, before: int, metric: str, mode: str, at_once: int) -> None:
        self.total, self.before, self.metric, self.at_once = total, before, metric, at_once
        self.sign = 1 if mode == "max" else -1
        self.console = Console(highlight=False, soft_wrap=True)
        self.live = Live(console=self.console, auto_refresh=False, transient=True) if self.console.is_terminal else None
        self.started_at: dict[Job, float] = {}
        self.counts: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.best: tuple[float, str] | None = None  # and what it was got with
        self.looked = 0.0

    def __enter__(self) -> "Table":
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()
        self.console.print(self._summary())

    def started(self, job: Job) -> None:
        self.started_at[job] = time.monotonic()

    def ended(self, job: Job, outcome: Outcome) -> None:
        seconds = time.monotonic() - self.started_at.pop(job)
        self.seconds.append(seconds)
        self.counts[outcome.status] += 1
        value = self.value(job, outcome.record)
        if outcome.status == "done":
            self.compare(value, job.label)
        place = f"[{sum(self.counts.values()) + self.before}/{self.total}]"
        shown = "" if value is None else f"{self.metric} {value:.4g}  "
        colour = COLOURS.get(outcome.status, "default")
        line = f"{place} [{colour}]{outcome.status}[/]  {escape(job.label)}  {shown}{_time(seconds)}"
        self.console.print(line)
        if outcome.status == "failed":
            self.console.print(f"  [red]{escape(outcome.reason)}[/]\n  {escape(str(job.log))}")

    def value(self, job: Job, record: dict[str, Any]) -> float | None:
        """The number of a run that is shown."""
        return value_of(record, self.metric)

    def compare(self, value: float | None, label: str) -> None:
        """With the best so far."""
        if value is not None and (self.best is None or self.sign * value > self.sign * self.best[0]):
            self.best = value, label

    def refresh(self) -> None:
        if self.live is None or time.monotonic() - self.looked < EVERY:
            return
        self.looked = time.monotonic()
        grid = Grid(box=None, pad_edge=False)
        for column in ("running", "epoch", self.metric, "time"):
            grid.add_column(column, header_style="bold", overflow="fold")
        for job, started in self.started_at.items():
            record = read_record(job.run) if job.run else {}
            value = self.value(job, record)
            shown = "" if value is None else f"{value:.4g}"
            grid.add_row(escape(job.label), str(record.get("epoch", "")), shown, _time(self.looked - started))
        self.live.update(Group(grid, self._summary()), refresh=True)

    def _summary(self) -> Text:
        parts = [f"{self.before} done before"] if self.before else []
        parts += [f"{count} {status}" for status, count in self.counts.items()]
        if self.started_at:
            parts.append(f"{len(self.started_at)} running")
        left = self.total - self.before - sum(self.counts.values())
        if left > len(self.started_at):
            parts.append(f"{left - len(self.started_at)} to do")
        if self.best is not None:
            parts.append(f"best {self.metric} {self.best[0]:.4g} with {self.best[1]}")
        if left > 0 and self.seconds:
            mean = sum(self.seconds) / len(self.seconds)
            spent = sum(min(time.monotonic() - started, mean) for started in self.started_at.values())
            parts.append(f"{_time((mean * left - spent) / min(self.at_once, left))} left")
        return Text(" · ".join(parts), style="bold")


def value_of(record: dict[str, Any], metric: str) -> float | None:
    """A number of a run: the best value of what it was best at, the last of any other metric, or a fact such as
    `parameters` or `seconds`; None if it has none."""
    best = record.get("objective") or {}
    last = record.get("metrics", {}).get(metric, record.get(metric))
    found = best["value"] if best.get("metric") == metric else last
    return float(found) if isinstance(found, int | float) else None


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
