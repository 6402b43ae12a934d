"""One run = one folder = one id: what was asked, where it came from, how it ended."""

import json
import os
import platform
import re
import secrets
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from omegaconf import DictConfig, OmegaConf

from litmus import launch, provenance, slurm
from litmus.folder import best_or_newest, find_run, rank_errors, rank_files, read_record, resume_command, write_whole
from litmus.limits import LARGEST_SEED
from litmus.lock import lock, unlock
from litmus.redact import redact
from litmus.signals import PRUNE, Stopped, stop
from litmus.snapshot import changed, command_line, place_config, resolve, saved
from litmus.sweeps.job import note_run

HEARTBEAT = 15.0  # seconds between two signs of life in run.json
SAME = 3.0  # seconds for the first rank to say what the others would say, too
RUN_DIR = "LITMUS_RUN_DIR"  # tells the other ranks of a run which folder is theirs


class Run:
    """The context that one training run lives in: its folder, its record kept alive and closed in every case.

    Only rank 0 writes. The processes that Lightning starts learn the folder from the environment, and those that
    something else started from rank 0.
    """

    def __init__(
        self, folder: Path, record: dict[str, Any], folder_lock: int | None, plain: DictConfig, overrides: list[str]
    ) -> None:
        self.folder, self.record, self.plain, self.overrides = folder, record, plain, overrides
        self.config = place_config(plain, folder)
        self.folder_lock = folder_lock  # of the process that writes, and of no other
        self.rank = launch.rank(OmegaConf.select(plain, "trainer"))
        self.peers: launch.Peers | None = None
        self.lock = threading.Lock()
        self.ended = threading.Event()

    @classmethod
    def open(cls, config: DictConfig) -> "Run":
        """A new run, the one that `resume` names, or, on the other ranks of a run, that one.

        Raises:
            ValueError: If the configuration is incomplete or there is nothing to resume; no folder is made then.
            SystemExit: On the other ranks, if that happened to the first.
        """
        trainer = OmegaConf.select(config, "trainer")
        if launch.rank(trainer) > 0 and RUN_DIR in os.environ:
            launch.may_speak, folder = True, Path(os.environ[RUN_DIR])
            return cls(folder, {}, None, *saved(folder))
        peers = launch.peers(trainer)
        if peers is None:
            return cls._open(config)
        if peers.rank > 0:
            return cls._join(json.loads(peers.hear()))
        try:
            run = cls._open(config)
        except BaseException:
            peers.tell("")
            raise
        peers.tell(json.dumps([str(run.folder), OmegaConf.to_yaml(run.plain), run.overrides]))
        run.peers = peers
        return run

    @classmethod
    def _join(cls, told: list[Any]) -> "Run":
        """The run of the first process, with what it may have changed in it."""
        folder, config, overrides = Path(told[0]), OmegaConf.create(told[1]), told[2]
        if not folder.is_dir():
            raise ValueError(f"{folder} is not there on {platform.node()}: give an output_root that all nodes share")
        assert isinstance(config, DictConfig)
        return cls(folder, {}, None, config, overrides)

    @classmethod
    def _open(cls, config: DictConfig) -> "Run":
        """The first process's."""
        if config.resume is not None:
            return cls._reopen(find_run(config.resume, Path(config.output_root)))
        if before := slurm.run_before(Path(config.output_root), command_line()):
            return cls._reopen(before)
        if config.sweep is not None:
            raise ValueError("sweep=NAME is a search of many runs: give -m, too")
        if not 0 <= config.seed <= LARGEST_SEED:
            raise ValueError(f"seed={config.seed} is not from 0 to {LARGEST_SEED}")
        plain = resolve(config)
        folder = _make_folder(Path(config.output_root), redact(config.name))
        record = {"id": folder.name, "name": config.name, "seed": config.seed, "started": now(), **note_run(folder)}
        if slurm.job() is not None:
            record["slurm_job"] = slurm.job()
        run = cls(folder, record, lock(folder), plain, command_line())
        run.save_config()
        return run

    @classmethod
    def _reopen(cls, folder: Path) -> "Run":
        """The run as it was, with what may change in it taken from the command line."""
        held = lock(folder)
        try:
            return cls(folder, read_record(folder), held, *changed(folder))
        except BaseException:
            unlock(held)
            raise

    def save_config(self) -> None:
        """Once more when everything could be built: what a resumed run was asked to change holds from then on."""
        if self.folder_lock is not None:
            write_whole(self.folder / "config.yaml", redact(OmegaConf.to_yaml(self.plain)))
            write_whole(self.folder / "overrides.yaml", redact(OmegaConf.to_yaml(OmegaConf.create(self.overrides))))

    @property
    def last_checkpoint(self) -> Path | None:
        """Where to go on, if the run got that far."""
        from litmus.checkpoint import newest_whole

        return newest_whole(self.folder)

    @property
    def best_checkpoint(self) -> Path | None:
        """The best one by the objective, the last if nothing was validated; None if none was written.

        Raises:
            ValueError: If it is damaged.
        """
        from litmus.checkpoint import check_whole

        path = best_or_newest(self.folder)
        try:
            if path is not None:
                check_whole(path)
        except ValueError as error:
            raise ValueError(f"{error}; delete it, and resume={self.folder.name} tests the newest") from error
        return path

    @property
    def objective(self) -> float | None:
        """The best validation value, for a sweep; None if nothing was validated."""
        found: dict[str, Any] | None = self.record.get("objective")
        return float(found["value"]) if found else None

    def update(self, **facts: Any) -> None:
        """Adds facts to the record, on the disk too."""
        if self.folder_lock is not None:
            with self.lock:
                self.record.update(facts, heartbeat=now())
                write_whole(self.folder / "run.json", redact(json.dumps(self.record, indent=2)) + "\n")

    def __enter__(self) -> "Run":
        self.start = time.monotonic()
        self.seconds_before: float = self.record.get("seconds", 0.0)
        self.environment = {name: os.environ.get(name) for name in launch.SET_BY_LIGHTNING}
        os.environ[RUN_DIR] = str(self.folder)
        stop.listen()
        try:
            self._begin()
        except BaseException:  # a signal, or a full disk
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop.be_deaf()
        self.ended.set()
        stopped = _stop_behind(error)
        status = "done" if error is None else _status(stopped)
        self._close_record(status=status, ended=now(), seconds=self._seconds(), error=_describe(error))
        close_wandb(status in ("failed", "interrupted"), status)
        del os.environ[RUN_DIR]
        for name in launch.SET_BY_LIGHTNING:  # the next run in this process would take itself for one of many
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in self.environment.items() if value is not None})
        if self.folder_lock is not None:
            unlock(self.folder_lock)
            print(self.folder, flush=True)
            if stopped is not None and status != "pruned":
                self._say_how_to_go_on(stopped)
        elif isinstance(error, Exception) and self._is_said(error):
            error.said = True  # type: ignore[attr-defined]
        stop.leave()
        if stopped is not None and stopped is not error:
            raise stopped

    def fail(self, message: str) -> None:
        """Closes a run that can't close itself."""
        error = {"type": "RankLost", "message": message, "traceback": ""}
        self._close_record(status="failed", ended=now(), seconds=self._seconds(), error=error)

    def _is_said(self, error: Exception) -> bool:
        """Whether the first rank fails with the same, and says it for all."""
        end = time.monotonic() + SAME
        while time.monotonic() < end:
            with suppress(OSError, ValueError):
                record = json.loads((self.folder / "run.json").read_text())
                if record["status"] != "running":
                    return bool(record.get("error")) and record["error"]["message"] == redact(str(error))
            time.sleep(0.1)
        return False

    def _forget_ranks(self) -> None:
        if self.folder_lock is not None:
            for path in rank_files(self.folder):
                path.unlink()

    def _begin(self) -> None:
        self._forget_ranks()
        self.update(status="running", error=None, pid=os.getpid())
        if self.folder_lock is not None:
            origin = provenance.origin()
            first = "command" not in self.record
            self.update(**origin if first else {"resumed": [*self.record.get("resumed", []), origin]})
            threading.Thread(target=self._beat, daemon=True).start()

    def _close_record(self, **facts: Any) -> None:
        """Where another rank failed first, with its error; that rank leaves it in the folder for this."""
        try:
            if facts["status"] == "failed":
                if self.folder_lock is None:
                    write_whole(self.folder / f"rank-{self.rank}.json", redact(json.dumps(facts["error"])) + "\n")
                facts["error"] = next(iter(rank_errors(self.folder)), facts["error"])
            self.update(**facts)
            self._forget_ranks()
        except OSError as error:  # a full disk: what stands there is whole, and will be taken for lost
            print(f"{self.folder.name}/run.json can't be closed as {facts['status']}: {error}", file=sys.stderr)

    def _say_how_to_go_on(self, stopped: Stopped) -> None:
        """Slurm warns with SIGUSR1 before the time is up."""
        if not (stopped.signum == signal.SIGUSR1 and slurm.job() is not None and slurm.requeue()):
            print(f"{stopped}; go on with: {resume_command(self.folder)}", file=sys.stderr)

    def _beat(self) -> None:
        while not self.ended.wait(HEARTBEAT):
            with suppress(OSError):  # a full disk is for the training to find
                self.update(seconds=self._seconds())

    def _seconds(self) -> float:
        elapsed = time.monotonic() - self.start
        return round(self.seconds_before + elapsed, 2)


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _make_folder(root: Path, name: str) -> Path:
    """A folder that nobody else has, even if many start in the same microsecond."""
    stem = re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII)
    while True:
        folder = root.absolute() / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{stem}-{secrets.token_hex(3)}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


def _stop_behind(error: BaseException | None) -> Stopped | None:
    """The signal that ended a run, even if what it interrupted, or Lightning's tidying up, failed by something else."""
    found = error
    while found is not None and not isinstance(found, Stopped):
        found = found.__context__
    if found is None and error is not None and stop.raised is not None:
        return Stopped(stop.raised)
    return found


def in_sweep() -> bool:
    """Whether `wandb agent` started this run, which then is the server's, with an id in WANDB_RUN_ID."""
    return "WANDB_SWEEP_ID" in os.environ


def _status(stopped: Stopped | None) -> str:
    """Of a run that did not get to its end; `wandb agent` sends SIGTERM to one that the server gives up."""
    if stopped is None:
        return "failed"
    pruned = stopped.signum == PRUNE or (in_sweep() and stopped.signum == signal.SIGTERM)
    return "pruned" if pruned else "interrupted"


def close_wandb(failed: bool, status: str | None = None) -> None:
    """Ends the W&B run, if there is one."""
    if "wandb" in sys.modules:
        from litmus.loggers import wandb

        wandb.close_wandb(failed, status)


def _describe(error: BaseException | None) -> dict[str, str] | None:
    if error is None:
        return None
    return {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }
