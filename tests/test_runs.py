"""`litmus runs`: runs are found, compared, watched, run again and deleted."""

import csv
import json
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from litmus.cli import main
from litmus.lock import lock, unlock
from litmus.provenance import git_state
from litmus.runs.find import find, flat

Litmus = Callable[..., str]


def run(root: Path, name: str, *overrides: str, config: dict[str, Any] | None = None, **facts: Any) -> Path:
    """A folder as a run leaves it."""
    folder = root / name
    folder.mkdir()
    record = {"id": name, "name": "cnn-digits", "status": "done", "seed": 0, "started": name, "seconds": 3.5, **facts}
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "overrides.yaml").write_text("".join(f"- {word}\n" for word in overrides) or "[]\n")
    values = config or {}
    (folder / "config.yaml").write_text(json.dumps({"seed": record["seed"], "model": {"hidden": 32}, **values}))
    return folder


@pytest.fixture
def litmus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Litmus:
    def call(*words: str) -> str:
        capsys.readouterr()
        main(["--root", str(tmp_path), "runs", *words])
        return capsys.readouterr().out

    return call


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    metrics = [{"val/loss": loss, "test/accuracy": 1 - loss} for loss in (0.1, 0.3, 0.2)]
    return [
        run(tmp_path, "a", metrics=metrics[0], objective={"metric": "val/loss", "value": 0.1}),
        run(tmp_path, "b", metrics=metrics[1], config={"model": {"hidden": 64}}, status="failed"),
        run(tmp_path, "c", metrics=metrics[2], seed=1, config={"data": {"augment": {"flip": True}}}),
    ]


def test_a_value_is_the_same_whether_its_part_or_the_whole_is_read(tmp_path: Path) -> None:
    layers = {"kernel": [3, 3], "note": "one: two\n\n  - three\n# four\n", "none": None, "empty": {}, "yes": True}
    whole = {"name": "a: b\n\nc: d", "callbacks": ["default", {"ema": {"decay": 0.9}}], "model": layers, "seed": 3}
    folder = run(tmp_path, "a")
    whole["data"] = layers  # a reference to the first, in YAML
    for text in (yaml.safe_dump(whole), yaml.safe_dump(whole).rstrip(), json.dumps(whole), OmegaConf.to_yaml(whole)):
        (folder / "config.yaml").write_text(text)
        (found,) = find(tmp_path, [])
        assert found.config == whole
        (found,) = find(tmp_path, [])
        for key, value in flat({name: part for name, part in whole.items() if name not in found.record}).items():
            assert found[key] == value, key


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ([], "abc"),
        (["status=done"], "ac"),
        (["status!=done"], "b"),
        (["model.hidden>=64"], "b"),
        (["model.hidden=32", "seed=1"], "c"),
        (["test/accuracy>0.75"], "ac"),
        (["data.augment.flip=true"], "c"),
        (["name~digits", "id~b"], "b"),
        (["--sort", "test/accuracy"], "bca"),
        (["--sort", "val/loss", "-r"], "bca"),
        (["--sort", "data.augment.flip"], "cab"),
        (["--last", "2"], "bc"),
    ],
)
def test_runs_are_found_by_what_was_asked_and_what_came_of_it(
    litmus: Litmus, three: list[Path], words: list[str], ids: str
) -> None:
    assert [row["id"] for row in json.loads(litmus("list", *words, "--json"))] == list(ids)


