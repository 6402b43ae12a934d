"""`litmus export`: what is written predicts as the run does, without Litmus."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fakes import fake
from omegaconf import DictConfig
from PIL import Image
from test_pairs import tiny_bert  # noqa: F401

from litmus.cli import main
from litmus.data.images.digits import Digits
from litmus.export import check
from litmus.export.export import export
from litmus.generate import generate
from litmus.inference import predict
from train import train

Compose = Callable[..., DictConfig]
ALONE = "import runpy, sys; sys.modules['litmus'] = None; del sys.argv[0]; runpy.run_path(sys.argv[0], {}, '__main__')"
ROOT = Path(__file__).parents[1]
LAYERS = """
import torch
from torch import nn
from litmus.export.recurrent import ScannedRecurrent, replaced
sizes = ({0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC},)
torch.set_num_threads(1)
for kind in (nn.LSTM, nn.GRU, nn.RNN):
    net = nn.Sequential(kind(3, 5, 2, batch_first=True))
    with torch.no_grad():
        program = torch.export.export(replaced(net, ScannedRecurrent), (torch.randn(2, 7, 3),), dynamic_shapes=sizes)
        for sequence in (torch.randn(3, 11, 3), torch.randn(1, 1, 3)):
            print(float((program.module()(sequence)[0] - net(sequence)[0]).abs().max()))
"""


def run_of(composed: Compose, root: Path, name: str, *overrides: str) -> Path:
    """The folder of a run of one epoch on made-up data, which stay."""
    root.mkdir()
    config = fake(composed, root, name, "trainer.max_epochs=1", *overrides)
    train(config)
    return max(Path(config.output_root).iterdir(), key=lambda folder: folder.stat().st_ctime_ns)


def alone(folder: Path, *files: Path) -> list[list[str]]:
    """What the exported program prints where there is no Litmus."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", ALONE, str(folder / "predict.py"), *map(str, files)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return list(csv.reader(io.StringIO(done.stdout)))


def assert_same(found: list[list[str]], wanted: list[list[str]]) -> None:
    """Words are equal, numbers to a ten thousandth."""
    assert [len(row) for row in found] == [len(row) for row in wanted] and len(wanted) > 1
    for row, other in zip(found, wanted, strict=True):
        for cell, value in zip(row, other, strict=True):
            try:
                assert float(cell) == pytest.approx(float(value), rel=1e-4, abs=1e-4)
            except ValueError:
                assert cell == value


