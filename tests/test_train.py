"""Whole runs on the embedded digits: what they leave, that they repeat, that they go on."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import FAKES
from omegaconf import DictConfig, OmegaConf

from litmus.loggers.csv import read_metrics
from litmus.snapshot import load_config
from litmus.tasks.task import Task
from train import train

ROOT = Path(__file__).parents[1]
QUICK = ("model.channels=[8]", "model.hidden=16", "trainer.max_epochs=3")
Compose = Callable[..., DictConfig]


def last_run(config: DictConfig) -> Path:
    return max(Path(config.output_root).iterdir(), key=lambda folder: folder.stat().st_ctime_ns)


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def weights(folder: Path, name: str = "last") -> dict[str, torch.Tensor]:
    checkpoint = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
    return dict(checkpoint["state_dict"])


def scalars(folder: Path) -> list[dict[str, str]]:
    """Every logged value but the timings."""
    return [row for row in read_metrics(folder / "metrics.csv") if row["metric"] != "train/examples_per_second"]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_a_run_leaves_one_folder_that_explains_it(composed: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    config = composed("model=cnn", "data=digits", "trainer.max_epochs=2")
    objective = train(config)
    folder = last_run(config)
    assert capsys.readouterr().out.strip().splitlines()[-1] == str(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoints", "config.yaml", "figures", "metrics.csv", "overrides.yaml", "report.html", "run.json",
    ]  # fmt: skip
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
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
    assert load_config(folder).callbacks.best.dirpath == f"{folder}/checkpoints"
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 3 and "test/accuracy" in page
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


IMAGES = (*QUICK, "data.augment.flip=true", "data.augment.crop_padding=1")
BREAKS = {  # options of a run, and the step at which it breaks: in its second epoch
    "images": (IMAGES, 55),
    "averaged": ((*IMAGES, "callbacks=[default,ema,early_stopping]"), 55),
    "texts": (("model=lstm", "model.hidden=8", "data=text_files", "tokenizer=word", "trainer.max_epochs=3"), 10),
    "streams": (("model=lstm_lm", "model.hidden=8", "model.dropout=0.2", "data=ptb", "trainer.max_epochs=3"), 30),
    "windows": (("model=gpt", "model.width=16", "model.layers=1", "data=ptb", "data.epoch_steps=20", "epochs=3"), 30),
    "numbers": (("model=mlp", "data=diabetes", "trainer.max_epochs=3"), 12),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_a_run_that_broke_goes_on_as_if_it_had_not(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    options, step = BREAKS[kind]
    name = next((option[5:] for option in options if option.startswith("data=")), "digits")
    made = FAKES[name](tmp_path)
    options = (*options, *made, *([f"data_root={tmp_path}", "data.batch_size=4"] if made else []))
    config = composed(*options)
    train(config)
    whole = last_run(config)

    def break_in_the_second_epoch(self: Task, *_: Any) -> None:
        if self.trainer.global_step == step:
            raise RuntimeError("the power went off")

    with monkeypatch.context() as patch:
        patch.setattr(Task, "on_train_batch_start", break_in_the_second_epoch)
        with pytest.raises(RuntimeError, match="the power went off"):
            train(composed(*options))
    broken = last_run(config)
    assert record(broken)["status"] == "failed" and "the power went off" in record(broken)["error"]["traceback"]
    assert not same(weights(broken), weights(whole))

    train(composed(f"resume={broken.name}"))
    assert last_run(config) in (broken, whole) and len(list(broken.parent.iterdir())) == 2
    assert record(broken)["status"] == "done" and record(broken)["error"] is None
    assert same(weights(broken), weights(whole)) and same(weights(broken, "best"), weights(whole, "best"))
    assert scalars(broken) == scalars(whole)
    assert record(broken)["metrics"]["test/loss"] == record(whole)["metrics"]["test/loss"]


def test_the_last_run_can_be_made_longer(composed: Compose) -> None:
    config = composed(*QUICK)
    train(config)
    train(composed("resume=last", "trainer.max_epochs=4"))
    folder = last_run(config)
    assert len(list(folder.parent.iterdir())) == 1
    assert record(folder)["epoch"] == 4 and load_config(folder).trainer.max_epochs == 4
    with pytest.raises(ValueError, match="model=lenet can't change in a run that goes on"):
        train(composed("resume=last", "model=lenet"))


def test_a_refused_change_leaves_a_finished_run_as_it_was(composed: Compose) -> None:
    config = composed(*QUICK)
    train(config)
    folder = last_run(config)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=r"model.hidden=64 can't change in a run that goes on"):
        train(composed("resume=last", "model.hidden=64"))
    with pytest.raises(ValueError, match=r"trainer.max_epochs=many is of the wrong type"):
        train(composed("resume=last", "trainer.max_epochs=many"))
    assert (folder / "config.yaml").read_bytes() == before[folder / "config.yaml"]
    assert (folder / "checkpoints" / "best.ckpt").read_bytes() == before[folder / "checkpoints" / "best.ckpt"]
    train(composed("resume=last"))
    assert record(folder)["status"] == "done" and len(record(folder)["resumed"]) == 2


def test_a_moved_run_keeps_its_best_checkpoint(composed: Compose, tmp_path: Path) -> None:
    config = composed(*QUICK)
    train(config)
    moved = Path(shutil.move(last_run(config), tmp_path / "moved"))
    best = weights(moved, "best")
    value = record(moved)["objective"]["value"]
    train(composed(f"resume={moved}", "trainer.max_epochs=4", "trainer.limit_train_batches=1"))
    assert record(moved)["epoch"] == 4 and record(moved)["objective"]["value"] <= value
    assert record(moved)["objective"]["value"] < value or same(weights(moved, "best"), best)


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


def test_two_processes_test_every_example_once_and_leave_one_run(tmp_path: Path) -> None:
    options = ["trainer=cpu", "trainer.max_epochs=1", "logger=csv", "threads=1"]
    metrics = []
    for devices in (1, 2):
        root = tmp_path / str(devices)
        command = [sys.executable, "train.py", *options, f"trainer.devices={devices}", f"output_root={root}"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)
        (folder,) = root.iterdir()
        assert record(folder)["status"] == "done" and record(folder)["world_size"] == devices
        confusion = (folder / "figures" / "confusion_matrix.svg").read_text()
        assert confusion.count("<!-- 3") >= 1  # counts of 30 to 37 examples a class, as svg comments
        metrics.append(record(folder)["metrics"])
    assert metrics[0]["test/accuracy"] == pytest.approx(metrics[1]["test/accuracy"], abs=0.1)


@pytest.mark.parametrize("options", [("model=lstm", "data=trec"), ("model=lstm_lm", "data=ptb")], ids=" ".join)
def test_two_processes_score_texts_as_one_does(tmp_path: Path, options: tuple[str, ...]) -> None:
    """With weights that stay as they are, so that nothing but the scoring can differ."""
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
    assert metrics[0] == pytest.approx(metrics[1], rel=1e-5)


def test_ema_weights_are_what_is_tested(composed: Compose) -> None:
    config = composed(*QUICK, "callbacks=[default,ema]", "callbacks.ema.multi_avg_fn.decay=0.0")
    train(config)
    plain = composed(*QUICK)
    averaged = last_run(config)
    train(plain)
    newest = last_run(plain)
    assert scalars(averaged) == scalars(newest)  # an average that forgets at once is the weights themselves
    config = composed(*QUICK, "callbacks=[default,ema]", "callbacks.ema.multi_avg_fn.decay=0.9")
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


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_run_as_interrupted(tmp_path: Path, signum: int, code: int) -> None:
    options = [f"output_root={tmp_path}", "logger=csv", "trainer.max_epochs=10000", "threads=1"]
    process = subprocess.Popen(
        [sys.executable, "train.py", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signum, signal.SIG_DFL),  # a test run in the background ignores SIGINT
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*/checkpoints/last.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(process.pid, signum)
    out, err = process.communicate(timeout=60)
    (folder,) = tmp_path.iterdir()
    assert process.returncode == code
    assert record(folder)["status"] == "interrupted" and record(folder)["ended"]
    assert out.strip().splitlines()[-1] == str(folder)
    assert err.strip().splitlines() == [
        f"stopped by {signal.Signals(signum).name}; go on with: python train.py resume={folder.name} "
        f"output_root={tmp_path}"
    ]
