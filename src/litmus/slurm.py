"""A run under Slurm: the job that it belongs to, and its way back into the queue when the time is up."""

import os
import subprocess
import sys


def job() -> str | None:
    """What `scontrol` knows this job by, the same after a requeue; None outside Slurm."""
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        return f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID")


def is_requeued() -> bool:
    """Whether this job was started before."""
    return int(os.environ.get("SLURM_RESTART_COUNT", 0)) > 0


def requeue() -> None:
    """Has Slurm start this job again, from its first line."""
    command = ["scontrol", "requeue", str(job())]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        failed = done.stderr.strip() if done.returncode else ""
    except OSError as error:
        failed = str(error)
    print(f"{' '.join(command)} failed: {failed}" if failed else f"job {job()} is queued again", file=sys.stderr)
