"""A project of one's own: the copy has no trace of the old name, and what is added to it works as it is."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from litmus.config import CONF, groups
from litmus.project import schema
from litmus.project.new import new, renamed

ADDED = (("model", "my_net"), ("data", "my_pictures"), ("data", "my_waves", "--kind", "series"), ("experiment", "mine"))
jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project without the examples."""
    folder = tmp_path_factory.mktemp("new") / "lab"
    new("tiny_lab", folder, minimal=True)
    return folder


def run(folder: Path, *words: str) -> str:
    """What a command of that project prints; it does not see this one's package."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "WANDB_MODE": "disabled"}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_new_project_has_its_own_name_everywhere(lab: Path) -> None:
    files = run_git(lab, "ls-files").splitlines()
    assert {"train.py", "LICENSE", "src/tiny_lab/cli.py", "src/hydra_plugins/tiny_lab_sweeps.py"} <= set(files)
    assert run_git(lab, "status", "--porcelain") == ""
    traces = [name for name in files if "litmus" in name or "litmus" in (lab / name).read_text().lower()]
    assert set(traces) - {"LICENSE"} == {"CHANGELOG.md"}  # the licence keeps the name of the first project
    assert (lab / "LICENSE").read_text() == (CONF.parent / "LICENSE").read_text()
    assert renamed("litmus.Litmus LITMUS_DATA", "my_lab") == "my_lab.MyLab MY_LAB_DATA"


def run_git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("My-Lab", "can't be the name of a module"), ("class", "can't be the name"), ("torch", "that is installed here")],
)
def test_a_name_that_can_not_be_one_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        new(name, tmp_path / "lab", minimal=False)
    assert not (tmp_path / "lab").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        new("tiny_lab", tmp_path, minimal=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_what_is_added_passes_the_tests_and_trains(lab: Path) -> None:
    for words in ADDED:
        paths = [line for line in run(lab, "-m", "tiny_lab.cli", "add", *words).splitlines() if "." in line.split()[0]]
        assert all((lab / path).exists() for path in paths[:-1])
    twice = subprocess.run(
        [sys.executable, "-m", "tiny_lab.cli", "add", "model", "my_net"],
        env={**os.environ, "PYTHONPATH": str(lab / "src")},
        capture_output=True,
        text=True,
    )
    assert twice.returncode == 1 and "model=my_net is there already" in twice.stderr
    tests = ["tests/test_pairs.py", "tests/test_conf.py"]
    found = run(lab, "-m", "pytest", *tests, "-k", "(my_ and not resnet) or mine")
    assert "passed" in found
    options = ["model=my_net", "data=my_pictures", "epochs=5", "logger=csv", "threads=1", "optimizer.lr=0.01"]
    run(lab, "train.py", *options)
    (record,) = lab.glob("outputs/*/run.json")
    assert json.loads(record.read_text())["metrics"]["test/accuracy"] > 0.9


def test_a_mistake_in_a_file_is_said_with_its_line(lab: Path) -> None:
    recipe = lab / "conf" / "experiment" / "wrong.yaml"
    recipe.write_text("# @package _global_\n# What is wrong, in a line.\nmodel:\n  dropout: 2.0\n")
    environment = {**os.environ, "PYTHONPATH": str(lab / "src")}
    command = [sys.executable, "train.py", "experiment=wrong", "logger=csv"]
    done = subprocess.run(command, cwd=lab, env=environment, capture_output=True, text=True)
    recipe.unlink()
    assert done.returncode == 1
    assert done.stderr == "error: model.dropout=2.0 is not from 0 to 1 (conf/experiment/wrong.yaml:4)\n"


@pytest.mark.slow
@pytest.mark.parametrize("minimal", [True, False])
def test_a_new_project_passes_its_own_tests(tmp_path: Path, minimal: bool) -> None:
    new("tiny_lab", tmp_path / "lab", minimal)
    run(tmp_path / "lab", "-m", "pytest", "-n", "2", "-p", "no:cacheprovider")


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("editor")
    (folder / "settings.json").write_text('{"editor.tabSize": 2}')
    paths = schema.write(folder)
    settings = json.loads(paths[-1].read_text())
    assert settings["editor.tabSize"] == 2 and len(settings["yaml.schemas"]) == len(paths) - 1
    return {path.stem: jsonschema.Draft7Validator(json.loads(path.read_text())) for path in paths[:-1]}


def test_every_file_of_conf_is_as_its_schema_says(schemas: dict[str, Any]) -> None:
    for group in groups():
        for path in sorted(group.rglob("*.yaml")):
            content = OmegaConf.to_container(OmegaConf.load(path))
            assert [error.message for error in schemas[group.name].iter_errors(content)] == [], path
    assert schemas["config"].is_valid(OmegaConf.to_container(OmegaConf.load(CONF / "config.yaml")))


@pytest.mark.parametrize(
    ("group", "name", "key", "value"),
    [
        ("model", "cnn", "chanels", [8]),
        ("model", "cnn", "channels", ["wide"]),
        ("model", "cnn", "dropout", 1.5),
        ("model", "cnn", "_target_", "os.system"),
        ("optimizer", "adamw", "lr", "fast"),
        ("trainer", "default", "max_epoch", 3),
        ("data", "digits", "data.batch_sise", 8),
        ("experiment", "lenet5_mnist", "claim.valeu", 1),
        ("experiment", "lenet5_mnist", "epoch", 1),
    ],
)
def test_a_schema_complains(schemas: dict[str, Any], group: str, name: str, key: str, value: Any) -> None:
    content = OmegaConf.load(CONF / group / f"{name}.yaml")
    assert schemas[group].is_valid(OmegaConf.to_container(content))
    OmegaConf.update(content, key, value, force_add=True)
    assert not schemas[group].is_valid(OmegaConf.to_container(content))
