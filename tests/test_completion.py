"""Tab: what bash is told to offer, asked as it asks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in ("20260101-000000-cnn-digits-aaaaaa", "20260102-000000-mlp-digits-bbbbbb"):
        (tmp_path / "outputs" / name).mkdir(parents=True)
        (tmp_path / "outputs" / name / "run.json").write_text("{}")
    return tmp_path


def offered(folder: Path, line: str) -> list[str]:
    """What argcomplete writes for a command line that ends with Tab."""
    answer = folder / "answer"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "_ARGCOMPLETE_IFS": "\n",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "PYTHONPATH": str(ROOT / "src"),
    }
    subprocess.run([sys.executable, "-m", "litmus.cli"], cwd=folder, env={**os.environ, **asked}, check=True)
    return [word.strip() for word in answer.read_text().splitlines()]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("litmus pre", {"predict", "prepare"}),
        ("litmus runs show 2026", {"20260101-000000-cnn-digits-aaaaaa", "20260102-000000-mlp-digits-bbbbbb"}),
        ("litmus evaluate la", {"last"}),
        ("litmus runs list --so", {"--sort"}),
        ("litmus add mod", {"model"}),
    ],
)
def test_litmus_offers_verbs_options_and_runs(runs: Path, line: str, words: set[str]) -> None:
    assert set(offered(runs, line)) == words


@pytest.mark.parametrize(
    ("line", "word"), [("python train.py model=c", "model=cnn"), ("python train.py optimizer.l", "optimizer.lr=")]
)
def test_train_offers_groups_and_keys(line: str, word: str) -> None:
    asked = {**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line))}
    command = [sys.executable, "train.py", "-sc", "query=bash"]
    done = subprocess.run(command, cwd=ROOT, env=asked, capture_output=True, text=True, check=True)
    assert word in done.stdout.split()


def test_bash_takes_the_script(runs: Path) -> None:
    script = subprocess.run(
        [sys.executable, "-m", "litmus.cli", "completion", "bash"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    done = subprocess.run(["bash", "-c", f"{script}\ncomplete -p litmus python"], capture_output=True, text=True)
    assert done.returncode == 0 and "_python_argcomplete litmus" in done.stdout and "hydra" in done.stdout
