"""What is logged: metrics.csv survives kills and resumes, people see progress; W&B has a file of its own."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

from litmus.folder import read_metrics
from litmus.loggers.csv import MetricsFile

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


def test_a_terminal_gets_a_bar_and_a_log_file_gets_lines(tmp_path: Path) -> None:
    options = [f"output_root={tmp_path}", "logger=csv", "trainer.max_epochs=2", "threads=1", "data.train_size=256"]
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
