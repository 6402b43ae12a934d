"""The README does what it says: its commands run, its paths exist, its claims have a command."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from litmus.cli import main as litmus

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.split(" #")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


def test_the_readme_is_a_page() -> None:
    assert len(README.splitlines()) < 150
    assert COMMANDS[:2] == ["make train", "make test"]


@pytest.mark.parametrize("target", ["train", "test", "setup", "lint", "bench", "chaos", "paper", "format", "help"])
def test_every_make_target_is_there(target: str) -> None:
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_make_passes_overrides_on() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "train", "ARGS=model=resnet20 data=cifar10"], cwd=ROOT, capture_output=True, text=True
    )
    assert "train.py model=resnet20 data=cifar10" in done.stdout


def test_the_commands_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder of their own; on the embedded digits where they would download, and for one epoch."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "image.png")
    short = ["threads=1", "trainer.max_epochs=1", "logger=csv"]
    ran = 0
    for command in COMMANDS[2:]:
        program, *arguments = shlex.split(command)
        if program == "litmus":
            litmus(arguments)
        else:
            assert program == "python" and arguments[0] == "train.py"
            arguments = [argument.replace("data=cifar10", "data=digits") for argument in arguments[1:]]
            resumed = any("resume" in argument for argument in arguments)
            extra = [] if resumed or "--help" in arguments else short
            done = subprocess.run(
                [sys.executable, str(ROOT / "train.py"), *arguments, *extra], capture_output=True, text=True
            )
            assert done.returncode == 0, f"{command}: {done.stderr}"
        ran += 1
    assert ran == len(COMMANDS) - 2 >= 9
    assert len(list(tmp_path.glob("outputs/*/run.json"))) == 4
    assert "image.png" in capsys.readouterr().out


def test_every_file_that_the_readme_names_is_there() -> None:
    for row in re.findall(r"^\| (`[^|]*`) \|", README.split("## Where to read")[1].split("##")[0], re.MULTILINE):
        folder = ""
        for name in re.findall(r"`([^`]+)`", row):
            path = ROOT / (name if "/" in name and (ROOT / name).exists() else f"{folder}{name}")
            assert path.exists(), name
            folder = f"{path.parent.relative_to(ROOT)}/"
