"""The `litmus` command on a run folder that has moved: nothing else is needed."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import available, fake
from omegaconf import DictConfig
from PIL import Image

from litmus.cli import main
from litmus.data.images.digits import Digits
from litmus.folder import read_record
from train import train

TRAINED: list[Path] = []


@pytest.fixture
def moved(
    composed: Callable[..., DictConfig],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> Path:
    """A copy for each test of a run that is trained once."""
    if not TRAINED:
        config = composed("trainer.max_epochs=4", f"output_root={tmp_path_factory.mktemp('trained')}")
        train(config)
        TRAINED.extend(path.parent for path in Path(config.output_root).glob("*/run.json"))
        capsys.readouterr()
    return Path(shutil.copytree(TRAINED[0], tmp_path / "moved"))


def test_evaluate_gives_the_metrics_of_the_record(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", str(moved)])
    found = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    recorded = {name: value for name, value in read_record(moved)["metrics"].items() if name.startswith("test/")}
    assert {name: float(value) for name, value in found.items()} == pytest.approx(recorded, rel=1e-5)


def test_evaluate_takes_overrides(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", str(moved), "data.batch_size=7"])
    assert "test/accuracy" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["evaluate", str(moved), "data.batch_sise=7"])
    assert capsys.readouterr().err == "error: data.batch_sise is not a key of this run: did you mean batch_size?\n"


def test_predict_names_the_class_of_an_image_file(
    moved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = Digits().load(Path(), "test")
    paths = [tmp_path / f"{index}.png" for index in range(40)]
    for path, image in zip(paths, images, strict=False):
        Image.fromarray(image[..., 0]).save(path)
    main(["predict", str(moved), *map(str, paths)])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["example"] for row in rows] == [str(path) for path in paths]
    assert all(0.1 <= float(row["probability"]) <= 1 for row in rows)
    assert np.mean([int(row["class"]) == label for row, label in zip(rows, labels, strict=False)]) > 0.9


def test_predict_refuses_what_is_no_image(moved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.png").write_text("not an image")
    for name in ("no.png", "missing.png"):
        with pytest.raises(SystemExit) as stop:
            main(["predict", str(moved), str(tmp_path / name)])
        assert stop.value.code == 1 and f"{name} can't be read as an image" in capsys.readouterr().err


def trained(composed: Callable[..., DictConfig], root: Path, name: str, *overrides: str) -> Path:
    """The folder of a short run on made-up data, whose files are gone afterwards."""
    root.mkdir()
    config = fake(composed, root, name, *overrides)
    train(config)
    shutil.rmtree(root)
    (folder,) = Path(config.output_root).iterdir()
    return folder


def rows_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("example," + capsys.readouterr().out.split("example,")[-1])))


def test_predict_names_the_class_of_each_line_of_text_without_the_training_texts(
    composed: Callable[..., DictConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("model=lstm", "model.hidden=8", "trainer.max_epochs=8", "optimizer.lr=0.02")
    folder = trained(composed, tmp_path / "data", "text_files", *options)
    (tmp_path / "new.txt").write_text("the word0 film\n\nthe word1 story and more\n")
    main(["predict", str(folder), str(tmp_path / "new.txt")])
    rows = rows_of(capsys)
    assert [(row["example"], row["class"]) for row in rows] == [
        (f"{tmp_path}/new.txt:1", "0"),
        (f"{tmp_path}/new.txt:3", "1"),
    ]


def test_predict_gives_numbers_in_their_units_and_forecasts_step_by_step(
    composed: Callable[..., DictConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = trained(composed, tmp_path / "data", "series_file", "model=mlp", "trainer.max_epochs=2")
    (tmp_path / "past.csv").write_text("x,y\n" + "".join(f"{step},{-step}\n" for step in range(30)))
    main(["predict", str(folder), str(tmp_path / "past.csv")])
    rows = rows_of(capsys)
    assert len(rows) == 8 and {"x", "y"} <= set(rows[0])


def test_predict_sends_a_language_model_to_generate(
    composed: Callable[..., DictConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not available("model=gpt"):
        pytest.skip("this project has no language model")
    options = ("model=gpt", "model.width=16", "model.layers=1", "data.epoch_steps=2", "trainer.max_epochs=1")
    folder = trained(composed, tmp_path / "data", "tinyshakespeare", *options)
    with pytest.raises(SystemExit):
        main(["predict", str(folder), str(tmp_path)])
    assert "litmus generate" in capsys.readouterr().err
    main(["generate", str(folder), "--prompt", "the", "--tokens", "5"])
    assert capsys.readouterr().out.startswith("the")
    with pytest.raises(SystemExit):
        main(["generate", str(folder), "--prompt", "é"])
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: a part of the text is not among the")


def test_runs_are_listed_and_shown(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--root", str(moved.parent), "runs", "list"])
    head, line = capsys.readouterr().out.splitlines()
    assert head.split("\t") == ["id", "status", "seconds", "objective", "test"]
    assert line.startswith("moved\tdone\t") and "val/loss 0.0" in line and "test/accuracy 0.9" in line
    main(["runs", "show", str(moved)])
    shown = json.loads(capsys.readouterr().out)
    assert shown["status"] == "done" and shown["folder"] == str(moved) and "patch" not in (shown["git"] or {})


def test_a_run_without_its_checkpoint_is_one_sentence(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(moved / "checkpoints")
    with pytest.raises(SystemExit):
        main(["evaluate", str(moved)])
    assert capsys.readouterr().err == "error: moved has no checkpoint: it ended before one was written\n"


def test_words_may_follow_options(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main(["explain", "--json", "model=mlp", "--key", "model.hidden", "model.hidden=[7]"])
    assert json.loads(capsys.readouterr().out)[0]["value"] == [7]
    for words in (["explain", "model=mlp", "--nothing"], ["runs", "show", "last", "more"]):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2 and "unrecognized arguments" in capsys.readouterr().err
