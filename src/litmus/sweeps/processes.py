"""Jobs as processes of this machine: as many at once as it has devices for."""

import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from omegaconf import DictConfig

from litmus.provenance import cores
from litmus.sweeps.job import Job
from litmus.sweeps.orphan import PARENT

MOST_JOBS = 8  # at once on CPUs, unless asked for: each takes about 0.7 GB before its data


@dataclass
class Processes:
    """An executor.

    Attributes:
        program: What starts a run, up to the overrides.
        free: What the environment of the next jobs tells them of their devices.
    """

    program: Sequence[str]
    free: list[Mapping[str, str]]
    running: dict[Job, tuple["subprocess.Popen[bytes]", Mapping[str, str]]] = field(default_factory=dict)

    @property
    def room(self) -> int:
        return len(self.free)

    def adopts(self, job: Job) -> bool:
        return False

    def start(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            devices = self.free.pop(0)
            with open(job.log, "ab") as log:
                process = subprocess.Popen(
                    job.command(self.program),
                    env={**job.environment(), **devices, PARENT: str(os.getpid())},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C comes to the sweep, which passes it on
                )
            self.running[job] = process, devices

    def ended(self) -> list[Job]:
        done = [job for job, (process, _) in self.running.items() if process.poll() is not None]
        for job in done:
            process, devices = self.running.pop(job)
            if process.returncode:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # its other ranks, which would hold the GPUs
            self.free.append(devices)
        return done

    def send(self, jobs: Sequence[Job], signum: int) -> None:
        for process in (self.running[job][0] for job in jobs if job in self.running):
            if signum == signal.SIGKILL:
                os.killpg(process.pid, signum)  # its other ranks, too
            else:
                process.send_signal(signum)


def slots(trainer: DictConfig, jobs: int | None, gpus_per_job: int | None) -> list[Mapping[str, str]]:
    """What each job that runs at the same time is given: GPUs of its own, or its part of the threads.

    Args:
        trainer: The configuration of a job's trainer.
        jobs: How many at once; null: as many as there are sets of GPUs, or a few on CPUs.
        gpus_per_job: null: as many as its trainer asks for.

    Raises:
        ValueError: If there are not so many, or the number makes no sense.
    """
    for name, value in (("jobs", jobs), ("gpus_per_job", gpus_per_job)):
        if value is not None and value < 1:
            raise ValueError(f"hydra.launcher.{name}={value} is not at least 1")
    devices = devices_of(trainer)
    if trainer.accelerator in ("auto", "gpu") and (gpus := visible_gpus()):
        each = gpus_per_job or devices
        if each > len(gpus):
            raise ValueError(f"hydra.launcher.gpus_per_job={each} is more than the {len(gpus)} GPUs here")
        sets = [",".join(gpus[start : start + each]) for start in range(0, len(gpus) - each + 1, each)]
        return [{"CUDA_VISIBLE_DEVICES": one} for one in itertools.islice(itertools.cycle(sets), jobs or len(sets))]
    number = jobs or max(min(2, cores()), min(MOST_JOBS, cores() // 4))
    threads = max(1, cores() // number // devices)
    return [{"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}] * number


def devices_of(trainer: DictConfig) -> int:
    """How many a job asks for by number; 1 if it takes what is there."""
    return trainer.devices if isinstance(trainer.devices, int) and trainer.devices > 0 else 1


def visible_gpus() -> list[str]:
    """Those that this process may use, without asking torch, which takes seconds to come."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout.splitlines()
    return [str(index) for index, _ in enumerate(line for line in listed if line.startswith("GPU "))]
