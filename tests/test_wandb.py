"""W&B never stops a run: whatever its server and its helper process do, training goes on and nothing is lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
from omegaconf import DictConfig
from pytorch_lightning.utilities import rank_zero_only
from wandb_server import KEY, Mode, WandbServer

from litmus.build import build
from litmus.folder import read_metrics, read_record
from litmus.loggers.csv import MetricsFile
from litmus.loggers.wandb import NeverInTheWay, close_wandb, open_wandb
from litmus.run import Run
from train import train

BAD: tuple[Mode, ...] = tuple(mode for mode in get_args(Mode) if mode != "works")
BREAKING: tuple[Mode, ...] = ("refuses", "hangs", "fails")
LONGEST_DELAY = 80.0  # seconds, on a busy machine; W&B alone waits for 90 and more
SMALL_RUN = ("logger=wandb", "trainer.max_epochs=1", "model.channels=[8]")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WandbServer]:
    """One that works, and whose key is in the environment."""
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        start = time.monotonic()
        yield server
        close_wandb(failed=False)
        assert time.monotonic() - start < LONGEST_DELAY


class Training:
    """The part of a run that logs: metrics.csv first and W&B after it, as in every run."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.metrics = MetricsFile(folder / "metrics.csv")
        self.wandb = open_wandb("p", None, None, "n", [], str(folder), init_timeout=2.0, finish_timeout=2.0)
        self.wandb.log_hyperparams({"lr": 0.1})

    def log(self, *steps: int) -> None:
        for step in steps:
            for logger in (self.metrics, self.wandb):
                logger.log_metrics({"train/loss": 1 / (1 + step), "epoch": step // 2}, step)


def arrived(server: WandbServer) -> list[int]:
    return [row["trainer/global_step"] for row in server.rows]


def synced(server: WandbServer, folder: Path, pattern: str = "*run-*") -> list[int]:
    """The steps that reach the server, which works again, when the user does what the warning says."""
    server.mode = "works"
    server.rows.clear()
    (run,) = folder.glob(f"wandb/{pattern}")
    command = [sys.executable, "-m", "wandb", "sync", "--no-skip-online", str(run)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return arrived(server)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "litmus.loggers.wandb"]


def kill_helper() -> None:
    """The process that W&B starts beside the run's own."""
    found = subprocess.run(["pgrep", "-P", str(os.getpid()), "wandb-core"], capture_output=True, text=True, check=True)
    for pid in found.stdout.split():
        os.kill(int(pid), signal.SIGKILL)


def test_a_run_arrives_at_the_server_as_it_was(server: WandbServer, composed: Callable[..., DictConfig]) -> None:
    config = composed(*SMALL_RUN)
    train(config)
    (folder,) = Path(config.output_root).iterdir()
    seen = {name: value for row in server.rows for name, value in row.items()}
    written = {row["metric"]: float(row["value"]) for row in read_metrics(folder / "metrics.csv")}
    assert {name: seen[name] for name in written} == pytest.approx(written)
    assert server.exit_codes == [0]
    assert read_record(folder)["url"] == f"{server.url}/me/litmus/runs/{folder.name}"


def test_a_run_that_crashed_is_failed_at_the_server(server: WandbServer, composed: Callable[..., DictConfig]) -> None:
    with pytest.raises(RuntimeError), Run.open(composed(*SMALL_RUN)) as run:
        _, _, trainer = build(run)
        trainer.loggers[1].log_metrics({"train/loss": 0.5}, 1)
        raise RuntimeError("out of memory")
    assert server.exit_codes == [1] and arrived(server) == [1]


def test_a_key_of_netrc_is_online(server: WandbServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    Path(os.environ["NETRC"]).write_text(f"machine {server.url.removeprefix('http://')} login user password {KEY}\n")
    assert not Training(tmp_path / "id").wandb.experiment.offline


def test_without_a_key_it_is_offline_and_asks_nobody(
    server: WandbServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    composed: Callable[..., DictConfig],
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    config = composed(*SMALL_RUN)
    train(config)
    (folder,) = Path(config.output_root).iterdir()
    (offline,) = folder.glob("wandb/offline-run-*")
    assert offline.name.endswith(folder.name)
    assert b"val/accuracy" in next(offline.glob("*.wandb")).read_bytes()
    assert not server.requests and not said(caplog)


@pytest.mark.parametrize("mode", BAD)
def test_a_server_that_is_bad_at_the_start_is_left_alone(
    mode: Mode, server: WandbServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.mode = mode
    training = Training(tmp_path / "id")
    training.log(0, 1, 2)
    close_wandb(failed=False)
    (warning,) = said(caplog)
    assert warning.startswith(f"W&B is offline for this run: {server.url}: ") and "`wandb sync`" in warning
    assert KEY not in caplog.text
    if mode == "hangs":
        assert synced(server, training.folder) == [0, 1, 2]


@pytest.mark.parametrize("mode", BREAKING)
def test_a_server_that_goes_bad_before_the_run_is_open_is_given_up(
    mode: Mode,
    server: WandbServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.mode = mode
    monkeypatch.setenv("WANDB_MODE", "online")  # nobody asks the server first
    training = Training(tmp_path / "id")
    training.log(0, 1, 2)
    close_wandb(failed=False)
    (warning,) = said(caplog)
    assert warning.startswith("W&B is offline from here on: ")
    assert synced(server, training.folder, "offline-run-*") == [0, 1, 2]


@pytest.mark.parametrize("mode", BREAKING)
def test_what_a_server_that_goes_bad_during_training_misses_can_be_synced(
    mode: Mode, server: WandbServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    training = Training(tmp_path / "id")
    training.log(0, 1)
    server.mode = mode
    training.log(2, 3)
    close_wandb(failed=True)
    (warning,) = said(caplog)
    assert warning.startswith("W&B's server does not have everything: ") and f"{training.folder}/wandb/run-" in warning
    assert synced(server, training.folder) == [0, 1, 2, 3]
    assert server.exit_codes == [1]


def test_a_helper_that_is_killed_takes_nothing_along(
    server: WandbServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    training = Training(tmp_path / "id")
    training.log(0, 1)
    kill_helper()
    training.log(2, 3, 4)
    close_wandb(failed=False)
    (warning,) = said(caplog)
    assert warning.startswith("W&B is offline from here on: ")
    assert synced(server, training.folder, "offline-run-*") == [0, 1, 2, 3, 4]


def test_a_helper_that_is_killed_at_the_end_takes_nothing_along(
    server: WandbServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    training = Training(tmp_path / "id")
    training.log(0, 1)
    kill_helper()
    close_wandb(failed=True)
    (warning,) = said(caplog)
    assert warning.startswith("W&B is offline from here on: ")
    assert synced(server, training.folder, "offline-run-*") == [0, 1] and server.exit_codes == [1]
    assert not Training(tmp_path / "next").wandb.experiment.offline


def test_a_resumed_offline_run_is_whole_in_its_last_file(
    server: WandbServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    Training(tmp_path / "id").log(0, 1, 2, 3)
    close_wandb(failed=True)
    (first,) = (tmp_path / "id" / "wandb").glob("offline-run-*")
    first.rename(tmp_path / "first")
    Training(tmp_path / "id").log(2, 3, 4)  # from a checkpoint at step 2
    close_wandb(failed=False)
    assert synced(server, tmp_path / "id") == [0, 1, 2, 3, 4]


def test_wandb_mode_overrides(server: WandbServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    training = Training(tmp_path / "id")
    training.log(0, 1)
    assert not server.requests and [path.name for path in training.folder.iterdir()] == ["metrics.csv"]


def test_another_rank_than_the_first_has_no_run(
    server: WandbServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    training = Training(tmp_path / "id")
    training.log(0)
    training.wandb.experiment.log({"anything": 1})
    assert isinstance(training.wandb, NeverInTheWay) and not server.requests and not list(training.folder.iterdir())


@pytest.mark.parametrize("mode", ["works", "wants another key"])
def test_the_key_is_written_nowhere(
    mode: Mode,
    server: WandbServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    composed: Callable[..., DictConfig],
) -> None:
    server.mode = mode
    overrides = [*SMALL_RUN, f"tags=[{KEY}]", f"name=run-{KEY}"]
    monkeypatch.setattr(sys, "argv", ["train.py", *overrides])
    config = composed(*overrides)
    train(config)
    (folder,) = Path(config.output_root).iterdir()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 10 and any(path.suffix == ".wandb" for path in files)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert KEY not in str(folder) + "".join(capfd.readouterr()) + "".join(said(caplog) + server.requests)
