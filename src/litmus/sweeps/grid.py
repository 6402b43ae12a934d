"""Every combination of what the command line lists: runs what is missing, and what failed if that is asked for."""

from collections.abc import Sequence
from pathlib import Path

from litmus.sweeps.job import Adopts, Job, Outcome


class Listed:
    """A source of jobs that are known from the start. The same command again finds what it has already done."""

    def __init__(self, jobs: Sequence[Job], retry_failed: bool) -> None:
        self.before: list[Job] = []
        self.failed_before: list[Job] = []
        self.left: list[Job] = []
        self.failed: list[Job] = []
        for job in dict.fromkeys(jobs):
            if job.status == "failed" and not retry_failed:
                self.failed_before.append(job)
            else:
                (self.before if job.status == "done" else self.left).append(job)

    def next(self, adopts: Adopts) -> Job | None:
        """The first that no other sweep has; those of others are waited for."""
        for job in list(self.left):
            if job.claim(adopts):
                self.left.remove(job)
                if job.status == "done":  # by the other sweep
                    job.release()
                    self.before.append(job)
                else:
                    return job
        return None

    def more(self) -> bool:
        return bool(self.left)

    def is_promising(self, job: Job) -> bool:
        return True

    def tell(self, job: Job, outcome: Outcome) -> None:
        if outcome.status != "done":  # stopped by somebody else, too
            self.failed.append(job)


def jobs_of(points: Sequence[Sequence[str]], identities: Sequence[str], root: Path, group: str) -> list[Job]:
    """A job a point, called after the overrides in which they differ."""
    common = set(points[0]).intersection(*points[1:]) if len(points) > 1 else set()
    return [
        Job(
            label=" ".join(word for word in point if word not in common) or "the run",
            overrides=tuple(point),
            folder=root / ".sweeps" / "jobs" / name,
            root=root,
            group=group,
        )
        for point, name in zip(points, identities, strict=True)
    ]
