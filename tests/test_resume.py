"""A run that was stopped anywhere goes on as if it had not been."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import FAKES, available
from omegaconf import DictConfig
from runs import best_weights, differences, last_run, newest, record, same, scalars

from litmus.snapshot import load_config
from litmus.tasks.task import Task
from train import train

QUICK = ("model.channels=[8]", "model.hidden=16", "epochs=3")
IMAGES = (*QUICK, "data.augment.flip=true", "data.augment.crop_padding=1", "model.dropout=0.1")
Compose = Callable[..., DictConfig]

RUNS = {  # steps of an epoch, and options
    "images": (40, IMAGES),
    "workers": (40, (*IMAGES, "workers=2")),
    "averaged": (40, (*IMAGES, "callbacks=[default,ema,early_stopping]", "callbacks.early_stopping.patience=1")),
    "looked ahead": (
        40,
        (
            "model=airbench",
            "model.widths=[8]",
            "optimizer=sgd",
            "data.augment.flip=alternating",
            "epochs=3",
            "data.augment.crop_padding=1",
            "data.augment.border=reflect",
            "callbacks=[default,lookahead,whiten]",
            "callbacks.lookahead.every=3",
            "callbacks.whiten.bias_epochs=1",
        ),
    ),
    "accumulated": (20, (*IMAGES, "trainer.accumulate_grad_batches=2", "clip=1.0")),
    "validated inside": (40, (*IMAGES, "trainer.val_check_interval=0.25")),
    "validated by steps": (40, (*IMAGES, "trainer.val_check_interval=30", "trainer.check_val_every_n_epoch=null")),
    "ended by steps": (40, (*QUICK, "epochs=-1", "trainer.max_steps=100")),
    "texts": (9, ("model=lstm", "model.hidden=8", "data=text_files", "tokenizer=word", "epochs=3")),
    "streams": (22, ("model=lstm_lm", "model.hidden=8", "model.dropout=0.2", "data=ptb", "epochs=3")),
    "windows": (20, ("model=gpt", "model.width=16", "model.layers=1", "data=ptb", "data.epoch_steps=20", "epochs=3")),
    "shards": (30, (*QUICK, "data=shards", "data.buffer=3")),
    "numbers": (9, ("model=mlp", "data=diabetes", "epochs=3")),
}
RUNS = {kind: run for kind, run in RUNS.items() if available(*run[1])}
OFTEN = ("callbacks.checkpoint.every_n_steps=5", "trainer.log_every_n_steps=7")


def options_of(kind: str, root: Path) -> list[str]:
    options = [*RUNS[kind][1], *OFTEN]
    name = next((option[5:] for option in options if option.startswith("data=")), "digits")
    made = FAKES[name](root)
    return [*options, *made, *([f"data_root={root}", "data.batch_size=4"] if made else [])]


def break_at(patch: pytest.MonkeyPatch, step: int, hook: str = "on_train_batch_start") -> None:
    """Has the power go off at a step."""
    original = getattr(Task, hook)

    def break_there(self: Task, *arguments: Any) -> Any:
        if self.trainer.global_step == step:
            raise RuntimeError("the power went off")
        return original(self, *arguments)

    patch.setattr(Task, hook, break_there)


ALWAYS = ("images", "texts")  # the others take a minute together


@pytest.mark.parametrize(
    "kind", [kind if kind in ALWAYS else pytest.param(kind, marks=pytest.mark.slow) for kind in RUNS]
)
def test_a_run_that_broke_goes_on_as_if_it_had_not(composed: Compose, tmp_path: Path, kind: str) -> None:
    options = options_of(kind, tmp_path)
    config = composed(*options)
    train(config)
    whole = last_run(config)
    epoch = RUNS[kind][0]
    broken = None
    # before the first checkpoint; where a validation may just have been; around the border of an epoch
    for step in sorted({3, epoch // 4, epoch // 2, epoch, epoch + 1, 3 * epoch // 2, 2 * epoch}):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="the power went off"):
            break_at(patch, step)
            train(composed(*(options if broken is None else [f"resume={broken.name}"])))
        broken = last_run(config)
        assert record(broken)["status"] == "failed" and "the power went off" in record(broken)["error"]["traceback"]
    train(composed(f"resume={broken.name}"))
    assert last_run(config) == broken and len(list(broken.parent.iterdir())) == 2
    assert record(broken)["status"] == "done" and record(broken)["error"] is None
    assert differences(newest(broken), newest(whole)) == []
    assert differences(best_weights(broken), best_weights(whole)) == []
    assert scalars(broken) == scalars(whole)
    assert record(broken)["metrics"]["test/loss"] == record(whole)["metrics"]["test/loss"]


def test_the_last_run_can_be_made_longer(composed: Compose) -> None:
    config = composed(*QUICK)
    train(config)
    train(composed("resume=last", "trainer.max_epochs=4"))
    folder = last_run(config)
    assert len(list(folder.parent.iterdir())) == 1
    assert record(folder)["epoch"] == 4 and load_config(folder).trainer.max_epochs == 4
    with pytest.raises(ValueError, match="model=mlp can't change in a run that goes on"):
        train(composed("resume=last", "model=mlp"))


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
    best = best_weights(moved)
    value = record(moved)["objective"]["value"]
    train(composed(f"resume={moved}", "trainer.max_epochs=4", "trainer.limit_train_batches=1"))
    assert record(moved)["epoch"] == 4 and record(moved)["objective"]["value"] <= value
    assert record(moved)["objective"]["value"] < value or same(best_weights(moved), best)


def test_a_longer_run_is_tested_once_in_its_metrics(composed: Compose) -> None:
    config = composed(*QUICK)
    train(config)
    train(composed("resume=last", "trainer.max_epochs=4"))
    assert [row["step"] for row in scalars(last_run(config)) if row["metric"] == "test/loss"] == ["160"]


@pytest.mark.slow
def test_a_run_that_ran_out_of_time_goes_on_when_it_gets_more(composed: Compose) -> None:
    config = composed(*QUICK[:2], "epochs=1000", "trainer.max_time=00:00:00:01")
    train(config)
    folder = last_run(config)
    before = record(folder)["epoch"]
    train(composed("resume=last", "trainer.max_time=00:00:01:00", f"trainer.max_epochs={before + 1}"))
    assert record(folder)["epoch"] == before + 1


def test_a_run_that_stopped_at_a_threshold_stays_stopped(composed: Compose) -> None:
    early = ("callbacks=[default,early_stopping]", "+callbacks.early_stopping.stopping_threshold=100.0")
    config = composed(*QUICK, *early)
    train(config)
    train(composed("resume=last"))
    assert record(last_run(config))["epoch"] == 1


def test_another_objective_has_a_best_of_its_own(composed: Compose) -> None:
    config = composed(*QUICK)
    train(config)
    other = ("callbacks.checkpoint.monitor=val/accuracy", "callbacks.checkpoint.mode=max")
    train(composed("resume=last", "trainer.max_epochs=4", *other))
    assert 0 < record(last_run(config))["objective"]["value"] <= 1
