"""Sweeps as a user starts them: fresh processes, nothing twice, failures that do not stop the rest."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import records
from wandb_server import KEY, WandbServer

ROOT = Path(__file__).parents[1]
QUICK = ("model=mlp", "data=digits", "threads=1", "trainer=cpu")
TWO = ("trainer.devices=2", "trainer.strategy=ddp")
CONF = """\
defaults: [default]
space:
  optimizer.lr: tag(log, interval(0.001, 0.1))
fixed: [model=mlp, data=digits, trainer=cpu, threads=1, epochs=2]
objectives: [{metric: val/loss, mode: min}]
first:
  - {optimizer.lr: 0.001, model.hidden: [0]} # can't be built
  - {optimizer.lr: 0.002, data.std: [0.0], callbacks.finite: null} # nothing but NaN
trials: 5
confirm: 1
"""


def command(root: Path, *words: str) -> list[str]:
    return [sys.executable, "train.py", "-m", *words, f"output_root={root}"]


def sweep(root: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "WANDB_MODE": "disabled", **environment}
    return subprocess.run(command(root, *words), cwd=ROOT, capture_output=True, text=True, env=env, timeout=500)


@pytest.mark.slow
def test_a_grid_runs_what_is_missing_and_what_failed_when_asked(tmp_path: Path) -> None:
    first = sweep(tmp_path, *QUICK, "epochs=1", "logger=csv", "data.batch_size=32,100000,64")
    assert first.returncode == 1
    assert sorted(run["status"] for run in records(tmp_path)) == ["done", "done", "failed"]
    assert "data.batch_size=100000 is larger than the training set" in first.stdout
    assert "1 of 3 jobs failed: the same command with --retry-failed runs them again" in first.stderr
    (name,) = {run["sweep"] for run in records(tmp_path)}

    again = sweep(
        tmp_path, *QUICK, "epochs=1", "logger=csv", "data.batch_size=32,100000,64", PYTHONPROFILEIMPORTTIME="1"
    )
    assert again.returncode == 1 and "2 done before" in again.stdout and len(records(tmp_path)) == 3
    imported = {line.rpartition("|")[2].strip() for line in again.stderr.splitlines()}
    assert "rich.live" in imported and not imported & {"torch", "pytorch_lightning", "wandb", "optuna"}

    retried = sweep(tmp_path, *QUICK, "epochs=1", "logger=csv", "data.batch_size=100000", "--retry-failed")
    assert retried.returncode == 1 and len(records(tmp_path)) == 4
    assert {run["sweep"] for run in records(tmp_path)} != {name}  # another grid, which shares the job


@pytest.fixture
def server() -> Iterator[WandbServer]:
    with WandbServer() as found:
        yield found


@pytest.mark.slow
def test_a_search_goes_on_after_it_was_killed_with_nothing_lost_and_nothing_twice(
    tmp_path: Path, server: WandbServer
) -> None:
    conf = tmp_path / "conf"
    (conf / "sweep").mkdir(parents=True)
    (conf / "sweep" / "mine.yaml").write_text(CONF)
    root = tmp_path / "outputs"
    words = ("--config-dir", str(conf), "sweep=mine")
    online = {"WANDB_MODE": "online", "WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
    with subprocess.Popen(
        command(root, *words), cwd=ROOT, stdout=subprocess.DEVNULL, env=os.environ | online
    ) as killed:
        deadline = time.monotonic() + 200
        while not any(run["status"] == "done" for run in records(root)):
            assert time.monotonic() < deadline and killed.poll() is None
            time.sleep(0.05)
        libraries = Path(f"/proc/{killed.pid}/maps")
        assert not libraries.exists() or "libtorch" not in libraries.read_text()
        os.kill(killed.pid, signal.SIGKILL)
    before = {run["id"] for run in records(root)}

    done = sweep(root, *words, **online)
    assert done.returncode == 0, done.stderr[-2000:]

    (folder,) = root.glob(".sweeps/mine-*")
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["trials"], summary["fail"], summary["complete"] + summary.get("pruned", 0)) == (5, 2, 3)
    trials = (folder / "trials.csv").read_text().splitlines()
    assert "model.hidden" in trials[1] + trials[0] and "ValueError" in trials[1]
    assert "val/loss was never a finite number" in trials[2]

    of_trials = [run for run in records(root) if run["sweep"] == folder.name]
    assert len(of_trials) == 5 and before <= {run["id"] for run in records(root)}  # what was stopped went on as itself
    assert sorted(run["status"] for run in of_trials).count("failed") == 1
    assert not any(name.startswith("test/") for run in of_trials for name in run.get("metrics", {}))
    (confirmed,) = [run for run in records(root) if run["sweep"] != folder.name]
    assert confirmed["seed"] == 1
    assert confirmed["metrics"]["test/accuracy"] == summary["tested"]["test/accuracy"]["mean"]

    assert {run["id"]: run["status"] for run in records(root)} == {
        name: found["status"] for name, found in server.summaries.items() if name != folder.name
    }
    assert server.summaries[folder.name]["trials"] == 5  # the search is a run of its own
    assert {server.runs[run["id"]]["groupName"] for run in of_trials} == {folder.name}

    again = sweep(root, *words)
    assert again.returncode == 0 and len(records(root)) == 6 and "5 done before" in again.stdout


@pytest.mark.slow
def test_a_sweep_of_runs_on_two_devices_trains_each_once(tmp_path: Path) -> None:
    done = sweep(tmp_path, *QUICK, "epochs=1", "logger=csv", *TWO, "seed=0,1")
    assert done.returncode == 0, done.stdout
    assert sorted((run["seed"], run["status"], run["world_size"]) for run in records(tmp_path)) == [
        (0, "done", 2),
        (1, "done", 2),
    ]


@pytest.mark.slow
def test_a_search_prunes_runs_on_two_devices(tmp_path: Path) -> None:
    """The second trial learns nothing: the signal comes to its first process, and both end."""
    first = "sweep.first=[{optimizer.lr: 0.01},{optimizer.lr: 1e-9}]"
    space = ("sweep=default", "optimizer.lr=interval(0.0,1.0)", first, "epochs=40")
    pruner = ("sweep.pruner.n_startup_trials=1", "sweep.trials=2", "hydra.launcher.jobs=1")
    done = sweep(tmp_path, *QUICK, *space, *pruner, "logger=csv", *TWO)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(run["status"], run["world_size"]) for run in records(tmp_path)] == [("done", 2), ("pruned", 2)]
    assert "1 done · 1 pruned" in done.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model=cnn,lsmt"], "error: model=lsmt does not exist: did you mean lstm?"),
        (["optimizer.rl=0.1,0.2"], "error: optimizer.rl is not a key: there is betas, fused, lr, weight_decay"),
        (["sweep=digits_quick", "sweep.space={model.hiden: 'choice(1,2)'}"], "model.hiden is not a key"),
        (["optimizer.lr=interval(0,1)"], "optimizer.lr=interval(0,1) has no end of values: add sweep=default"),
        (["sweep=digits_quick", "test=true"], "a search, which never tests"),
        (["sweep=digits_quick", "sweep.trials=0"], "sweep.trials=0 is not at least 1"),
        (["sweep=digits_quick", "hydra/launcher=basic"], "which needs hydra/launcher=processes"),
        (["sweep=digits_quick", "sweep/sampler=grid"], "model.dropout is an interval, which has no grid"),
        (["seed=0,1", "resume=last"], "resume= is not for -m"),
        (["seed=0,1", "hydra.launcher.jobs=0"], "hydra.launcher.jobs=0 is not at least 1"),
    ],
)
def test_a_mistake_is_said_before_anything_is_run(tmp_path: Path, words: list[str], sentence: str) -> None:
    done = sweep(tmp_path, *words)
    assert done.returncode == 1 and sentence in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not records(tmp_path)


def test_a_search_is_nothing_for_a_single_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "train.py", "sweep=digits_quick", f"output_root={tmp_path}"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and "give -m, too" in done.stderr
