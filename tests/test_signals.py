"""A signal ends a run after its step, with a checkpoint, and the run goes on from there."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs import newest, record

ROOT = Path(__file__).parents[1]
LONG = ("epochs=10000", "logger=csv", "threads=1", "callbacks.checkpoint.every_n_epochs=null")


def start(root: Path, *options: str, **environment: str) -> "subprocess.Popen[str]":
    """A run in a process of its own, which hears SIGINT even if the tests run in the background."""
    return subprocess.Popen(
        [sys.executable, "train.py", f"output_root={root}", *options],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_for(root: Path, pattern: str) -> None:
    deadline = time.monotonic() + 120
    while not list(root.glob(pattern)):
        assert time.monotonic() < deadline, f"no {pattern}"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("signum", "code", "devices"),
    [
        (signal.SIGTERM, 143, 1),
        pytest.param(signal.SIGINT, 130, 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, 138, 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 143, 2, marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_a_run_with_a_checkpoint(tmp_path: Path, signum: int, code: int, devices: int) -> None:
    process = start(tmp_path, *LONG, "trainer=cpu", f"trainer.devices={devices}")
    wait_for(tmp_path, "*/checkpoints/best.ckpt")
    os.kill(process.pid, signum)
    out, err = process.communicate(timeout=60)
    (folder,) = tmp_path.iterdir()
    name = signal.Signals(signum).name
    assert process.returncode == code
    assert record(folder)["status"] == "interrupted" and record(folder)["ended"]
    assert out.strip().splitlines()[-1] == str(folder)
    assert err.strip().splitlines()[-2:] == [
        f"{name}: stopping after this step, with a checkpoint; once more stops at once",
        f"stopped by {name}; go on with: python train.py resume={folder.name} output_root={tmp_path}",
    ]
    page = (folder / "report.html").read_text()
    assert f"stopped by {name}" in page and f"train.py resume={folder.name}" in page and "Learning curves" in page
    assert newest(folder)["global_step"] > 0  # nothing else would have written one


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """While it waits for a step that takes for ever, here a validation."""
    process = start(tmp_path, *LONG, "data.batch_size=1", "trainer.val_check_interval=5")
    wait_for(tmp_path, "*/checkpoints/best.ckpt")
    os.kill(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    (folder,) = tmp_path.iterdir()
    assert process.returncode == 143 and record(folder)["status"] == "interrupted"


def test_a_signal_before_training_ends_it_at_once(tmp_path: Path) -> None:
    process = start(tmp_path, *LONG)
    wait_for(tmp_path, "*/run.json")
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    (folder,) = tmp_path.iterdir()
    assert process.returncode == 143 and record(folder)["status"] == "interrupted"


@pytest.mark.slow
def test_slurm_puts_it_back_into_the_queue_and_it_goes_on_under_its_id(tmp_path: Path) -> None:
    """With Slurm's variables, and a `scontrol` that writes down what it was asked."""
    (tmp_path / "bin").mkdir()
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    scontrol.chmod(0o755)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    runs = tmp_path / "runs"
    options = ("epochs=10000", "logger=csv", "threads=1", "callbacks.checkpoint.keep=100000")
    process = start(runs, *options, SLURM_JOB_ID="17", PATH=path)
    wait_for(runs, "*/checkpoints/best.ckpt")
    os.kill(process.pid, signal.SIGUSR1)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 138 and "job 17 is queued again" in err
    assert (tmp_path / "asked").read_text() == "requeue 17\n"
    (folder,) = runs.iterdir()
    before = newest(folder)["global_step"]

    process = start(runs, *options, SLURM_JOB_ID="17", SLURM_RESTART_COUNT="1", PATH=path)
    wait_for(runs, f"*/checkpoints/step-{before + 80 - before % 40:08d}.ckpt")  # the border of the next epoch but one
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    assert list(runs.iterdir()) == [folder] and len(record(folder)["resumed"]) == 1


@pytest.mark.slow
def test_a_rank_that_is_lost_ends_the_run_as_failed(tmp_path: Path) -> None:
    process = start(tmp_path, *LONG, "trainer=cpu", "trainer.devices=2")
    wait_for(tmp_path, "*/checkpoints/best.ckpt")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    other = next(pid for pid in children if b"train.py" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(int(other), signal.SIGKILL)
    process.communicate(timeout=60)
    (folder,) = tmp_path.iterdir()
    assert process.returncode != 0 and record(folder)["status"] == "failed" and record(folder)["error"]["message"]
