"""Whole runs on the embedded digits: what they leave, that they repeat, that they go on."""

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fakes import FAKES, available
from omegaconf import DictConfig, OmegaConf
from runs import last_run, record, same, scalars, weights

from litmus.snapshot import load_config
from litmus.tasks.task import Task
from train import train

ROOT = Path(__file__).parents[1]
QUICK = ("model.channels=[8]", "model.hidden=16", "epochs=3")
Compose = Callable[..., DictConfig]


def test_a_run_leaves_one_folder_that_explains_it(composed: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    config = composed("callbacks=[default]", "model=cnn", "data=digits", "trainer.max_epochs=2")
    objective = train(config)
    folder = last_run(config)
    assert capsys.readouterr().out.strip().splitlines()[-1] == str(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoints", "config.yaml", "figures", "metrics.csv", "overrides.yaml", "report.html", "run.json",
    ]  # fmt: skip
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == [
        "best.ckpt", "step-00000040.ckpt", "step-00000080.ckpt",
    ]  # fmt: skip
    found = record(folder)
    assert found["status"] == "done" and found["error"] is None and found["id"] == folder.name
    assert found["parameters"] == 128_490 and found["world_size"] == 1 and found["device"] == "cpu"
    assert found["metrics"]["test/accuracy"] > 0.9 and found["examples_per_second"] > 0
    assert found["objective"] == {"metric": "val/loss", "mode": "min", "value": objective}
    assert set(found["data"]) == {"train", "test"} and found["seconds"] > 0
    assert (
        found["started"] <= found["ended"]
        and found["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    )
    assert OmegaConf.load(folder / "overrides.yaml")[-1] == "trainer.max_epochs=2"
    assert load_config(folder).callbacks.checkpoint.folder == f"{folder}/checkpoints"
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 4 and "test/accuracy" in page
    assert not re.search(r"(src|href|url)\W{1,3}https?:", page)  # it needs no network
    with open(folder / "metrics.csv") as file:
        names = {row["metric"] for row in csv.DictReader(file)}
    assert {"train/loss", "train/accuracy", "train/lr", "val/loss", "val/accuracy", "val/f1", "test/accuracy"} <= names


def test_the_same_seed_gives_the_same_run_and_another_seed_another(composed: Compose) -> None:
    folders = []
    for seed in (0, 0, 1):
        config = composed(*QUICK, f"seed={seed}")
        train(config)
        folders.append(last_run(config))
    a, b, c = folders
    assert scalars(a) == scalars(b) and same(weights(a), weights(b))
    assert scalars(a) != scalars(c) and not same(weights(a), weights(c))


def test_with_accumulated_gradients_every_example_is_counted_once(composed: Compose) -> None:
    config = composed(
        *QUICK[:2], "trainer.max_epochs=1", "trainer.accumulate_grad_batches=2", "trainer.log_every_n_steps=5"
    )
    counted: list[int] = []
    original = Task._log_sums

    def counting(self: Task) -> None:
        counted.append(self.counts["accuracy"])
        original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Task, "_log_sums", counting)
        train(config)
    assert counted == [320, 320, 320, 320, 0]  # 10 batches of 32 for 5 steps


def test_without_a_validation_the_last_checkpoint_is_tested(composed: Compose) -> None:
    config = composed(*QUICK[:2], "trainer.max_steps=10")
    assert train(config) is None
    assert record(last_run(config))["metrics"]["test/accuracy"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("options", [("model=lstm", "data=text_files"), ("model=lstm_lm", "data=ptb")], ids=" ".join)
def test_two_processes_score_texts_as_one_does(tmp_path: Path, options: tuple[str, ...]) -> None:
    """With weights that stay as they are, so that nothing but the scoring can differ."""
    if not available(*options):
        pytest.skip("this project has not got these")
    made = FAKES[options[1][5:]](tmp_path)
    base = ["trainer=cpu", "trainer.max_epochs=1", "logger=csv", "threads=1", "optimizer.lr=0.0", "data.batch_size=4"]
    metrics = []
    for devices in (1, 2):
        root = tmp_path / str(devices)
        where = [f"trainer.devices={devices}", f"output_root={root}", f"data_root={tmp_path}"]
        command = [sys.executable, "train.py", *base, *options, *made, *where]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)
        (folder,) = root.iterdir()
        metrics.append({name: v for name, v in record(folder)["metrics"].items() if not name.startswith("train/")})
    assert metrics[0] == metrics[1]


def test_ema_weights_are_what_is_tested(composed: Compose) -> None:
    config = composed(*QUICK, "callbacks=[default,ema]", "callbacks.ema.decay=0.0")
    train(config)
    plain = composed(*QUICK)
    averaged = last_run(config)
    train(plain)
    newest = last_run(plain)
    assert scalars(averaged) == scalars(newest)  # an average that forgets at once is the weights themselves
    config = composed(*QUICK, "callbacks=[default,ema]", "callbacks.ema.decay=0.9")
    train(config)
    assert not same(weights(last_run(config)), weights(newest))


def test_overfit_learns_its_few_images_by_heart(composed: Compose) -> None:
    config = composed("trainer=overfit", "model=cnn", "data.augment.crop_padding=0", "trainer.max_epochs=40")
    train(config)
    losses = [float(row["value"]) for row in scalars(last_run(config)) if row["metric"] == "train/loss"]
    assert losses[-1] < 0.1 < losses[0]


def test_debug_runs_one_batch_and_leaves_no_checkpoint(composed: Compose) -> None:
    config = composed("trainer=debug")
    train(config)
    folder = last_run(config)
    assert record(folder)["status"] == "done" and record(folder)["step"] == 1
    assert not (folder / "checkpoints").exists()


def test_profile_leaves_a_table_of_operators(composed: Compose) -> None:
    config = composed("trainer=profile", *QUICK[:2])
    train(config)
    assert "aten::" in (last_run(config) / "profile" / "fit-operators.txt").read_text()
