"""What is logged: metrics.csv survives kills and resumes, W&B never stops a run, people see progress."""

import fcntl
import os
import pty
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from litmus.loggers.csv import MetricsFile, read_metrics
from litmus.loggers.wandb import open_wandb
from train import train

ROOT = Path(__file__).parents[1]


def steps(path: Path) -> list[int]:
    return [int(row["step"]) for row in read_metrics(path)]


def test_a_resumed_file_has_every_step_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    first = MetricsFile(path)
    for step in (10, 20, 30):
        first.log_metrics({"train/loss": 1 / step, "epoch": 0}, step)
    again = MetricsFile(path)  # from a checkpoint at step 20
    again.log_metrics({"train/loss": 0.5, "epoch": 1}, 30)
    again.log_metrics({"train/loss": 0.25, "val/loss": 0.1, "epoch": 1}, 40)
    assert steps(path) == [10, 20, 30, 40, 40]
    assert float(read_metrics(path)[2]["value"]) == 0.5


def test_a_row_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    MetricsFile(path).log_metrics({"train/loss": 0.5}, 10)
    with open(path, "a") as file:
        file.write("20,0,train/lo")
    assert steps(path) == [10]
    MetricsFile(path).log_metrics({"train/loss": 0.4}, 20)
    assert steps(path) == [10, 20]


def test_without_a_key_wandb_is_offline_and_in_the_run_folder(composed: Callable[..., DictConfig]) -> None:
    config = composed("logger=wandb", "trainer.max_epochs=1", "model.channels=[8]")
    train(config)
    (folder,) = Path(config.output_root).iterdir()
    (offline,) = folder.glob("wandb/offline-run-*")
    assert offline.name.endswith(folder.name)
    assert b"val/accuracy" in next(offline.glob("*.wandb")).read_bytes()


def test_a_key_but_no_server_is_offline_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
    logger = open_wandb("p", None, None, "n", [], str(tmp_path / "id"), 15.0, 60.0)
    assert logger._wandb_init["mode"] == "offline" and logger._wandb_init["id"] == "id"
    assert "W&B is offline for this run: 127.0.0.1 does not answer" in caplog.text
    assert "0" * 40 not in caplog.text


def test_a_key_and_a_server_is_online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        logger = open_wandb("p", None, None, "n", [], str(tmp_path / "id"), 15.0, 60.0)
    assert logger._wandb_init["mode"] == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert open_wandb("p", None, None, "n", [], str(tmp_path / "id"), 15.0, 60.0)._wandb_init["mode"] == "disabled"


def test_a_terminal_gets_a_bar_and_a_log_file_gets_lines(tmp_path: Path) -> None:
    options = [f"output_root={tmp_path}", "logger=csv", "trainer.max_epochs=2", "threads=1"]
    command = [sys.executable, "train.py", *options]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "\r" not in lines.stdout + lines.stderr and lines.stderr == ""
    size, first, second, tested, folder = lines.stdout.splitlines()
    assert size == "Classification: 128,490 parameters on cpu" and "test/accuracy" in tested
    assert first.startswith("epoch 1/2") and second.startswith("epoch 2/2") and "val/accuracy" in second
    assert Path(folder).parent == tmp_path

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))  # rows, columns
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=follower)
    os.close(follower)
    seen = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    assert process.wait() == 0
    assert b"\r" in seen and b"epoch 1/2" in seen and b"it/s" in seen
