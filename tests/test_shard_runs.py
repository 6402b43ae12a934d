"""Runs on shards: what is killed anywhere goes on as if it had not been, on more ranks too; no shards are needed to
predict."""

import csv
import io
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
import torch
from chaos.scenarios import SCENARIOS
from chaos.trial import Trial, undisturbed
from conftest import Compose
from fakes import fake
from prepared import png, write_numbers, write_texts
from runs import differences, last_run, newest, record, scalars
from test_resume import break_at

from litmus.cli import main
from train import train

pytest.importorskip("pyarrow")

ROOT = Path(__file__).parents[1]
POINTS = 20
SPY = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
import hydra
from litmus.command import command
from litmus.tasks.task import Task
from train import train
step = Task.on_train_batch_start

def spy(self, batch, index):
    if self.trainer.global_step == int(os.environ["STOP"]):
        raise RuntimeError("the power went off")
    rows = self.trainer.datamodule.scale.undo(batch[0].cpu())[:, 0, 0].round().int().tolist()
    with open(f"{{os.environ['SEEN']}}-{{self.trainer.world_size}}-{{self.trainer.global_rank}}", "a") as file:
        file.writelines(f"{{self.trainer.current_epoch}} {{row}}\\n" for row in rows)
    return step(self, batch, index)

Task.on_train_batch_start = spy
command(hydra.main(config_path={str(ROOT / "conf")!r}, config_name="config", version_base="1.3"), train)
"""


@pytest.mark.slow
def test_what_began_on_one_process_goes_on_with_two(tmp_path: Path) -> None:
    """Each row is seen once an epoch, whoever sees it."""
    (tmp_path / "spy.py").write_text(SPY)
    made = [*write_numbers(tmp_path / "data"), f"data_root={tmp_path}", f"output_root={tmp_path}/outputs"]
    options = [*made, "data=shards", "data.batch_size=8", "data.buffer=3", "model=mlp", "epochs=2", "logger=csv"]

    def run(stop: int, *more: str) -> int:
        command = [sys.executable, str(tmp_path / "spy.py"), *more, "trainer.accelerator=cpu", "threads=1"]
        variables = {"STOP": str(stop), "SEEN": str(tmp_path / "seen"), "PATH": "", "PYTHONPATH": str(ROOT / "src")}
        return subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, timeout=300).returncode

    assert run(7, *options, "callbacks.checkpoint.every_n_steps=7") == 1
    (folder,) = (tmp_path / "outputs").iterdir()
    assert run(-1, f"resume={folder.name}", f"output_root={tmp_path}/outputs", "trainer.devices=2") == 0
    assert record(folder)["status"] == "done" and record(folder)["world_size"] == 2
    one, *two = ((tmp_path / f"seen-{name}").read_text().splitlines() for name in ("1-0", "2-0", "2-1"))
    assert len(one) == 7 * 8 and len(two[0]) == len(two[1]) == (2 * 120 - 7 * 8) // 2
    assert sorted([*one, *two[0], *two[1]]) == sorted(f"{epoch} {row}" for epoch in (0, 1) for row in range(120))


@pytest.mark.slow
def test_mixed_texts_that_broke_go_on_as_if_they_had_not(composed: Compose, tmp_path: Path) -> None:
    """In the second epoch, in which the smaller set is in its third pass."""
    write_texts(tmp_path / "large"), write_texts(tmp_path / "small", train=40, validation=8)
    paths = [f"data.path=[{tmp_path}/large,{tmp_path}/small]", "data.weights=[0.5,0.5]", f"data_root={tmp_path}"]
    more = ["data.batch_size=8", "data.window=3", "data.buffer=2", "model=lstm", "model.hidden=8", "epochs=2"]
    options = ["data=shards", *paths, *more, "callbacks.checkpoint.every_n_steps=3", "workers=2"]
    config = composed(*options)
    train(config)
    whole = last_run(config)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="the power went off"):
        break_at(patch, 31)
        train(composed(*options))
    broken = last_run(config)
    train(composed(f"resume={broken.name}"))
    assert broken != whole and last_run(config) == broken
    assert differences(newest(broken), newest(whole)) == [] and scalars(broken) == scalars(whole)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.startswith("shards")])
def test_a_run_that_is_killed_anywhere_goes_on_bit_by_bit(tmp_path: Path, scenario: str, workers: int) -> None:
    reference, rng = undisturbed(tmp_path / "peace", scenario, ""), Random(f"{scenario} {workers}")
    killed = 0
    while killed < POINTS:
        trial = Trial(tmp_path / str(killed), scenario, f"workers={workers}", reference)
        job = trial.go_on()
        if not job.ends_within(rng.uniform(reference.begins, reference.seconds)):
            trial.kill(job)
            killed += 1
        trial.must_end_the_same()
        shutil.rmtree(trial.root)


def rows_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("example," + capsys.readouterr().out.split("example,")[-1])))


PREDICTED = {
    "shards": ("model=cnn", "model.channels=[8]"),
    "shards of texts": ("model=lstm", "model.hidden=8", "optimizer.lr=0.02"),
    "shards of numbers": ("model=mlp",),
}


@pytest.mark.parametrize("name", PREDICTED)
def test_a_run_is_scored_again_and_predicts_without_its_shards(
    composed: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "data").mkdir()
    config = fake(composed, tmp_path / "data", name, "epochs=4", *PREDICTED[name])
    train(config)
    folder, given = last_run(config), tmp_path / f"new.{'png' if name == 'shards' else 'csv'}"
    assert set(record(folder)["data"]) == {"train", "validation", "test"}
    capsys.readouterr()
    main(["evaluate", str(folder)])
    found = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert float(found["test/loss"]) == pytest.approx(record(folder)["metrics"]["test/loss"], rel=1e-5)
    shutil.rmtree(tmp_path / "data")
    if name == "shards":
        given.write_bytes(png(torch.full((8, 8, 3), 220, dtype=torch.uint8).numpy()))
    elif name == "shards of numbers":
        given.write_text("noise,row\n1.5,3\n-1.5,3\n")
    else:
        given = given.with_suffix(".txt")
        given.write_text("the word0 film\nthe word1 story and more\n")
    main(["predict", str(folder), str(given)])
    rows = rows_of(capsys)
    if name == "shards of numbers":
        assert float(rows[0]["prediction"]) > 1 and float(rows[1]["prediction"]) < -1
    else:
        assert [row["class"] for row in rows] == (["bright"] if name == "shards" else ["no", "yes"])
