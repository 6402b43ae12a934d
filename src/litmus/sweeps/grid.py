"""Every combination of what the command line lists: runs what is missing, and what failed if that is asked for."""

from collections.abc import Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override

from litmus.sweeps.job import Adopts, Job, Outcome


class Listed:
    """A source of jobs that are known from the start. The same command again finds what it has already done."""

    def __init__(self, jobs: Sequence[Job], retry_failed: bool) -> None:
        self.before: list[Job] = []
        self.failed_before: list[Job] = []
        self.left: list[Job] = []
        self.failed: list[Job] = []
        unique = list({job.folder: job for job in jobs}.values())
        self.again = [job for job in unique if retry_failed and job.status == "failed"]
        for job in unique:
            if not self._is_over(job):
                self.left.append(job)

    def next(self, adopts: Adopts) -> Job | None:
        """The first that no other sweep has; those of others are waited for."""
        for job in list(self.left):
            if job.claim(adopts):
                self.left.remove(job)
                if not self._is_over(job):
                    return job
                job.release()  # another sweep had it
        return None

    def _is_over(self, job: Job) -> bool:
        status = job.status
        if status == "done":
            self.before.append(job)
        elif status == "failed" and job not in self.again:
            self.failed_before.append(job)
        else:
            return False
        return True

    def more(self) -> bool:
        return bool(self.left)

    def is_promising(self, job: Job) -> bool:
        return True

    def tell(self, job: Job, outcome: Outcome) -> None:
        if outcome.status != "done":  # stopped by somebody else, too
            self.failed.append(job)


def points_of(overrides: Sequence[Override]) -> list[list[str]]:
    """Every combination of what a command line lists.

    Raises:
        ValueError: If there is no end of them.
    """
    for override in overrides:
        if override.is_sweep_override() and not override.is_discrete_sweep():
            raise ValueError(f"{override.input_line} has no end of values: add sweep=default to search it")
    return BasicSweeper.split_arguments(list(overrides), None)[0]


def jobs_of(points: Sequence[Sequence[str]], identities: Sequence[str], root: Path, group: str) -> list[Job]:
    """A job a point, called after the overrides in which they differ."""
    common = set(points[0]).intersection(*points[1:]) if len(points) > 1 else set()
    return [
        Job(
            label=" ".join(word for word in point if word not in common),
            overrides=tuple(point),
            folder=root / ".sweeps" / "jobs" / name,
            root=root,
            group=group,
        )
        for point, name in zip(points, identities, strict=True)
    ]
