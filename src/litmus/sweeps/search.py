"""A search: Optuna proposes points, runs try them, and what does not promise much is stopped.

The study stands in the sweep's folder, so the same command goes on where a search was stopped, however it was, and
several at once work on the same study. A trial that a dead search left behind goes on as the same trial and run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import get_storage
from optuna.trial import FrozenTrial, TrialState

from litmus.folder import read_metrics
from litmus.sweeps.job import ENDED, Adopts, Job, Outcome
from litmus.sweeps.journal import Lock, open_journal
from litmus.sweeps.space import Space, overrides_of, shown
from litmus.sweeps.table import value_of

ALSO, FIRST, RETRY_OF, RUN, REASON = "also", "first", "retry_of", "run", "reason"  # what a study notes of a trial
COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING)


class Search:
    """A source of jobs, one a trial.

    Args:
        folder: Of the sweep.
        root: Of the runs.
        fixed: Overrides of every trial.
        objectives: From metrics to `min` or `max`.
        trials: How many there are to be in all, however they end; those that are tried again count once.
    """

    def __init__(
        self,
        space: Space,
        folder: Path,
        root: Path,
        fixed: Sequence[str],
        objectives: Mapping[str, str],
        trials: int,
        sampler: BaseSampler,
        pruner: BasePruner,
        storage: str | None,
    ) -> None:
        self.space, self.folder, self.root, self.fixed = space, folder, root, fixed
        self.objectives, self.trials = objectives, trials
        folder.mkdir(parents=True, exist_ok=True)
        self.storage = get_storage(storage) if storage else open_journal(folder / "journal.log")
        self.study = optuna.create_study(
            storage=self.storage,
            study_name=folder.name,
            directions=["maximize" if mode == "max" else "minimize" for mode in objectives.values()],
            load_if_exists=True,
            sampler=sampler,
            pruner=pruner,
        )
        self.running: dict[Job, optuna.Trial] = {}
        self.sizes: dict[Job, int] = {}  # of their metrics.csv, when last looked at
        self.known = 0  # trials that are there when this search alone asks

    def try_first(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Before the sampler draws any, each once in the life of a study; keys outside the space are allowed."""
        keys = {parameter.key for parameter in self.space.parameters}
        with self._alone():
            trials = self.study.get_trials(deepcopy=False)
            there = {trial.user_attrs.get(FIRST) for trial in trials}
            missing = [index for index in range(len(points)) if index not in there]
            for index in missing:
                inside = {key: value for key, value in points[index].items() if key in keys}
                also = {key: value for key, value in points[index].items() if key not in keys}
                self.study.enqueue_trial(inside, user_attrs={ALSO: also, FIRST: index})
            self.known = len(missing) if not trials else -1

    def retry_failed(self) -> None:
        """The same points once more."""
        with self._alone():
            retried = self._retried()
            for trial in self.study.get_trials(deepcopy=False, states=[TrialState.FAIL]):
                if trial.number not in retried:
                    attributes = {ALSO: trial.user_attrs.get(ALSO, {}), RETRY_OF: trial.number}
                    self.study.enqueue_trial(trial.params, user_attrs=attributes)

    def next(self, adopts: Adopts) -> Job | None:
        with self._alone():
            counted, mine = self._counted(), {trial.number for trial in self.running.values()}
            for trial in counted:
                if trial.state == TrialState.RUNNING and trial.number not in mine and (job := self._job(trial, adopts)):
                    if job.status not in ENDED:
                        return job
                    self.tell(job, job.outcome())  # a search that was killed did not live to
                    job.release()
            return self._job(self._ask(), adopts) if len(counted) < self.trials else None

    def more(self) -> bool:
        counted = self._counted()
        return len(counted) < self.trials or any(trial.state == TrialState.RUNNING for trial in counted)

    def is_promising(self, job: Job) -> bool:
        return not (self._report(job) and self.running[job].should_prune())

    def tell(self, job: Job, outcome: Outcome) -> None:
        self._report(job)
        trial = self.running.pop(job)
        if job.run is not None:
            trial.set_user_attr(RUN, job.run.name)
        if outcome.status == "interrupted":
            return
        values = [value_of(outcome.record, metric) for metric in self.objectives]
        finite = [value for value in values if value is not None and math.isfinite(value)]
        if outcome.status == "pruned" and self._was_finite(trial):
            self.study.tell(trial, state=TrialState.PRUNED)
        elif outcome.status == "done" and len(finite) == len(values):
            self.study.tell(trial, finite)
        else:
            lacking = [metric for metric, value in zip(self.objectives, values, strict=True) if value is None]
            trial.set_user_attr(REASON, outcome.reason or f"{', '.join(lacking)} was never a finite number")
            self.study.tell(trial, state=TrialState.FAIL)

    def _was_finite(self, trial: optuna.Trial) -> bool:
        """Whether a trial ever had a number; one of NaN alone is pruned, too, and has failed."""
        values = self.storage.get_trial(trial._trial_id).intermediate_values.values()
        return not values or any(map(math.isfinite, values))

    def ended(self) -> list[FrozenTrial]:
        """All that count and are over."""
        return [trial for trial in self._counted() if trial.state != TrialState.RUNNING]

    def best(self) -> list[FrozenTrial]:
        """The best trial, or those that no other one beats in all objectives; empty if none was completed."""
        complete = self.study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
        return [] if not complete else self.study.best_trials if len(self.objectives) > 1 else [self.study.best_trial]

    def point(self, trial: FrozenTrial) -> dict[str, Any]:
        """What it tried."""
        return {**trial.params, **trial.user_attrs.get(ALSO, {})}

    def _ask(self) -> FrozenTrial:
        if len(self.study.get_trials(deepcopy=False)) != self.known:  # another search asked: not for the same points
            self.study.sampler.reseed_rng()
        trial = self.study.ask()
        self.known = len(self.study.get_trials(deepcopy=False))
        return self.storage.get_trial(trial._trial_id)

    def _report(self, job: Job) -> bool:
        """Tells the study what a run's validations gave, by their number; whether there was anything new."""
        file = job.run / "metrics.csv" if job.run is not None else None
        if len(self.objectives) > 1 or file is None or not file.exists():  # Optuna prunes for one objective only
            return False
        size, (metric,) = file.stat().st_size, self.objectives
        if self.sizes.get(job) == size:
            return False
        self.sizes[job] = size
        trial = self.running[job]
        values = [float(row["value"]) for row in read_metrics(file) if row["metric"] == metric]
        known = len(self.storage.get_trial(trial._trial_id).intermediate_values)
        for step, value in enumerate(values[known:], known + 1):
            trial.report(value, step)
        return len(values) > known

    def _job(self, frozen: FrozenTrial, adopts: Adopts) -> Job | None:
        """The trial's, claimed; None if another search has it. What a dead one had not drawn yet is drawn."""
        folder = self.folder / f"trial-{frozen.number:04d}"
        job = Job(label="", overrides=(), folder=folder, root=self.root, group=self.folder.name)
        if not job.claim(adopts):
            return None
        trial = optuna.Trial(self.study, frozen._trial_id)
        point = {**self.space.draw(trial), **frozen.user_attrs.get(ALSO, {})}
        job = replace(job, label=f"{frozen.number}: {shown(point)}", overrides=(*self.fixed, *overrides_of(point)))
        self.running[job] = trial
        return job

    def _counted(self) -> list[FrozenTrial]:
        found, retried = self.study.get_trials(deepcopy=False, states=COUNTED), self._retried()
        return [trial for trial in found if trial.number not in retried]

    def _retried(self) -> set[int]:
        return {trial.user_attrs.get(RETRY_OF, -1) for trial in self.study.get_trials(deepcopy=False)}

    def _alone(self) -> Lock:
        """Other searches of this study wait: none counts, asks or adopts what this one is about to."""
        return Lock(self.folder / "asking")
