"""`litmus explain`: every value of a run has a line that it comes from."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import Compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from litmus.cli import main
from litmus.explain import FOLLOWS, Change, changes, explain

ROOT = Path(__file__).parents[1]


def origins(*overrides: str, key: str | None = None) -> dict[str, tuple[object, str, object]]:
    return {row["key"]: (row["value"], row["from"], row["as"]) for row in explain(overrides, key)}


def test_the_last_one_who_wrote_a_value_is_named() -> None:
    found = origins("experiment=airbench94", "optimizer.lr=3", "+optimizer.dampening=0.1", key="optimizer")
    assert found["optimizer.lr"] == (3, "command line", None)
    assert found["optimizer.dampening"][:2] == (0.1, "command line")
    assert found["optimizer.momentum"][1].startswith("conf/experiment/airbench94.yaml:")
    assert found["optimizer.fused"][:2] == (True, "conf/optimizer/sgd.yaml:8")


@pytest.mark.parametrize(
    "overrides", [[], ["experiment=airbench94"], ["model=lstm", "data=imdb"], ["data=etth1", "model=patchtst"]]
)
def test_every_value_has_a_line_that_says_it(overrides: list[str]) -> None:
    for key, (value, place, written) in origins(*overrides).items():
        if key == "tokenizer":  # of images, there is none: nobody says so but the schema
            continue
        name, _, line = place.partition(":")
        text = (ROOT / name).read_text().splitlines()[int(line) - 1]
        if written is None and not isinstance(value, list | dict):
            assert key.split(".")[-1] in text, (key, place)
            assert yaml.safe_load(text.split(":", 1)[1]) == value or str(value) in text, (key, place)
        if written is not None:
            assert str(written) in text, (key, place)


def test_a_value_that_refers_to_another_one_shows_both() -> None:
    found = origins("seed=4", "model=gpt", "data=tinyshakespeare")
    assert found["seed"] == (4, "command line", None)
    assert found["data.seed"][0] == 4 and found["data.seed"][2] == "${seed}"
    assert found["model.vocab_size"][0] == 65 and found["clip"][1].startswith("conf/model/gpt.yaml:")


def test_a_mistake_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    for words, sentence in (
        (["--key", "optimiser"], "optimiser is not a key: did you mean optimizer?"),
        (["model=cn"], "model=cn does not exist: did you mean cnn?"),
    ):
        with pytest.raises(SystemExit):
            main(["explain", *words])
        assert sentence in capsys.readouterr().err


def test_it_is_a_table_or_json_and_imports_no_torch() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "litmus.cli", "explain", "--key", "schedule"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.splitlines()[0].split("\t") == ["key", "value", "from", "as"]
    modules = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "import time" in line}
    assert not modules & {"torch", "pytorch_lightning", "wandb"}
    rows = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True).stdout)
    assert rows[0]["key"] == "schedule._target_"


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m litmus.cli explain | head -1", shell=True, capture_output=True, text=True
    )
    assert done.stdout == "key\tvalue\tfrom\tas\n" and done.stderr == ""


def test_what_was_changed_is_told_with_what_it_would_be(composed: Compose) -> None:
    found = {change.key: change for change in changes(["experiment=airbench94", "optimizer.lr=3", "logger=csv"])}
    assert found["model"] == Change("model", "airbench", "cnn", FOLLOWS)
    assert found["logger"] == Change("logger", "csv", ["wandb"], "command line")
    lr = found["optimizer.lr"]
    assert (lr.choice, lr.place) == (None, "command line") and lr.default == explain(["optimizer=sgd"], "optimizer.lr")[
        0
    ]["value"]
    assert found["epochs"].place.startswith("conf/experiment/airbench94.yaml:") and found["epochs"].default == 20
    assert "trainer.max_epochs" not in found and "task" not in found
    before = GlobalHydra.instance().hydra
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):  # as within a run
        within = GlobalHydra.instance().hydra
        assert changes(["seed=1"]) == [Change("seed", None, 0, "command line")]
        assert GlobalHydra.instance().hydra is within
    assert GlobalHydra.instance().hydra is before
