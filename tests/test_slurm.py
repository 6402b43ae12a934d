"""Against a real Slurm: whatever ends a job early, it starts again and goes on with its run as if nothing had been."""

import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from runs import best_weights, differences, newest, record, scalars
from slurm_node import SlurmNode

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
OPTIONS = ("trainer=cpu", "threads=1", "logger=csv", "model.channels=[8]", "model.hidden=16", "epochs=8")
Ended = tuple[Path, dict[str, str]]


def submit(slurm: SlurmNode, root: Path, *options: str) -> str:
    """The same run in every job. `exec`, for Slurm signals the shell of a job, which would not pass it on."""
    command = shlex.join([sys.executable, "train.py", f"output_root={root}", *OPTIONS])
    where = (f"--chdir={ROOT}", f"--output={root}/%A_%a.log", "--open-mode=append", "--requeue", "--ntasks=1")
    return slurm.submit(f"exec {command}", *where, *options)


def until(happened: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def runs_of(root: Path, job: str) -> list[Path]:
    found = (path.parent for path in root.glob("*/run.json"))
    return [folder for folder in found if record(folder)["slurm_job"] == job]


def trains(root: Path, job: str) -> bool:
    return any((folder / "checkpoints" / "best.ckpt").exists() for folder in runs_of(root, job))


@pytest.fixture(scope="module")
def ended(slurm: SlurmNode, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Where jobs ran, and their names: one for each way to end early, two of them in an array, and one that did not."""
    root = tmp_path_factory.mktemp("slurm")
    limited, array = submit(slurm, root, "--time=10", "--signal=B:USR1@60"), submit(slurm, root, "--array=0-1")
    jobs = {"time is up": limited, "signal": f"{array}_0", "requeue": f"{array}_1"}

    until(lambda: trains(root, limited), "the first job trains")
    (folder,) = runs_of(root, limited)
    os.kill(record(folder)["pid"], signal.SIGSTOP)  # until Slurm, which looks at its clock every 30 s, continues it
    slurm.ask("scontrol", "update", f"JobId={limited}", "TimeLimit=1")
    until(lambda: trains(root, jobs["signal"]), "the first of the array trains")
    slurm.ask("scancel", "--batch", "--signal=USR1", jobs["signal"])
    until(lambda: trains(root, jobs["requeue"]), "the second of the array trains")
    slurm.ask("scontrol", "requeue", jobs["requeue"])

    jobs["peace"] = submit(slurm, root)
    until(lambda: "PENDING" in slurm.states(limited), "the first job is queued again")
    slurm.ask("scontrol", "update", f"JobId={limited}", "TimeLimit=10")
    every = ",".join((limited, array, jobs["peace"]))
    until(lambda: slurm.states(every) == {"COMPLETED"}, "all jobs are done")
    return root, jobs


@pytest.mark.parametrize("way", ["time is up", "signal", "requeue"])
def test_a_job_that_ended_early_goes_on_as_if_it_had_not(ended: Ended, way: str) -> None:
    root, jobs = ended
    (run,), (whole,) = runs_of(root, jobs[way]), runs_of(root, jobs["peace"])
    assert record(run)["status"] == record(whole)["status"] == "done"
    assert len(record(run)["resumed"]) == 1 and "resumed" not in record(whole)
    assert differences(newest(run), newest(whole)) == []
    assert differences(best_weights(run), best_weights(whole)) == []
    assert scalars(run) == scalars(whole)


@pytest.mark.parametrize("way", ["time is up", "signal"])
def test_the_log_of_a_job_tells_the_whole_story(ended: Ended, way: str) -> None:
    root, jobs = ended
    (run,) = runs_of(root, jobs[way])
    text = next(root.glob(f"{jobs[way]}*.log")).read_text()
    assert re.findall(r"[^ -~\n]", text) == []  # nothing that draws over lines
    first, second = text.split(f"{run}\n")[:2]
    assert "SIGUSR1: stopping after this step" in first and f"job {jobs[way]} is queued again" in second
    assert re.findall(r"^epoch (\d+)/8", text, re.MULTILINE) == list("12345678")
    assert "warn" not in text.lower()
