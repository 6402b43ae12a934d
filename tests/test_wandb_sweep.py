"""A search that W&B's server runs: conf/sweep in its words, and agents whose runs are the server's own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from wandb_server import KEY, Mode, WandbServer

from litmus.build import build
from litmus.cli import main
from litmus.errors import say
from litmus.folder import list_runs, read_record
from litmus.loggers.csv import read_metrics
from litmus.loggers.server import has_key
from litmus.loggers.wandb import close_wandb, open_wandb
from litmus.run import Run
from litmus.signals import Stopped
from litmus.sweeps import agents
from litmus.sweeps.space import Space
from litmus.sweeps.wandb import in_words, sweep_config

BAD: tuple[Mode, ...] = tuple(mode for mode in get_args(Mode) if mode != "works")
LONGEST_DELAY = 40.0  # seconds, on a busy machine
RUN = ("model=mlp", "data=digits", "threads=1")
LR = "optimizer.lr=tag(log,interval(1e-3,1e-1))"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nobody's key, and what `wandb agent` and `wandb.sweep` set is not left to other tests."""
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("WANDB_PROJECT", "WANDB_ENTITY", "WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_RUN_GROUP"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    yield
    HydraConfig.instance().cfg = None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        yield server
        close_wandb(failed=False)


def config(*overrides: str, name: str = "default", method: str | None = None, hyperband: bool = False) -> Any:
    return sweep_config(name, overrides, method, hyperband)


def objectives(*words: str) -> str:
    """Metrics, each with its mode."""
    pairs = zip(words[::2], words[1::2], strict=True)
    return f"sweep.objectives=[{','.join(f'{{metric: {metric}, mode: {mode}}}' for metric, mode in pairs)}]"


def refused(capsys: pytest.CaptureFixture[str], *overrides: str, **options: Any) -> str:
    """What is said of it, which is one sentence."""
    with pytest.raises(Exception) as error:
        config(*overrides, **options)
    say(error.value)
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("error: "))
    return line.removeprefix("error: ")


@pytest.mark.parametrize(
    ("values", "translated"),
    [
        ("choice(16,32)", {"values": [16, 32]}),
        ("cnn,mlp", {"values": ["cnn", "mlp"]}),
        ("interval(0.0,0.5)", {"distribution": "uniform", "min": 0.0, "max": 0.5}),
        ("tag(log,interval(1e-3,1e-1))", {"distribution": "log_uniform_values", "min": 0.001, "max": 0.1}),
        ("int(interval(1,9))", {"distribution": "int_uniform", "min": 1, "max": 9}),
        ("range(1,9)", {"distribution": "int_uniform", "min": 1, "max": 8}),
        ("int(tag(log,interval(1,9)))", {"distribution": "q_log_uniform_values", "min": 1, "max": 9, "q": 1}),
        ("range(1,9,3)", {"values": [1, 4, 7]}),
        ("range(0.1,0.6,0.25)", {"values": [0.1, 0.35]}),
    ],
)
def test_every_kind_of_parameter_is_said_in_the_words_of_wandb(values: str, translated: dict[str, Any]) -> None:
    (parameter,) = Space({"key": values}).parameters
    assert in_words(parameter, grid=False) == translated


def test_a_grid_has_values_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert config("seed=range(0,3)", method="grid")["parameters"] == {"seed": {"values": [0, 1, 2]}}
    assert "optimizer.lr is an interval, which has no grid" in refused(capsys, LR, method="grid")


def test_a_file_of_conf_becomes_a_sweep_that_never_sees_the_test_split() -> None:
    found = config("model=cnn", "sweep.trials=3", "seed=7", "test=true", name="digits_quick")
    assert set(found["parameters"]) == {"model.hidden", "model.dropout", "optimizer.lr", "data.batch_size"}
    assert (found["name"], found["project"], found["run_cap"]) == ("digits_quick", "litmus", 3)
    assert found["metric"] == {"name": "val/loss", "goal": "minimize"}
    fixed = ["data=digits", "epochs=12", "model=cnn", "seed=7", "test=true"]
    last = ["test=false", "objective.metric=val/loss", "objective.mode=min"]
    assert found["command"] == ["${env}", "${interpreter}", "${program}", *fixed, *last, "${args_no_hyphens}"]


def test_a_condition_that_is_not_met_leaves_its_key_out() -> None:
    assert "model.hidden" not in config("model=mlp", name="digits_quick")["parameters"]


def test_the_sampler_chooses_the_method_unless_it_is_given() -> None:
    grid = "sweep/sampler=grid"
    assert config("seed=1,2")["method"] == "bayes"
    assert config("seed=1,2", grid)["method"] == "grid"
    assert config("seed=1,2", grid, method="random")["method"] == "random"


