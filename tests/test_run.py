"""The run folder: unique, locked, alive while it runs, closed in every case, true wherever it stands."""

import json
import shutil
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from omegaconf import DictConfig

from litmus import run as run_module
from litmus.cli import main
from litmus.folder import find_run, list_runs, read_record
from litmus.run import Run
from litmus.signals import Stopped
from litmus.snapshot import apply_overrides, load_config

Compose = Callable[..., DictConfig]


def test_runs_that_start_at_once_get_a_folder_each(composed: Compose) -> None:
    configs = [composed().copy() for _ in range(20)]  # OmegaConf is not for many threads
    with ThreadPoolExecutor(16) as pool:
        folders = list(pool.map(lambda config: Run.open(config).folder, configs))
    assert len(set(folders)) == 20 and all((folder / "config.yaml").exists() for folder in folders)


def test_the_record_says_running_and_then_done(composed: Compose) -> None:
    with Run.open(composed()) as run:
        assert read_record(run.folder)["status"] == "running"
    record = read_record(run.folder)
    assert record["status"] == "done" and record["error"] is None and record["seconds"] >= 0


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("broken"), "failed"),
        (MemoryError(), "failed"),
        (SystemExit(3), "failed"),
        (Stopped(15), "interrupted"),
    ],
)
def test_a_run_is_closed_whatever_ends_it(composed: Compose, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), Run.open(composed()) as run:
        raise error
    record = read_record(run.folder)
    assert record["status"] == status and record["ended"] and record["error"]["type"] == type(error).__name__
    assert "Traceback" in record["error"]["traceback"]


def test_the_heart_beats_while_the_run_runs(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "HEARTBEAT", 0.01)
    with Run.open(composed()) as run:
        first = read_record(run.folder).get("seconds", 0.0)
        threading.Event().wait(0.5)
        assert read_record(run.folder)["seconds"] > first


def test_a_run_without_a_heartbeat_is_lost_and_not_running(composed: Compose) -> None:
    with Run.open(composed()) as run:
        pass
    record = json.loads((run.folder / "run.json").read_text())
    old = datetime.now(UTC) - timedelta(minutes=5)
    (run.folder / "run.json").write_text(json.dumps({**record, "status": "running", "heartbeat": old.isoformat()}))
    assert read_record(run.folder)["status"] == "lost"


def test_a_folder_in_use_is_refused(composed: Compose) -> None:
    with Run.open(composed()) as run:
        with pytest.raises(ValueError, match=f"{run.folder.name} is running in another process"):
            Run.open(composed(f"resume={run.folder.name}", "trainer.max_epochs=99"))
        assert read_record(run.folder)["status"] == "running" and load_config(run.folder).trainer.max_epochs == 20


def test_an_incomplete_configuration_makes_no_folder(composed: Compose, tmp_path: Path) -> None:
    config = composed()
    config.name = "???"
    with pytest.raises(Exception, match="name"):
        Run.open(config)
    assert not (tmp_path / "outputs").exists()


def test_the_configuration_stays_true_when_the_folder_moves(composed: Compose, tmp_path: Path) -> None:
    with Run.open(composed()) as run:
        pass
    moved = tmp_path / "elsewhere" / run.folder.name
    shutil.move(run.folder, moved)
    assert load_config(moved).callbacks.checkpoint.folder == f"{moved}/checkpoints"
    assert "${" not in (moved / "config.yaml").read_text().replace("${run_dir}", "")


def test_the_other_ranks_join_the_run_of_rank_0(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    with Run.open(composed("seed=5")) as run:
        monkeypatch.setenv("LOCAL_RANK", "1")
        other = Run.open(composed("seed=6"))
        assert other.folder == run.folder and other.config.seed == 5 and other.folder_lock is None
        monkeypatch.delenv("LOCAL_RANK")


def test_runs_are_found_by_path_by_id_and_as_the_last(composed: Compose, tmp_path: Path) -> None:
    folders = []
    for _ in range(2):
        with Run.open(composed()) as run:
            folders.append(run.folder)
    root = tmp_path / "outputs"
    assert sorted(list_runs(root)) == sorted(folders)
    assert find_run(folders[0].name, root) == folders[0] == find_run(str(folders[0]), Path())
    assert find_run("last", root) in folders
    with pytest.raises(ValueError, match="did you mean"):
        find_run(folders[0].name[:-1], root)
    with pytest.raises(ValueError, match="there are no runs"):
        find_run("last", tmp_path / "nothing")


def test_only_values_can_be_overridden_in_a_run(composed: Compose) -> None:
    with Run.open(composed()) as run:
        pass
    config = load_config(run.folder)
    apply_overrides(config, ["trainer.max_epochs=7", "data.classes=[a,b]"])
    assert config.trainer.max_epochs == 7 and config.data.classes == ["a", "b"]
    with pytest.raises(ValueError, match=r"trainer.max_epoch is not a key of this run: did you mean max_epochs"):
        apply_overrides(config, ["trainer.max_epoch=7"])
    with pytest.raises(ValueError, match="trainer is a group"):
        apply_overrides(config, ["trainer=cpu"])


def test_one_damaged_record_does_not_hide_the_others(composed: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with Run.open(composed()) as run:
            pass
    (run.folder / "run.json").write_text('{"id": "')
    capsys.readouterr()
    main(["--root", str(run.folder.parent), "runs", "list"])
    lines = capsys.readouterr().out.splitlines()[1:]
    assert sorted(line.split()[1] for line in lines) == ["damaged", "done"]


def test_a_rank_that_failed_first_is_what_the_record_tells(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError), Run.open(composed()) as run:
        monkeypatch.setenv("LOCAL_RANK", "1")
        with pytest.raises(ValueError), Run.open(composed()):
            raise ValueError("the loss is nan")
        monkeypatch.setenv("LITMUS_RUN_DIR", str(run.folder))
        monkeypatch.delenv("LOCAL_RANK")
        assert read_record(run.folder)["status"] == "failed"  # as long as the first rank has not closed it
        raise RuntimeError("Connection closed by peer")
    assert read_record(run.folder)["error"]["message"] == "the loss is nan"
    assert not list(run.folder.glob("rank-*"))


def test_a_requeued_job_goes_on_with_the_run_of_the_same_command(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    folders = []
    for seed in (0, 1):
        with Run.open(composed(f"seed={seed}")) as run:
            folders.append(run.folder)
    for times in ("1", "2"):
        monkeypatch.setenv("SLURM_RESTART_COUNT", times)
        for seed in (0, 1):
            with Run.open(composed(f"seed={seed}")) as run:
                run.save_config()  # as `build` does
                assert run.folder == folders[seed]
    with Run.open(composed("seed=2")) as run:
        assert run.folder not in folders


def test_where_a_job_cannot_be_requeued_it_is_said_how_to_go_on(
    composed: Compose, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Stopped), Run.open(composed()) as run:
        raise Stopped(signal.SIGUSR1)
    failed, remedy = capsys.readouterr().err.splitlines()
    assert failed.startswith("scontrol requeue 17 failed: ")
    assert remedy.startswith(f"stopped by SIGUSR1; go on with: python train.py resume={run.folder.name}")
