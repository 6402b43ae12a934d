"""What Hydra starts for `-m`: every combination of the command line, or a search; Hydra looks for it in this package.

It is imported by every command, so nothing heavy is imported before a sweep begins.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, ListConfig, OmegaConf


class LitmusSweeper(Sweeper):
    """A grid for any launcher; with `sweep=NAME`, a search for those below."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.composed = hydra_context, config
        self.launching: Any = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        from litmus.sweeps.grid import points_of

        overrides = OverridesParser.create(config_loader=self.context.config_loader).parse_overrides(arguments)
        if self.composed.sweep is not None:
            from litmus.sweeps.start import start_search

            return start_search(self.launching, overrides)
        return self.launching.launch(points_of(overrides), initial_job_idx=0)


class QueueLauncher(Launcher):
    """Every job is a process of its own, wherever it runs.

    Args:
        jobs: How many at the same time.
        retry_failed: Whether to run again what failed before.
    """

    def __init__(self, jobs: int | None, retry_failed: bool, **options: Any) -> None:
        self.jobs, self.retry_failed, self.options = jobs, retry_failed, options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from litmus.sweeps.start import start_grid

        start_grid(self, job_overrides)
        return []

    def executor(self, trainer: DictConfig) -> Any:
        """What runs the jobs; `trainer` is the configuration of the first one's."""
        raise NotImplementedError


class ProcessesLauncher(QueueLauncher):
    """On this machine.

    Args:
        gpus_per_job: None: as many as a job's trainer asks for.
    """

    def executor(self, trainer: DictConfig) -> Any:
        from litmus.sweeps.job import program
        from litmus.sweeps.processes import Processes, slots

        return Processes(program(), slots(trainer, self.jobs, self.options["gpus_per_job"]))


class SubmititSlurmLauncher(QueueLauncher):
    """On the nodes of a Slurm cluster; the options are those of conf/hydra/launcher/submitit_slurm.yaml."""

    def executor(self, trainer: DictConfig) -> Any:
        from litmus.sweeps.job import program
        from litmus.sweeps.slurm_jobs import SlurmJobs

        at_once = self.jobs if self.config.sweep is not None else None  # a search learns from what is over
        return SlurmJobs(program(), at_once, _plain(self.options))


class RayLauncher(QueueLauncher):
    """On the machines of a Ray cluster; the options are those of conf/hydra/launcher/ray.yaml."""

    def executor(self, trainer: DictConfig) -> Any:
        from litmus.sweeps.job import program
        from litmus.sweeps.ray_jobs import RayJobs

        return RayJobs(program(), trainer, self.jobs, _plain(self.options))


def _plain(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """With lists and mappings of Python."""
    return {
        name: OmegaConf.to_container(value) if isinstance(value, DictConfig | ListConfig) else value
        for name, value in options.items()
    }
