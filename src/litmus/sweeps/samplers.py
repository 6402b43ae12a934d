"""Samplers that Optuna does not have as they are needed here."""

from typing import Any

from optuna import Study
from optuna.samplers import CmaEsSampler, RandomSampler
from optuna.trial import FrozenTrial

PICKLED = "cma:"  # the attributes of a trial in which Optuna keeps the state of CMA-ES


class Grid(RandomSampler):
    """Every point of the space: they are put into the study beforehand, in their order, and nothing is drawn."""


class CmaEs(CmaEsSampler):
    """Optuna's keeps its state in the study as a pickle, which whoever hands a study over could have written: what this
    process did not write is not read, so a search that goes on adapts anew."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.own: set[int] = set()  # numbers of trials

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Any) -> dict[str, Any]:
        if not any(key.startswith(PICKLED) for key in trial.system_attrs):
            self.own.add(trial.number)
        return super().sample_relative(study, trial, search_space)

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> Any:
        return super()._restore_optimizer([trial for trial in completed_trials if trial.number in self.own])
