"""`litmus reproduce`: runs what is missing of the claims, each seed in its own process, and keeps what they give."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litmus.claims.recipes import Recipe
from litmus.claims.results import EXPERIMENTS, load, path_of, record_of, save
from litmus.config import CONF
from litmus.snapshot import resolve
from litmus.sweeps.compose import composed
from litmus.sweeps.grid import Listed
from litmus.sweeps.job import NOT_OF_THE_RESULT, Job, Outcome, identity, key_of
from litmus.sweeps.processes import Processes, slots, visible_gpus
from litmus.sweeps.queue import work_off
from litmus.sweeps.table import Table

GROUP = "reproduce"


@dataclass(frozen=True)
class Wanted:
    """A seed of a claim."""

    recipe: Recipe
    seed: int


class Claimed(Listed):
    """A source of jobs whose outcomes go into the results as they come."""

    def __init__(self, wanted: Mapping[Job, Wanted], folder: Path) -> None:
        self.wanted, self.folder = wanted, folder
        super().__init__(list(wanted), retry_failed=True)
        for job in self.before:
            self._keep(job, job.outcome())

    def tell(self, job: Job, outcome: Outcome) -> None:
        super().tell(job, outcome)
        if outcome.status != "interrupted":
            self._keep(job, outcome)

    def _keep(self, job: Job, outcome: Outcome) -> None:
        recipe, seed = self.wanted[job].recipe, self.wanted[job].seed
        if outcome.status == "done" and job.run is not None:
            found = record_of(recipe, seed, job.run, outcome.record)
        else:
            found = {"seed": seed, "value": None, "error": outcome.reason}
        others = [run for run in load(recipe, self.folder) if run["seed"] != seed]
        save(recipe, [*others, found], self.folder)


class ClaimsTable(Table):
    """Shows of each run what its claim is about."""

    def __init__(self, wanted: Mapping[Job, Wanted], source: Claimed, at_once: int) -> None:
        super().__init__(len(wanted), len(source.before), "value", "max", at_once)
        self.wanted = wanted

    def value(self, job: Job, record: dict[str, Any]) -> float | None:
        found = record.get("metrics", {}).get(self.wanted[job].recipe.claim.metric)
        return None if found is None else float(found)

    def compare(self, value: float | None, label: str) -> None:
        """Nothing: claims are not about the same."""


def reproduce(
    chosen: Sequence[Recipe],
    seeds: int | None,
    jobs: int | None,
    rerun: bool,
    overrides: Sequence[str],
    root: Path,
    folder: Path = EXPERIMENTS,
) -> None:
    """Runs the seeds that have no result yet.

    Args:
        seeds: Of each claim; None: as many as its verdict takes.
        jobs: At the same time; None: one a GPU, or a few on CPUs.
        rerun: Whether to forget the results that are there.
        overrides: Of every run; they change nothing in what is claimed.
        root: Of the runs.

    Raises:
        ValueError: If an override changes what is claimed.
    """
    _refuse(overrides)
    wanted: dict[Job, Wanted] = {}
    trainer: Any = None
    for recipe in chosen:
        if recipe.claim.gpu and not visible_gpus():
            continue
        if rerun:
            path_of(recipe.name, folder).unlink(missing_ok=True)
        there = {run["seed"] for run in load(recipe, folder) if run["value"] is not None}
        for seed in sorted(set(range(seeds or recipe.claim.seeds)) - there):
            words = [*recipe.overrides(seed), *overrides, f"output_root={root}"]
            config = composed(words)
            trainer = trainer or config.trainer
            job = _job(recipe, seed, words, identity(resolve(config)), root.absolute())
            if rerun:
                (job.folder / "run").unlink(missing_ok=True)
            wanted[job] = Wanted(recipe, seed)
    if not wanted:
        return
    source = Claimed(wanted, folder)
    executor = Processes([sys.executable, str(CONF.parent / "train.py")], slots(trainer, jobs, None))
    work_off(source, executor, ClaimsTable(wanted, source, executor.room))


def _refuse(overrides: Sequence[str]) -> None:
    """What would change what is claimed."""
    for word in overrides:
        if (key := key_of(word)) not in NOT_OF_THE_RESULT:
            known = ", ".join(sorted(set(NOT_OF_THE_RESULT) - {"resume", "output_root"}))
            raise ValueError(f"{word}: a claim is what its recipe says, so {key} can't be changed; {known} can")


def _job(recipe: Recipe, seed: int, words: Sequence[str], name: str, root: Path) -> Job:
    label = f"{recipe.name} {recipe.claim.axis}={seed}"
    return Job(label, tuple(words), root / ".sweeps" / "jobs" / name, root, GROUP)
