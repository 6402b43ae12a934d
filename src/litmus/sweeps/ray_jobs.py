"""Jobs as tasks of Ray: each worker runs train.py as a process of its own, on a file system that all of them share.

A worker, or its machine, that is lost takes one job along, and the rest goes on. Jobs end with the sweep, as processes
of this machine do, and leave a checkpoint.
"""

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from litmus.folder import write_whole
from litmus.provenance import cores
from litmus.sweeps.job import Job
from litmus.sweeps.orphan import PARENT
from litmus.sweeps.processes import devices_of
from litmus.sweeps.ray_task import ASKED

STARTED = "ray"  # in a job's folder: which worker has it
RAYS = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")  # what Ray gave a job
ANSWER = 10.0  # seconds for a cluster to answer
LONGEST = 60.0  # seconds for a run whose worker is gone to leave a checkpoint


class RayJobs:
    """An executor.

    Args:
        program: What starts a run, up to the overrides.
        trainer: The configuration of a job's trainer.
        jobs: How many at the same time; None: as many as the cluster has room for.
        options: Of conf/hydra/launcher/ray.yaml.
    """

    def __init__(
        self, program: Sequence[str], trainer: DictConfig, jobs: int | None, options: Mapping[str, Any]
    ) -> None:
        cpus, gpus = options["num_cpus"], options["num_gpus"]
        if jobs is not None and jobs < 1:
            raise ValueError(f"hydra.launcher.jobs={jobs} is not at least 1")
        if cpus <= 0:
            raise ValueError(f"hydra.launcher.num_cpus={cpus} is not above 0: less than 1 lets jobs share one")
        self.program, self.ray = program, connect(options["address"], options["runtime_env"])
        has = self.ray.cluster_resources()
        if gpus is None:
            gpus = devices_of(trainer) if has.get("GPU") and trainer.accelerator in ("auto", "gpu") else 0
        fit = min(has.get(name, 0) // each for name, each in (("CPU", cpus), ("GPU", gpus)) if each)
        if jobs is None and fit < 1:
            raise ValueError(
                f"hydra.launcher.num_cpus={cpus} num_gpus={gpus} is more than the {has.get('CPU', 0):.0f} CPUs and"
                f" {has.get('GPU', 0):.0f} GPUs of the cluster: ask for less, or give jobs= if it grows"
            )
        self.room = jobs or int(fit)
        self.task = self.ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(work)
        self.kept = list((options["runtime_env"] or {}).get("env_vars", ()))
        self.running: dict[Job, Any] = {}
        self.lost: dict[Job, float] = {}  # and since when

    def adopts(self, job: Job) -> bool:
        return False

    def start(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            for note in (ASKED, STARTED):
                (job.folder / note).unlink(missing_ok=True)
            kept = (*RAYS, *self.kept)
            self.running[job] = self.task.remote(job, job.command(self.program), job.environment(), kept)
        self.room -= len(jobs)

    def ended(self) -> list[Job]:
        tasks = list(self.running.values())
        over = self.ray.wait(tasks, num_returns=len(tasks), timeout=0)[0] if tasks else []
        done = [job for job, task in self.running.items() if task in over and not self._still_ends(job, task)]
        for job in done:
            del self.running[job]
        self.room += len(done)
        return done

    def send(self, jobs: Sequence[Job], signum: int) -> None:
        for job in jobs:
            write_whole(job.folder / ASKED, str(int(signum)))
            if signum in (signal.SIGTERM, signal.SIGKILL) and not (job.folder / STARTED).exists():
                self.ray.cancel(self.running[job])

    def _still_ends(self, job: Job, task: Any) -> bool:
        """Whether its worker is gone, and its run is about to leave a checkpoint."""
        if job not in self.lost:
            try:
                self.ray.get(task)
            except self.ray.exceptions.RayError as error:
                with open(job.log, "a") as log:
                    log.write(f"error: Ray lost it: {str(error).strip().splitlines()[0]}\n")
                self.lost[job] = time.monotonic()
            else:
                return False
        if job.is_written and time.monotonic() - self.lost[job] < LONGEST:
            return True
        del self.lost[job]
        return False


def connect(address: str | None, runtime_env: Mapping[str, Any] | None) -> Any:
    """Ray, with a cluster.

    Args:
        address: None: of this machine, for this sweep only.

    Raises:
        ValueError: If Ray is not installed, or the cluster can't be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody else is told
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # a job with no GPUs sees none; unset, Ray warns
    try:
        import ray
    except ImportError as error:
        raise ValueError("hydra/launcher=ray needs Ray: pip install 'litmus[ray]'") from error
    if ray.is_initialized():  # by a search, whose best is now run again
        return ray
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "runtime_env": runtime_env}
    try:
        if address is None:  # a cluster that is there already refuses object_store_memory
            ray.init("local", num_cpus=cores(), include_dashboard=False, object_store_memory=100 * 2**20, **quiet)
        else:
            if host_and_port := re.fullmatch(r"(.+):(\d+)", address):  # Ray itself would try for many minutes
                host, port = host_and_port.groups()
                socket.create_connection((host, int(port)), ANSWER).close()
            ray.init(address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(f"hydra.launcher.address={address or 'null'}: Ray does not start: {first}") from error
    return ray


def work(job: Job, command: Sequence[str], environment: Mapping[str, str], kept: Sequence[str]) -> None:
    """What Ray calls on a worker.

    Args:
        environment: Of the sweep.
        kept: The variables that the worker has its own values for.
    """
    write_whole(job.folder / STARTED, f"{os.uname().nodename} {os.getpid()}\n")
    own = {name: os.environ[name] for name in kept if name in os.environ}
    with open(job.log, "ab") as log:
        subprocess.run(
            [sys.executable, "-m", "litmus.sweeps.ray_task", str(job.folder), *command],
            env={**os.environ, **environment, **own, PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
