"""From a command line with -m to jobs that run: a grid, or a search."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from hydra.core.override_parser.types import Override
from hydra.types import HydraContext
from omegaconf import DictConfig

from litmus.sweeps.compose import Composer
from litmus.sweeps.grid import Listed, jobs_of
from litmus.sweeps.job import Job, digest, identity
from litmus.sweeps.queue import Executor, work_off
from litmus.sweeps.table import Table, value_of


@runtime_checkable
class Launcher(Protocol):
    """What Hydra made of hydra/launcher."""

    context: HydraContext
    config: DictConfig
    retry_failed: bool

    def executor(self, trainer: DictConfig) -> Executor:
        """What runs the jobs; `trainer` is the configuration of the first one's."""


def start_grid(launcher: Launcher, points: Sequence[Sequence[str]]) -> list[Job]:
    """Runs every point that is not done yet.

    Raises:
        ValueError: If a point can't be composed, before any is run; if one failed, after all were.
    """
    compose = Composer(launcher.context.config_loader, launcher.config)
    root = Path(launcher.config.output_root).absolute()
    identities = [identity(compose(point)) for point in points]  # a configuration takes a megabyte: none is kept
    first = compose(points[0])
    group = f"grid-{digest(' '.join(sorted(identities)))[:6]}"
    jobs = jobs_of(points, identities, root, group)
    source, executor = Listed(jobs, launcher.retry_failed), launcher.executor(first.trainer)
    total, objective = len(source.before) + len(source.left), first.objective
    table = Table(total, len(source.before), objective.metric, objective.mode, executor.room)
    for job in source.before:
        table.compare(value_of(job.outcome().record, objective.metric), job.label)
    work_off(source, executor, table)
    _report_grid(jobs, root / ".sweeps" / group, objective)
    if failed := [*source.failed_before, *source.failed]:
        raise ValueError(
            f"{len(failed)} of {len(jobs)} jobs failed: the same command with --retry-failed runs them again"
        )
    return jobs


def _report_grid(jobs: Sequence[Job], folder: Path, objective: DictConfig) -> None:
    from litmus.sweeps.report import write_report
    from litmus.sweeps.trials import trials_of

    again = shlex.join(["python", *sys.argv])
    trials = trials_of(jobs, objective.metric)
    print(f"report: {write_report(folder, trials, (objective.metric, objective.mode), [again])}")


def start_search(launcher: Launcher, overrides: Sequence[Override]) -> None:
    """Searches what conf/sweep/NAME.yaml and the command line vary, and trains the best again if that is asked for.

    Raises:
        ValueError: If a trial could not be composed, before any is run; if none was completed, after all were.
    """
    from litmus.sweeps.plan import Plan
    from litmus.sweeps.space import shown
    from litmus.sweeps.summary import log_summary, summarize

    if not hasattr(launcher, "executor"):
        raise ValueError("sweep=NAME is a search, which needs hydra/launcher=processes, submitit_slurm or ray")
    compose = Composer(launcher.context.config_loader, launcher.config)
    plan = Plan(launcher.config.sweep, launcher.config.hydra.runtime.choices["sweep"], overrides, compose)
    configs = list(map(compose, plan.examples()))
    root = Path(launcher.config.output_root).absolute()
    search = plan.open(root)
    if launcher.retry_failed:
        search.retry_failed()
    executor, (metric, mode) = launcher.executor(configs[0].trainer), next(iter(plan.objectives.items()))
    table = Table(search.trials, len(search.ended()), metric, mode, executor.room)
    for trial in search.best():
        table.compare(trial.values[0], shown(search.point(trial)))
    work_off(search, executor, table)
    summarize(search, plan, [])
    if plan.confirm and search.best():
        summarize(search, plan, start_grid(launcher, plan.confirmations(search)))
    if loggers := [config.logger.wandb for config in configs if "wandb" in config.logger]:
        log_summary(search.folder, loggers[0])
    if not search.best():
        raise ValueError(f"no trial of {search.folder.name} was completed: {search.folder}/trials.csv has the reasons")
