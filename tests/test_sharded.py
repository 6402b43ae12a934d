"""A network in shards: its checkpoints are whole or not there, and make one file."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import Compose
from runs import differences, record, scalars

from litmus.build import build
from litmus.checkpoint import SHARD, AtomicCheckpointIO, check_whole, newest_whole, read_checkpoint, shard_name
from litmus.cli import main
from litmus.folder import exported, step_checkpoints
from litmus.inference import evaluate
from litmus.run import Run

ROOT = Path(__file__).parents[1]
OPTIONS = (
    "trainer=fsdp", "trainer.devices=2", "trainer.accelerator=cpu", "logger=csv", "threads=1", "model.channels=[6,9]",
    "model.hidden=15", "data.batch_size=200", "epochs=2", "callbacks.checkpoint.every_n_steps=4",
    "callbacks.checkpoint.keep=100", "clip=1.0",
)  # fmt: skip


def two(*options: str) -> None:
    command = [sys.executable, "train.py", *options]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_shards_go_on_exactly_and_make_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With numbers of rows that two ranks can't share equally."""
    two(*OPTIONS, f"output_root={tmp_path}/whole")
    (whole,) = (tmp_path / "whole").iterdir()
    part = tmp_path / "part" / whole.name
    shutil.copytree(whole, part)
    for path in step_checkpoints(part)[1:]:
        shutil.rmtree(path)  # inside the first epoch, as a kill would have left it
    two("resume=last", f"output_root={tmp_path}/part")
    ends = [read_checkpoint(step_checkpoints(folder)[-1]) for folder in (whole, part)]
    assert not differences(*ends) and scalars(whole) == scalars(part) and len(record(part)["resumed"]) == 1

    tested = {name: value for name, value in record(whole)["metrics"].items() if name.startswith("test/")}
    assert evaluate(whole, ["trainer.devices=1"]) == pytest.approx(tested, rel=1e-5)
    main(["export", str(whole)])
    assert capsys.readouterr().out.splitlines()[-1] == str(exported(whole))
    weights = torch.load(exported(whole), weights_only=True)["state_dict"]
    assert (
        weights["net.features.1.0.weight"].shape == (9, 6, 3, 3)
        and type(weights["net.classifier.2.bias"]) is torch.Tensor
    )
    shutil.rmtree(whole / "checkpoints")
    assert evaluate(whole, []) == pytest.approx(tested, rel=1e-5)


def write(path: Path) -> None:
    for rank, rows in enumerate(([[1.0], [2.0]], [[3.0]])):
        content = {"state_dict": {"weight": {SHARD: torch.tensor(rows)}, "mean": torch.tensor(rank)}, "ranks": [0, 1]}
        AtomicCheckpointIO().save_checkpoint(content, path / shard_name(rank, 2))


def test_shards_are_joined_row_by_row(tmp_path: Path) -> None:
    write(tmp_path / "step-00000001.ckpt")
    found = read_checkpoint(tmp_path / "step-00000001.ckpt")
    assert found["state_dict"]["weight"].tolist() == [[1.0], [2.0], [3.0]]
    assert found["state_dict"]["mean"] == 0 and found["ranks"] == [0, 1]  # the first rank's


def test_a_checkpoint_that_lacks_a_shard_is_put_aside(tmp_path: Path) -> None:
    checkpoints = tmp_path / "checkpoints"
    for step in (1, 2):
        write(checkpoints / f"step-0000000{step}.ckpt")
    (checkpoints / "step-00000002.ckpt" / shard_name(1, 2)).unlink()
    with pytest.raises(ValueError, match="is damaged: it has 1 of its 2 shards"):
        check_whole(checkpoints / "step-00000002.ckpt")
    assert newest_whole(tmp_path) == checkpoints / "step-00000001.ckpt"
    assert (checkpoints / "step-00000002.ckpt.damaged").is_dir()


def test_what_can_not_be_had_on_several_devices_is_refused(composed: Compose) -> None:
    for options, message in (
        (("trainer=fsdp", "trainer.devices=2", "callbacks=[default,ema]"), "callbacks.ema keeps a whole network"),
        (("trainer=ddp", "trainer.devices=2", "trainer.sync_batchnorm=true"), "torch has it on CUDA GPUs only"),
    ):
        with pytest.raises(ValueError, match=message), Run.open(composed(*options, "trainer.accelerator=cpu")) as run:
            build(run)
