"""Sweeps on a real Slurm: a grid is one array, a killed sweep starts nothing twice, a requeued job is one run."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from runs import record, records, until
from slurm_node import SlurmNode

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
OPTIONS = (
    "hydra/launcher=submitit_slurm", "hydra.launcher.timeout_min=10", "model=mlp", "data=digits", "threads=1",
    "trainer=cpu", "logger=csv",
)  # fmt: skip
SEARCH = """\
defaults: [default]
space: {optimizer.lr: 'tag(log, interval(0.001, 0.1))'}
objectives: [{metric: val/loss, mode: min}]
trials: 4
"""


def command(root: Path, *words: str) -> list[str]:
    return [sys.executable, "train.py", "-m", *words, *OPTIONS, f"output_root={root}"]


def sweep(slurm: SlurmNode, root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    outer = {"SLURM_JOB_ID": "9999", "SLURM_NTASKS": "3", "SBATCH_PARTITION": "none"}  # as if in a job of its own
    env = {**slurm.environment, **outer}
    return subprocess.run(command(root, *words), cwd=ROOT, capture_output=True, text=True, env=env, timeout=400)


def arrays(slurm: SlurmNode) -> set[str]:
    """All that were submitted so far."""
    return set(slurm.ask("squeue", "--noheader", "--states=all", "--format=%F").split())


def test_a_grid_is_one_array_that_a_killed_sweep_and_a_preempted_job_do_not_repeat(
    slurm: SlurmNode, tmp_path: Path
) -> None:
    before = arrays(slurm)
    words = ("epochs=40", "data.batch_size=32,64,100000", "hydra.launcher.array_parallelism=2")
    with subprocess.Popen(command(tmp_path, *words), cwd=ROOT, env=slurm.environment) as killed:
        until(lambda: len(list(tmp_path.glob("*/checkpoints/best.ckpt"))) >= 1, "a job trains")
        os.kill(killed.pid, signal.SIGKILL)
    (array,) = arrays(slurm) - before
    (trains, *_) = [path.parents[1] for path in tmp_path.glob("*/checkpoints/best.ckpt")]
    slurm.ask("scancel", "--signal=USR1", record(trains)["slurm_job"])

    done = sweep(slurm, tmp_path, *words)
    assert "1 of 3 jobs failed" in done.stderr, done.stderr
    assert "data.batch_size=100000 is larger than the training set" in done.stdout
    assert arrays(slurm) - before == {array}
    assert sorted(run["status"] for run in records(tmp_path)) == ["done", "done", "failed"]
    assert {run["slurm_job"] for run in records(tmp_path)} == {f"{array}_{index}" for index in range(3)}
    assert len(record(trains)["resumed"]) == 1 and record(trains)["status"] == "done"
    (note,) = [path for path in tmp_path.glob(".sweeps/jobs/*/run") if trains.name in path.read_text()]
    epochs = re.findall(r"^epoch (\d+)/40", note.with_name("log.txt").read_text(), re.MULTILINE)
    assert epochs == [str(epoch) for epoch in range(1, 41)]

    again = sweep(slurm, tmp_path, *words)
    assert again.returncode == 1 and "2 done before" in again.stdout and arrays(slurm) - before == {array}


def test_a_search_is_asked_to_end_and_goes_on(slurm: SlurmNode, tmp_path: Path) -> None:
    """Two trials run, and the third waits for its two of the four CPUs."""
    before = arrays(slurm)
    (tmp_path / "conf" / "sweep").mkdir(parents=True)
    (tmp_path / "conf" / "sweep" / "mine.yaml").write_text(SEARCH)
    given = ("--config-dir", str(tmp_path / "conf"), "sweep=mine", "epochs=4")
    words = (*given, "hydra.launcher.jobs=3", "hydra.launcher.cpus_per_task=2")
    root = tmp_path / "outputs"
    asked = subprocess.Popen(
        command(root, *words),
        cwd=ROOT,
        env=slurm.environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    until(lambda: asked.poll() is not None or records(root), "a trial trains")
    asked.send_signal(signal.SIGTERM)
    said = asked.communicate(timeout=100)[0]
    assert asked.returncode == 128 + signal.SIGTERM and "failed" not in said, said
    (array,) = arrays(slurm) - before
    assert slurm.states(array) <= {"COMPLETED", "CANCELLED", "FAILED"}  # none waits

    done = sweep(slurm, root, *words)
    assert done.returncode == 0, done.stderr
    (folder,) = root.glob(".sweeps/mine-*")
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["trials"] == 4 and summary["complete"] + summary.get("pruned", 0) == 4
    assert len(records(root)) == 4 and {run["status"] for run in records(root)} <= {"done", "pruned"}
    assert not list(folder.glob("*/slurm"))


def test_what_slurm_says_of_a_job_without_a_run_is_shown(slurm: SlurmNode, tmp_path: Path) -> None:
    done = sweep(slurm, tmp_path, "seed=0,1", "hydra.launcher.setup=['echo no such module >&2', 'exit 1']")
    assert done.returncode == 1 and done.stdout.count("no such module") == 2, done.stdout + done.stderr
    refused = sweep(slurm, tmp_path, "seed=2", "hydra.launcher.partition=nowhere")
    assert refused.returncode == 1 and "error: sbatch refused the jobs: " in refused.stderr, refused.stderr
    assert "Traceback" not in refused.stderr