def test_columns_are_shown_besides(litmus: Litmus, three: list[Path]) -> None:
    head, first, *_ = litmus("list", "--columns", "model.hidden,val/loss").splitlines()
    assert head.split("\t")[-2:] == ["model.hidden", "val/loss"] and first.split("\t")[-2:] == ["32", "0.1"]
    assert litmus() == litmus("list")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.hiden=3"], "no run has model.hiden: did you mean model.hidden?"),
        (["--sort", "val/los"], "no run has val/los: did you mean val/loss?"),
        (["hidden"], "hidden is no condition: give KEY=VALUE"),
    ],
)
def test_a_mistake_is_one_sentence(
    litmus: Litmus, three: list[Path], capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        litmus("list", *words)
    assert message in capsys.readouterr().err


def test_a_damaged_record_hides_no_other(litmus: Litmus, three: list[Path]) -> None:
    (three[0] / "run.json").write_text("{")
    assert {row["id"]: row["status"] for row in json.loads(litmus("list", "--json"))} == {
        "a": "damaged", "b": "failed", "c": "done"
    }  # fmt: skip
    assert json.loads(litmus("best", "--json"))[0]["n"] == 1


def test_a_thousand_runs_are_listed_without_torch(tmp_path: Path) -> None:
    for number in range(1000):
        run(tmp_path, f"{number:04}", metrics={"test/accuracy": number / 1000})
    command = [sys.executable, "-X", "importtime", "-m", "litmus.cli", "--root", str(tmp_path), "runs"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == 1001
    modules = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "import time" in line}
    assert not modules & {"torch", "numpy", "rich", "pytorch_lightning"}


def test_best_puts_seeds_together_and_the_best_first(
    litmus: Litmus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, loss in enumerate((0.1, 0.2, 0.3)):
        metrics = {"test/loss": loss, "test/accuracy": 1 - loss}
        run(
            tmp_path, f"a{seed}", f"seed={seed}", "optimizer.lr=0.1", f"output_root=/{seed}", seed=seed, metrics=metrics
        )
    run(tmp_path, "b0", "seed=0", metrics={"test/loss": 0.05, "test/accuracy": 0.95})
    run(tmp_path, "c0", "seed=0", metrics={"test/loss": 0.01}, status="failed")
    first, second = json.loads(litmus("best", "--json"))
    assert (first["test/accuracy"], first["n"], first["overrides"]) == (0.95, 1, [])
    assert second["test/accuracy"] == pytest.approx(0.8) and second["overrides"] == ["optimizer.lr=0.1"]
    assert second["n"] == 3 and second["95 %"] == pytest.approx(0.2484, abs=1e-3)
    assert json.loads(litmus("best", "test/loss", "--json"))[0]["test/loss"] == 0.05  # the smaller, the better
    with pytest.raises(SystemExit):
        litmus("best", "test/los")
    assert "no run has test/los: did you mean test/loss" in capsys.readouterr().err


def test_two_runs_are_told_apart(litmus: Litmus, three: list[Path]) -> None:
    rows = {row["key"]: row for row in json.loads(litmus("diff", "a", "c", "--json"))}
    assert rows["seed"]["a"] == 0 and rows["seed"]["c"] == 1 and rows["data.augment.flip"]["c"] is True
    assert rows["test/accuracy"]["of"] == "result" and "model.hidden" not in rows
    assert litmus("diff", "a", "a", "--json") == "[]\n"


def test_a_run_is_watched_to_its_end(litmus: Litmus, tmp_path: Path) -> None:
    soon = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    folder = run(tmp_path, "a", status="running", heartbeat=soon)
    head = "step,epoch,metric,value\n"
    (folder / "metrics.csv").write_text(head + "".join(f"{step},0,train/loss,0.5\n" for step in range(20)))
    assert litmus("tail", "-n", "3").splitlines() == [f"{step}\t0\ttrain/loss\t0.5" for step in (17, 18, 19)]

    def end() -> None:
        time.sleep(1)
        with open(folder / "metrics.csv", "a") as file:
            file.write("20,0,train/loss,0.25\n")
        (folder / "run.json").write_text(json.dumps({"id": "a", "status": "done"}))

    thread = threading.Thread(target=end)
    thread.start()
    assert litmus("tail", "a", "-n", "1", "-f").splitlines()[-1] == "20\t0\ttrain/loss\t0.25"
    thread.join()


def test_a_run_is_run_again_from_the_same_code_only(
    litmus: Litmus, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = git_state()
    run(tmp_path, "same", "model=mlp", "seed=3", git=state)
    run(tmp_path, "other", git={**(state or {}), "commit": "0" * 40})
    run(tmp_path, "unknown")
    called: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, words: called.append(words))
    if state is not None:
        litmus("rerun", "same")
        assert called[-1][1].endswith("train.py") and called[-1][2:] == ["model=mlp", "seed=3"]
        with pytest.raises(SystemExit):
            litmus("rerun", "other")
        assert "other was run at commit 0000000000, and this is" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        litmus("rerun", "unknown")
    assert "--anyway runs it with what is there" in capsys.readouterr().err
    litmus("rerun", "unknown", "--anyway")
    assert len(called[-1]) == 2


def test_only_what_nobody_writes_to_is_deleted_and_not_without_a_word(
    litmus: Litmus, three: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115
    with pytest.raises(SystemExit):
        litmus("rm", "a")
    assert "there is nobody to ask: give --yes" in capsys.readouterr().err and three[0].exists()
    held = lock(three[1])
    with pytest.raises(SystemExit):
        litmus("rm", "a", "b", "--yes")
    assert three[0].exists() and three[1].exists()
    unlock(held)
    litmus("rm", "a", "b", "--yes")
    assert [each.exists() for each in three] == [False, False, True]


def test_a_table_for_other_programs(litmus: Litmus, three: list[Path]) -> None:
    rows = list(csv.DictReader(litmus("export", "csv", "status=done").splitlines()))
    assert [row["id"] for row in rows] == ["a", "c"] and rows[0]["data.augment.flip"] == ""
    assert rows[1]["test/accuracy"] == "0.8" and "model.hidden" not in rows[0]  # which is the same


def test_a_terminal_gets_a_table(three: list[Path]) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "litmus.cli", "--root", str(three[0].parent), "runs"]
    done = subprocess.run(command, stdout=follower, env={**os.environ, "COLUMNS": "100", "TERM": "xterm"})
    os.close(follower)
    text = os.read(leader, 65536).decode()
    os.close(leader)
    assert done.returncode == 0 and "\t" not in text and "failed" in text and "\x1b[1m" in text


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    assert find(tmp_path, ["seed=1"]) == []
