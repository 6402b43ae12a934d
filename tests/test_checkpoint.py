"""Checkpoint files are whole or refused; the last few are kept, and a damaged one costs no more than itself."""

import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from runs import differences, last_run, newest, record, scalars

from litmus.checkpoint import AtomicCheckpointIO, newest_whole, read_checkpoint
from litmus.folder import best_checkpoint, best_or_newest, step_checkpoints
from train import train

QUICK = ("model.channels=[8]", "model.hidden=16", "epochs=3")
CONTENT = {"state_dict": {"weight": torch.arange(20.0)}, "step": 7, "name": "litmus"}
Compose = Callable[..., DictConfig]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    AtomicCheckpointIO().save_checkpoint(CONTENT, tmp_path / "step-00000007.ckpt")
    return tmp_path / "step-00000007.ckpt"


def test_a_flipped_bit_is_refused_or_changes_nothing(path: Path) -> None:
    whole, drawn = path.read_bytes(), random.Random(0)
    refused = 0
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << drawn.randrange(8)
        path.write_bytes(flipped)
        try:
            found = read_checkpoint(path)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            refused += 1
        else:
            assert differences(found, CONTENT) == []  # it was a date, or padding
    assert refused > len(whole) / 4
    path.write_bytes(whole)
    assert differences(read_checkpoint(path), CONTENT) == []


def test_every_number_in_it_stands_under_a_checksum(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert all(part.CRC for part in archive.infolist() if part.file_size)


def test_a_file_that_was_cut_short_is_refused_wherever(path: Path) -> None:
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=f"the checkpoint {path}"):
            read_checkpoint(path)


def test_two_names_are_there_before_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill between the two leaves the best one newer than what a resumed run goes on from, which writes it again."""
    step, best, order = tmp_path / "step-00000001.ckpt", tmp_path / "best.ckpt", []
    original = Path.replace

    def noted(self: Path, target: Path) -> Path:
        order.append(target.name)
        return original(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    AtomicCheckpointIO().save_checkpoint(CONTENT, step, storage_options=[best])
    assert order == ["best.ckpt", "step-00000001.ckpt"] and step.samefile(best)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["best.ckpt", "step-00000001.ckpt"]


def test_where_there_are_no_links_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    step, best = tmp_path / "step-00000001.ckpt", tmp_path / "best.ckpt"
    AtomicCheckpointIO().save_checkpoint(CONTENT, step, storage_options=[best])
    assert not step.samefile(best) and step.read_bytes() == best.read_bytes()


def test_the_last_few_are_kept_and_the_best_may_be_one_of_them(composed: Compose) -> None:
    config = composed(*QUICK, "callbacks.checkpoint.keep=3", "callbacks.checkpoint.every_n_steps=10")
    train(config)
    folder = last_run(config)
    assert [each.name for each in step_checkpoints(folder)] == [f"step-{step:08d}.ckpt" for step in (100, 110, 120)]
    assert best_checkpoint(folder).samefile(step_checkpoints(folder)[-1])  # the last epoch was the best


@pytest.mark.slow
def test_they_are_written_by_the_clock_too(composed: Compose) -> None:
    rarely = ("callbacks.checkpoint.every_n_epochs=null", "callbacks.checkpoint.keep=1000")
    counts = []
    for minutes in ("null", "1e-6"):
        config = composed(*QUICK[:2], "epochs=1", *rarely, f"callbacks.checkpoint.every_n_minutes={minutes}")
        train(config)
        counts.append(len(step_checkpoints(last_run(config))))
    assert counts == [1, 40]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        pytest.param(lambda data: b"", marks=pytest.mark.slow),
        pytest.param(lambda data: data[::-1], marks=pytest.mark.slow),
    ],
)
def test_a_damaged_one_is_put_aside_and_the_one_before_it_taken(
    composed: Compose, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    config = composed(*QUICK)
    train(config)
    folder = last_run(config)
    before, after, rows = newest(folder), step_checkpoints(folder)[-1], scalars(folder)
    best_checkpoint(folder).unlink()  # another name of the same file
    after.write_bytes(damage(after.read_bytes()))
    train(composed("resume=last"))
    assert f"{after.name}.damaged, and the one before it is taken" in caplog.text
    assert after.with_name(f"{after.name}.damaged").exists()
    assert differences(newest(folder), before) == [] and scalars(folder) == rows
    assert best_checkpoint(folder).exists() and record(folder)["status"] == "done"


def test_if_all_are_damaged_nothing_is_started_anew_unasked(path: Path) -> None:
    run = path.parent / "run"
    (run / "checkpoints").mkdir(parents=True)
    assert newest_whole(run) is None and best_or_newest(run) is None
    (run / "checkpoints" / "step-00000001.ckpt").write_bytes(b"rubbish")
    for _ in range(2):
        with pytest.raises(ValueError, match="no checkpoint of run can be read"):
            newest_whole(run)


@pytest.mark.slow
def test_a_run_that_was_stopped_early_stays_stopped_unless_it_gets_more_patience(composed: Compose) -> None:
    early = ("callbacks=[default,early_stopping]", "callbacks.early_stopping.patience=1", "optimizer.lr=0.0")
    config = composed(*QUICK[:2], "epochs=9", *early)
    train(config)
    folder = last_run(config)
    assert record(folder)["epoch"] == 2
    train(composed("resume=last"))
    assert record(folder)["epoch"] == 2 and record(folder)["status"] == "done"
    train(composed("resume=last", early[0], "callbacks.early_stopping.patience=3"))
    assert record(folder)["epoch"] == 4


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("callbacks.checkpoint.keep=0", "callbacks.checkpoint.keep=0 is not"),
        ("callbacks.checkpoint.every_n_steps=0", "callbacks.checkpoint.every_n_steps=0 is not"),
        ("callbacks.checkpoint.every_n_minutes=0.0", "callbacks.checkpoint.every_n_minutes=0.0 is not above 0"),
        ("objective.metric=val/nothing", "objective.metric=val/nothing is nothing that validation logs, which is"),
    ],
)
def test_what_can_not_be_kept_is_one_sentence(composed: Compose, override: str, sentence: str) -> None:
    with pytest.raises(Exception, match=sentence):
        train(composed(*QUICK, override))