def test_hyperband_is_the_pruner_or_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    assert config(LR, "sweep/pruner=hyperband")["early_terminate"] == {"type": "hyperband", "min_iter": 1, "eta": 3}
    assert config(LR, "sweep/pruner=asha", "sweep.pruner.min_resource=auto", "sweep.pruner.reduction_factor=4")[
        "early_terminate"
    ] == {"type": "hyperband", "min_iter": 1, "eta": 4}
    assert config(LR, hyperband=True)["early_terminate"]["type"] == "hyperband"
    assert not [record for record in caplog.records if record.name.startswith("litmus")]
    assert "early_terminate" not in config(LR)
    assert "W&B has no counterpart of MedianPruner" in caplog.text


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("model.dept=range(1,3)",), "model.dept is not a key"),
        (("optimizer.lrr=1", LR), "optimizer.lrr is not a key: did you mean lr?"),
        (("model=cnn,mlp", "model.channels=[8],[16]"), "model.channels is not a key"),
        (
            ("seed=1,2", "sweep.objectives=[{metric: val/loss, mode: min}, {metric: val/f1, mode: max}]"),
            "-m sweep=default",
        ),
        (("seed=1,2", "sweep.objectives=[{metric: test/loss, mode: min}]"), "a search never sees test/loss"),
        (
            ("seed=1,2", "sweep.objectives=[{metric: val/loss, mode: least}]"),
            "val/loss is to be least: give max or min",
        ),
        (("seed=1,2", "sweep.first=[{seed: 1}]"), "-m sweep=default"),
        (("seed=1,2", "sweep.confirm=3"), "sweep.confirm=3: python train.py -m sweep=default has"),
        (("seed=1,2", "sweep.trials=0"), "sweep.trials=0 is less than 1"),
        (("seed=1,2", "sweep/sampler=nsga2"), "no counterpart of NSGAIISampler"),
        (("seed=1,2", "logger=csv"), "without logger=wandb"),
        (("seed=1",), "sweep.space is empty"),
    ],
)
def test_what_wandb_or_a_run_can_not_do_is_refused(
    overrides: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(capsys, *overrides)


def test_a_condition_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, name="digits_quick")
    assert "model.hidden is searched when model=cnn" in said and "python train.py -m sweep=digits_quick" in said


def test_a_secret_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hush-hush-hush")
    assert "an override holds a secret" in refused(capsys, "seed=1,2", "name=hush-hush-hush")


def given_up(capfd: pytest.CaptureFixture[str]) -> str:
    """What is said when no sweep can be made: one line, and soon."""
    start = time.monotonic()
    with pytest.raises(ValueError) as error:
        agents.create({"name": "default", "project": "litmus", "parameters": {"seed": {"values": [1, 2]}}})
    assert time.monotonic() - start < LONGEST_DELAY
    say(error.value)
    (line,) = capfd.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("mode", BAD)
def test_a_server_that_is_bad_is_one_sentence(
    mode: Mode, server: WandbServer, capfd: pytest.CaptureFixture[str]
) -> None:
    server.mode = mode
    said = given_up(capfd)
    assert said.startswith(f"error: W&B made no sweep: {server.url}: ") and "-m sweep=default" in said
    assert server.sweep is None and KEY not in said