@pytest.mark.parametrize("form", ["onnx", pytest.param("torch", marks=pytest.mark.slow)])
def test_images_are_predicted_without_litmus(
    composed: Compose, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(composed, tmp_path / "data", "digits", "model.channels=[4,4]", "model.hidden=8", "data.batch_size=100")
    main(["export", str(run), "--format", form, "--check", "70"])
    said, path = capsys.readouterr().out.splitlines()[-2:]
    assert said.startswith("70 test examples: largest difference ") and path == str(run / "export" / form)
    files = [tmp_path / f"{index}.png" for index in range(3)]
    for file, image in zip(files, Digits().load(Path(), "test")[0], strict=False):
        Image.fromarray(image[..., 0]).save(file)
    Image.new("RGB", (30, 20), (200, 10, 100)).save(files[0])  # to be cut, and made grey
    shutil.move(path, tmp_path / "elsewhere")
    assert_same(alone(tmp_path / "elsewhere", *files), [list(row) for row in predict(run, files)])
    facts = json.loads((tmp_path / "elsewhere" / "preprocessing.json").read_text())
    assert facts["image_shape"] == [1, 8, 8] and facts["labels"] == [str(digit) for digit in range(10)]
    assert facts["check"]["examples"] == 70 and facts["check"]["largest_difference"] <= 1e-4
    assert "uint8" in (tmp_path / "elsewhere" / "README.md").read_text()


def test_texts_of_any_length_are_predicted_without_litmus(composed: Compose, tmp_path: Path) -> None:
    run = run_of(composed, tmp_path / "data", "sst2", "model=lstm", "model.hidden=4", "stem.grid.width=8")
    folder, found = export(run, "onnx", tmp_path / "new", 20, [])
    assert found["examples"] == 20 and found["largest_difference"] < 1e-5
    lines = tmp_path / "lines.txt"
    lines.write_text("the word0 film\r\n\nthe word1 story and [PAD] light " + "music " * 90 + "\nunheard-of\n")
    assert_same(alone(folder, lines), [list(row) for row in predict(run, [lines])])


@pytest.mark.slow
def test_a_series_is_forecast_in_its_own_units_without_litmus(composed: Compose, tmp_path: Path) -> None:
    run = run_of(composed, tmp_path / "data", "series_file", "model=nlinear")
    folder, found = export(run, "torch", None, 50, [])
    assert found["examples"] == 50
    (tmp_path / "past.csv").write_text("y,x\n" + "".join(f"{step},{1000 - step}\n" for step in range(30)))
    assert_same(alone(folder, tmp_path / "past.csv"), [list(row) for row in predict(run, [tmp_path / "past.csv"])])


@pytest.mark.slow
def test_numbers_keep_their_columns_and_units(composed: Compose, tmp_path: Path) -> None:
    run = run_of(composed, tmp_path / "data", "table", "model=mlp", "model.hidden=[4]")
    folder, _ = export(run, "torch", None, 12, [])
    (tmp_path / "new.csv").write_text("d,b,c,a\n1,2,3,4\n0.5,0.25,-1,7\n")
    assert_same(alone(folder, tmp_path / "new.csv"), [list(row) for row in predict(run, [tmp_path / "new.csv"])])


def test_weights_go_into_a_network_of_ones_own(composed: Compose, tmp_path: Path) -> None:
    from hydra.utils import instantiate
    from safetensors.torch import load_file

    run = run_of(composed, tmp_path / "data", "table", "model=mlp", "model.hidden=[4]")
    folder, found = export(run, "safetensors", None, 12, [])
    instantiate(json.loads((folder / "config.json").read_text())).load_state_dict(
        load_file(folder / "model.safetensors")
    )
    assert found["largest_difference"] == 0 and "config.json" in (folder / "README.md").read_text()


def test_transformers_loads_the_run_of_a_transformer(composed: Compose, tmp_path: Path, tiny_bert: str) -> None:  # noqa: F811
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    run = run_of(composed, tmp_path / "data", "sst2", "model=hf", f"model.checkpoint={tiny_bert}")
    folder, found = export(run, "hf", None, 20, [])
    assert found["examples"] == 20 and found["largest_difference"] < 1e-5
    model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True).eval()
    texts = ["the word0 film", "the word1 story word2"]
    with torch.inference_mode():
        logits = model(**AutoTokenizer.from_pretrained(folder)(texts, return_tensors="pt", padding=True)).logits
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    probabilities, labels = logits.softmax(1).max(1)
    named = [
        ["x", model.config.id2label[int(label)], f"{p:.6g}"] for label, p in zip(labels, probabilities, strict=True)
    ]
    assert_same(named, [["x", *row[1:]] for row in predict(run, [tmp_path / "texts.txt"])][1:])


