"""A run under Slurm: the job that it belongs to, and its way back into the queue when the time is up."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from litmus.folder import list_runs, read_record
from litmus.snapshot import saved


def job() -> str | None:
    """What `scontrol` knows this job by, the same after a requeue; None outside Slurm."""
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        return f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID")


def run_before(root: Path, overrides: Sequence[str]) -> Path | None:
    """The run that this command left when its job was put back into the queue; None if the job starts for the first
    time."""
    if int(os.environ.get("SLURM_RESTART_COUNT", 0)) == 0:
        return None
    for folder in reversed(list_runs(root)):
        with suppress(ValueError):  # a damaged one is not it
            if read_record(folder).get("slurm_job") == job() and saved(folder)[1] == list(overrides):
                return folder
    return None


def requeue() -> bool:
    """Has Slurm start this job again, from its first line; whether it will."""
    command = ["scontrol", "requeue", str(job())]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        failed = (done.stderr.strip() or f"code {done.returncode}") if done.returncode else ""
    except OSError as error:
        failed = str(error)
    print(f"{' '.join(command)} failed: {failed}" if failed else f"job {job()} is queued again", file=sys.stderr)
    return not failed