@pytest.mark.parametrize("mode", ["refuses", "hangs", "fails"])
def test_a_server_that_goes_bad_before_the_sweep_is_made_is_one_sentence(
    mode: Mode, server: WandbServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def first_asked() -> bool:
        known = has_key()
        server.mode = mode
        return known

    monkeypatch.setattr(agents, "has_key", first_asked)
    monkeypatch.setattr(agents, "CREATION", 3.0)
    assert given_up(capfd).startswith(
        "error: W&B made no sweep: no answer within 3 seconds; python train.py -m sweep=default"
    )


def test_without_a_key_nobody_is_asked(
    server: WandbServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    assert "there is no key here" in given_up(capfd)
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert "WANDB_MODE=offline" in given_up(capfd)
    assert not server.requests


def test_the_command_ends_with_one_sentence_and_code_1(capfd: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        (["seed=1,2", "--agents", "0"], "--agents 0 is less than 1"),
        ([LR], "there is no key here"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["sweep", "wandb", "default", "seed=1,2", "sweep.pruner=null", *arguments])
        assert stop.value.code == 1
        (line,) = capfd.readouterr().err.splitlines()
        assert said in line


class Search:
    """Two runs by one agent; the server dies in the middle of the second, and then the user gives up."""

    def __init__(self, root: Path) -> None:
        command = [sys.executable, "-m", "litmus.cli", "--root", str(root), "sweep", "wandb", "default"]
        options = [*RUN, "epochs=20", LR, "data.batch_size=512,1024", "sweep.trials=2"]
        with WandbServer() as self.server:
            environment = os.environ | {"WANDB_BASE_URL": self.server.url, "WANDB_API_KEY": KEY}
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            search = subprocess.Popen([*command, *options], cwd=agents.HERE, env=environment, **pipes)
            self._wait(search, lambda: "trial1" in self.server.runs)
            self.rows = len(self.server.rows)
            self._wait(search, lambda: len(list_runs(root)) == 2 and (list_runs(root)[1] / "metrics.csv").exists())
        self._wait(search, lambda: [read_record(folder)["status"] for folder in list_runs(root)] == ["done", "done"])
        search.send_signal(signal.SIGINT)
        self.said, _ = search.communicate(timeout=LONGEST_DELAY)
        self.code = search.returncode
        self.folders = list_runs(root)

    def _wait(self, search: "subprocess.Popen[str]", until: Callable[[], bool]) -> None:
        end = time.monotonic() + 240
        while not until():
            assert search.poll() is None, search.communicate()[0]
            assert time.monotonic() < end, search.kill() or search.communicate()[0]
            time.sleep(0.05)


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    return Search(tmp_path_factory.mktemp("search") / "outputs")


@pytest.mark.slow
def test_an_agent_trains_the_runs_of_the_server(search: Search) -> None:
    server, (first, second) = search.server, search.folders
    assert f"Sweep URL: {server.url}/me/litmus/sweeps/sweep0\n" in search.said
    assert server.sweep is not None and list(server.sweep.given) == ["trial0", "trial1"]
    record, summary = read_record(first), server.summaries["trial0"]
    assert record["status"] == summary["status"] == "done" and server.exit_codes[0] == 0
    assert record["metrics"]["val/loss"] == pytest.approx(summary["val/loss"])
    for folder, (name, values) in zip((first, second), server.sweep.given.items(), strict=True):
        assert read_record(folder)["url"] == f"{server.url}/me/litmus/runs/{name}"
        assert not any(metric.startswith("test/") for metric in read_record(folder)["metrics"])
        assert server.runs[name]["sweep"] == server.runs[name]["groupName"] == "sweep0"
        sent = json.loads(server.runs[name]["config"])
        assert {key: sent[key]["value"] for key in values} == values


@pytest.mark.slow
def test_a_server_that_dies_during_a_run_takes_nothing_along(search: Search) -> None:
    folder = search.folders[1]
    assert len(search.server.rows) == search.rows and "`wandb sync" in search.said
    assert max(int(row["epoch"]) for row in read_metrics(folder / "metrics.csv")) == 19
    (kept,) = folder.glob("wandb/*run-*-trial1")
    search.server.rows.clear()
    search.server.mode = "works"
    settings = {"WANDB_BASE_URL": search.server.url, "WANDB_API_KEY": KEY}
    command = [sys.executable, "-m", "wandb", "sync", "--no-skip-online", str(kept)]
    subprocess.run(command, cwd=folder, env=os.environ | settings, check=True, capture_output=True)
    assert max(row["epoch"] for row in search.server.rows) == 19


@pytest.mark.slow
def test_ctrl_c_ends_the_agents(search: Search) -> None:
    assert search.code == 130


def under_an_agent(monkeypatch: pytest.MonkeyPatch, run: str) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep0")
    monkeypatch.setenv("WANDB_RUN_ID", run)


@pytest.mark.parametrize(
    ("signum", "status", "code"), [(signal.SIGTERM, "pruned", 0), (signal.SIGINT, "interrupted", 1)]
)
def test_a_run_that_the_server_stops_is_pruned(
    signum: int,
    status: str,
    code: int,
    server: WandbServer,
    monkeypatch: pytest.MonkeyPatch,
    composed: Callable[..., DictConfig],
) -> None:
    under_an_agent(monkeypatch, "trial7")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup has it ignored
    with pytest.raises(Stopped), Run.open(composed("logger=wandb", "model=mlp")) as run:
        _, _, trainer = build(run)
        trainer.loggers[1].log_metrics({"train/loss": 0.5}, 1)
        os.kill(os.getpid(), signum)
        time.sleep(1)
    assert read_record(run.folder)["status"] == status == server.summaries["trial7"]["status"]
    assert server.exit_codes == [code]


def test_a_run_that_is_resumed_is_the_one_of_the_sweep(
    server: WandbServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def opened() -> Any:
        return open_wandb("p", None, None, "n", [], str(tmp_path), init_timeout=5.0, finish_timeout=5.0)

    under_an_agent(monkeypatch, "trial-7")
    assert opened().experiment.id == "trial-7"
    close_wandb(failed=True)
    monkeypatch.delenv("WANDB_SWEEP_ID")
    monkeypatch.setenv("WANDB_RUN_ID", "another")
    assert opened().experiment.id == "trial-7"
    close_wandb(failed=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert opened().experiment.id == "trial-7"
