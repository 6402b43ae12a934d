"""Sweeps on a Ray of this machine: what fails or is lost takes nothing along, and a killed sweep loses nothing."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from runs import records, until

pytestmark = pytest.mark.slow

pytest.importorskip("ray", reason="Ray is not installed: pip install 'litmus[ray]'")
ROOT = Path(__file__).parents[1]
OPTIONS = ("hydra/launcher=ray", "model=mlp", "data=digits", "threads=1", "trainer=cpu", "logger=csv")
SEARCH = """\
defaults: [default]
space: {optimizer.lr: 'tag(log, interval(0.001, 0.1))'}
objectives: [{metric: val/loss, mode: min}]
trials: 3
"""


def command(root: Path, *words: str) -> list[str]:
    return [sys.executable, "train.py", "-m", *words, *OPTIONS, f"output_root={root}"]


def sweep(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(root, *words), cwd=ROOT, capture_output=True, text=True, timeout=400)


def trains(root: Path) -> bool:
    return any(root.glob("*/checkpoints/best.ckpt"))


def test_a_grid_that_is_killed_leaves_checkpoints_and_a_lost_worker_takes_one_job_along(tmp_path: Path) -> None:
    words = ("epochs=100", "data.batch_size=32,100000,64", "hydra.launcher.jobs=3", "hydra.launcher.num_cpus=0.5")
    with subprocess.Popen(command(tmp_path, *words), cwd=ROOT) as killed:
        until(lambda: killed.poll() is not None or trains(tmp_path), "a job trains")
        os.kill(killed.pid, signal.SIGKILL)
    until(lambda: {run["status"] for run in records(tmp_path)} == {"interrupted", "failed"}, "the jobs end")
    before = {run["id"] for run in records(tmp_path)}

    with subprocess.Popen(command(tmp_path, *words), cwd=ROOT, text=True, stdout=subprocess.PIPE) as again:
        until(lambda: again.poll() is not None or any(run.get("resumed") for run in records(tmp_path)), "one goes on")
        going = next(run for run in records(tmp_path) if run["status"] == "running")
        (note,) = [path for path in tmp_path.glob(".sweeps/jobs/*/run") if going["id"] in path.read_text()]
        os.kill(int(note.with_name("ray").read_text().split()[1]), signal.SIGKILL)
        said = again.communicate(timeout=200)[0]
    assert again.returncode == 1 and said.count("interrupted") == 2 and said.count(" done") == 2, said
    assert "Ray lost it: " in note.with_name("log.txt").read_text()
    assert {run["id"] for run in records(tmp_path)} == before
    assert sorted(run["status"] for run in records(tmp_path)) == ["done", "failed", "interrupted"]


def test_a_search_is_asked_to_end_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "conf" / "sweep").mkdir(parents=True)
    (tmp_path / "conf" / "sweep" / "mine.yaml").write_text(SEARCH)
    words = ("--config-dir", str(tmp_path / "conf"), "sweep=mine", "epochs=2", "hydra.launcher.jobs=2")
    root = tmp_path / "outputs"
    asked = subprocess.Popen(
        command(root, *words), cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    until(lambda: asked.poll() is not None or records(root), "a trial begins")
    asked.send_signal(signal.SIGTERM)
    said = asked.communicate(timeout=100)[0]
    assert asked.returncode == 128 + signal.SIGTERM and "failed" not in said, said

    done = sweep(root, *words, "sweep.confirm=1")
    assert done.returncode == 0, done.stderr
    (folder,) = root.glob(".sweeps/mine-*")
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["trials"] == 3 and summary["complete"] + summary.get("pruned", 0) == 3
    assert len(records(root)) == 4 and {run["status"] for run in records(root)} <= {"done", "pruned"}