def test_what_predicts_something_else_is_refused_and_nothing_is_left(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(composed, tmp_path / "data", "table", "model=mlp", "model.hidden=[4]")
    monkeypatch.setattr(check, "LIMIT", -1.0)
    monkeypatch.setattr("litmus.export.export.LIMIT", -1.0)
    with pytest.raises(SystemExit):
        main(["export", str(run), "--format", "safetensors", "--check", "5"])
    assert "predicts something else than the run: on 5 examples" in capsys.readouterr().err
    assert list((run / "export").iterdir()) == []
    with pytest.raises(SystemExit):
        main(["export", str(run), "--format", "safetensors", "--output", str(tmp_path / "data")])
    assert "is there already" in capsys.readouterr().err and (tmp_path / "data" / "table.csv").exists()
    with pytest.raises(SystemExit):
        main(["export", str(run), "--format", "hf"])
    assert "--format hf is for classifiers of model=hf" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "form", "options"),
    [
        ("tinyshakespeare", "onnx", ("model=gpt", "model.width=16", "model.layers=1", "data.epoch_steps=2")),
        pytest.param("tinyshakespeare", "torch", ("model=gpt", "model.layers=1"), marks=pytest.mark.slow),
        pytest.param("ptb", "onnx", ("model=lstm_lm", "model.hidden=8"), marks=pytest.mark.slow),
    ],
)
def test_a_language_model_goes_on_with_a_text_without_litmus(
    composed: Compose, tmp_path: Path, name: str, form: str, options: tuple[str, ...]
) -> None:
    run = run_of(composed, tmp_path / "data", name, *options)
    folder, found = export(run, form, None, 6, [])
    assert found["examples"] == 6 and found["largest_difference"] < 1e-5
    prompts = ["the film", "light music"]
    (tmp_path / "prompts.txt").write_text("\n".join(prompts))
    head, *rows = alone(folder, tmp_path / "prompts.txt")
    assert head == ["example", "text"] and len(rows) == 2
    for row, prompt in zip(rows, prompts, strict=True):
        wanted = "".join(generate(run, prompt, 100, 0.0, None, 0))
        assert row[1].removeprefix(prompt) == wanted.removeprefix(prompt)


@pytest.mark.slow
def test_recurrent_layers_take_texts_of_any_length() -> None:
    """In a process of its own: the checks of shapes in tests are nothing that a loop over steps can keep."""
    done = subprocess.run([sys.executable, "-c", LAYERS], cwd=ROOT, capture_output=True, text=True, timeout=300)
    differences = [float(line) for line in done.stdout.split()]
    assert len(differences) == 6 and max(differences) < 1e-6, done.stderr


DYNAMIC = {  # a run of every network that is not of language, on data that it takes
    "airbench": "cifar10", "cct": "cifar10", "cnn": "digits", "cnn of words": "sst2", "dlinear": "etth1", "fcn": "ucr",
    "hf": "sst2", "lenet": "mnist", "lstm": "sst2", "lstm of rows": "digits", "lstm_fcn": "ucr", "mlp": "diabetes",
    "mlp of words": "sst2", "mnist1d": "mnist1d", "nlinear": "etth1", "patchtst": "etth1", "resnet18": "cifar10",
    "resnet20": "cifar10", "text_cnn": "sst2", "transformer": "sst2", "transformer of patches": "digits",
    "transformer of tokens": "modular_arithmetic", "wide_resnet": "cifar10",
}  # fmt: skip
DEEPER = {"resnet32", "resnet44", "resnet56", "resnet110"}  # than resnet20
OF_LANGUAGE = {"gpt", "lstm_lm"}


def test_every_network_is_tried() -> None:
    named = {name.split()[0] for name in DYNAMIC}
    assert named | DEEPER | OF_LANGUAGE == {path.stem for path in (ROOT / "conf" / "model").glob("*.yaml")}


@pytest.mark.slow
@pytest.mark.parametrize("name", DYNAMIC)
def test_every_network_becomes_onnx(composed: Compose, tmp_path: Path, tiny_bert: str, name: str) -> None:  # noqa: F811
    more = {"hf": [f"model.checkpoint={tiny_bert}"], "lstm": ["model.cell=gru"]}.get(name, [])
    options = ("trainer.limit_train_batches=2", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1")
    run = run_of(composed, tmp_path / "data", DYNAMIC[name], f"model={name.split()[0]}", *options, *more)
    _, found = export(run, "onnx", None, 12, [])
    assert found["largest_difference"] <= 1e-4
