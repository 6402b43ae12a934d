"""Two processes learn and score what one does."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Compose
from fakes import FAKES
from runs import last_run, record, weights

from train import train

ROOT = Path(__file__).parents[1]
BASE = ("trainer.accelerator=cpu", "logger=csv", "threads=1")


def two(*options: str) -> None:
    """The same command with two processes, that Lightning starts."""
    command = [sys.executable, "train.py", "trainer.devices=2", *BASE, *options]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    "options",
    [
        ("data=digits", "model=mlp", "model.dropout=0.0", "data.augment.crop_padding=0", "data.batch_size=30"),
        pytest.param(  # the rows end in different steps
            ("data=ptb", "model=lstm_lm", "data.batch_size=4", "data.train_size=12", "optimizer=sgd"),
            marks=pytest.mark.slow,
        ),
    ],
    ids=" ".join,
)
@pytest.mark.slow
def test_two_processes_learn_what_one_does(composed: Compose, tmp_path: Path, options: tuple[str, ...]) -> None:
    made = FAKES[options[0][5:]](tmp_path)
    options = (*options, *made, "epochs=1", f"data_root={tmp_path}")
    config = composed(*BASE, *options)
    train(config)
    two(*options, f"output_root={tmp_path}/two")
    (folder,) = (tmp_path / "two").iterdir()
    one, other = weights(last_run(config)), weights(folder)
    assert one.keys() == other.keys() and record(folder)["world_size"] == 2
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-6


@pytest.mark.slow
def test_two_processes_score_a_run_as_one_does(composed: Compose, tmp_path: Path) -> None:
    """To the last bit, with an odd number of batches, of which the last is smaller, and with batch normalisation, whose
    statistics DDP shares out in every forward."""
    config = composed(*BASE, "callbacks=[default]", "model.channels=[8]", "data.batch_size=128", "epochs=1")
    train(config)
    folder = last_run(config)
    alone = record(folder)["metrics"]
    page = (folder / "report.html").read_text()
    two("resume=last", f"output_root={tmp_path}/outputs")
    assert record(folder)["world_size"] == 2 and record(folder)["metrics"] == alone
    assert page.count("% sure") == (folder / "report.html").read_text().count("% sure") > 0
