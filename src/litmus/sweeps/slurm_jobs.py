"""Jobs as tasks of Slurm: the submitit library submits them, and each becomes train.py itself.

So Slurm's warning that the time is up comes to the run, which leaves a checkpoint and puts its job back into the queue.
Jobs outlive the sweep that submitted them, and the same command watches them again.
"""

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from litmus.folder import write_whole
from litmus.signals import PRUNE
from litmus.slurm import job as this_job
from litmus.sweeps.job import Job
from litmus.sweeps.slurm_queue import QUEUE

MOST_TASKS = 1000  # of an array, as Slurm is configured unless its administrator chose otherwise
EARLY = 60  # seconds that Slurm may warn too early
OUTER = ("SLURM", "SBATCH", "SUBMITIT")  # variables of a job that the sweep itself is in, which sbatch would obey
COUNTS = ("timeout_min", "signal_delay_s", "nodes", "tasks_per_node", "array_parallelism")
MAY_BE_NULL = ("jobs", "cpus_per_task", "gpus_per_node", "mem_gb")
SIGNALS = {signal.SIGTERM: "INT", PRUNE: "USR2"}  # INT ends a run alike, but not W&B's helper, which also gets it


class SlurmJobs:
    """An executor.

    Args:
        program: What starts a run, up to the overrides.
        at_once: How many are submitted at the same time; None: all of them, as an array.
        options: Of conf/hydra/launcher/submitit_slurm.yaml.
    """

    def __init__(self, program: Sequence[str], at_once: int | None, options: Mapping[str, Any]) -> None:
        check_options({"jobs": at_once, **options})
        if shutil.which("sbatch") is None:
            raise ValueError("hydra/launcher=submitit_slurm needs Slurm, and there is no sbatch here")
        try:
            import submitit
        except ImportError as error:
            raise ValueError("hydra/launcher=submitit_slurm needs submitit: pip install 'litmus[slurm]'") from error
        self.program, self.at_once, self.options, self.submitit = program, at_once, options, submitit
        self.running: dict[Job, str] = {}
        self.left: dict[Path, str] = {}  # by an earlier sweep: folders of jobs, and Slurm's names
        self.ending = False
        self.cancelled: set[Job] = set()
        leave_job()
        allow_files(2 * MOST_TASKS)

    @property
    def room(self) -> int:
        return (self.at_once or MOST_TASKS) - len(self.running)

    def adopts(self, job: Job) -> bool:
        if job.queued is None or not QUEUE.alive([job.queued]):
            return False
        self.left[job.folder] = job.queued
        return True

    def start(self, jobs: Sequence[Job]) -> None:
        self.running |= {job: self.left.pop(job.folder) for job in jobs if job.folder in self.left}
        new = [job for job in jobs if job not in self.running]
        if not new:
            return
        for job in new:
            job.queue_note.unlink(missing_ok=True)
        submitter = self._submitter(new[0])
        try:
            submitted = submitter.map_array(become, new, [job.command(self.program) for job in new])
        except (RuntimeError, OSError) as error:
            raise ValueError(f"sbatch refused the jobs: {error}") from error
        for job, task in zip(new, submitted, strict=True):
            self.running[job] = task.job_id
            write_whole(job.queue_note, f"{task.job_id}\n{task.paths.stdout}\n")

    def ended(self) -> list[Job]:
        alive = QUEUE.alive(self.running.values())
        if self.ending:
            self._cancel_what_waits(alive)
        done = [job for job, name in self.running.items() if name not in alive]
        for job in done:
            del self.running[job]
            if job.status != "done":
                add_output(job)
            job.queue_note.unlink(missing_ok=True)
        return done

    def send(self, jobs: Sequence[Job], signum: int) -> None:
        names = [self.running[job] for job in jobs if job in self.running]
        if signum == signal.SIGKILL:
            scancel(names)
        else:
            self.ending = self.ending or signum == signal.SIGTERM
            scancel(names, f"--signal={SIGNALS[signal.Signals(signum)]}")

    def _cancel_what_waits(self, alive: Mapping[str, str]) -> None:
        """Or was put back into the queue, or has no run yet that could leave a checkpoint."""
        found = [
            job
            for job, name in self.running.items()
            if job not in self.cancelled and name in alive and (alive[name] == "PENDING" or job.run is None)
        ]
        self.cancelled.update(found)
        scancel([self.running[job] for job in found])

    def _submitter(self, job: Job) -> Any:
        """Keeps its own notes in the folder of the sweep."""
        given = self.options
        slurms = ("partition", "account", "qos", "array_parallelism", "signal_delay_s")
        submitter = self.submitit.AutoExecutor(job.root / ".sweeps" / job.group / "slurm", cluster="slurm")
        submitter.update_parameters(
            name=job.group,
            timeout_min=given["timeout_min"],
            nodes=given["nodes"],
            tasks_per_node=given["tasks_per_node"],
            gpus_per_node=given["gpus_per_node"],
            cpus_per_task=given["cpus_per_task"],
            mem_gb=given["mem_gb"],
            stderr_to_stdout=True,
            slurm_setup=list(given["setup"]),
            slurm_additional_parameters={
                "requeue": True,
                "signal": f"USR1@{given['signal_delay_s']}",
                **given["additional_parameters"],
            },
            **{f"slurm_{name}": given[name] for name in slurms},
        )
        return submitter


def become(job: Job, command: Sequence[str]) -> None:
    """What submitit calls in a task of Slurm: train.py takes the place of this process, and of its signal handlers."""
    if job.queued is not None and job.queued != this_job():
        print(f"{job.folder} is that of job {job.queued}, and not of {this_job()}")
        return
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.execvpe(command[0], list(command), job.environment())


def check_options(options: Mapping[str, Any]) -> None:
    """Looks at what sbatch is to be given.

    Raises:
        ValueError: For a number that is none, or text that would become another line of a script.
    """
    for name in (*COUNTS, *MAY_BE_NULL):
        value = options[name]
        if not (value is None and name in MAY_BE_NULL) and (type(value) is not int or value < 1):
            raise ValueError(f"hydra.launcher.{name}={value} is not a whole number from 1 on")
    if options["timeout_min"] * 60 <= options["signal_delay_s"] + EARLY:
        raise ValueError(
            f"hydra.launcher.timeout_min={options['timeout_min']} is over when Slurm warns, which is "
            f"signal_delay_s={options['signal_delay_s']} and up to {EARLY} seconds before the end: give more minutes"
        )
    for name, value in {**options, **options["additional_parameters"]}.items():
        if not f"{name}{value if isinstance(value, str) else ''}".isprintable():
            raise ValueError(f"hydra.launcher: {name}={value!r} is not one line of text, as sbatch takes it")


def add_output(job: Job) -> None:
    """What Slurm and the lines of `setup` had to say about a job, to what it said itself."""
    output = Path(job.queue_note.read_text().splitlines()[1])
    if output.exists():
        said = [line for line in output.read_text(errors="replace").splitlines() if "submitit INFO" not in line]
        with open(job.log, "a") as log:
            log.writelines(f"{line}\n" for line in said)


def scancel(names: Sequence[str], *options: str) -> None:
    """What is over by now is no error."""
    if names:
        subprocess.run(["scancel", *options, *names], capture_output=True)


def leave_job() -> None:
    """A sweep in a job of Slurm submits jobs as if it were in none."""
    if this_job() is not None:
        for name in list(os.environ):
            if name.startswith(OUTER) and name != "SLURM_CONF":
                del os.environ[name]


def allow_files(number: int) -> None:
    """Each claimed job holds one open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = number if hard == resource.RLIM_INFINITY else min(number, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
