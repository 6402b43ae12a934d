"""One run = one folder = one id: what was asked, where it came from, how it ended."""

import fcntl
import json
import os
import re
import secrets
import shlex
import signal
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from litmus import provenance
from litmus.folder import apply_overrides, find_run, load_config, read_record

HEARTBEAT = 15.0  # seconds between two signs of life in run.json
NOT_OF_A_RUN = ("resume", "output_root")  # keys that say which run, and change nothing in it
RUN_DIR = "LITMUS_RUN_DIR"  # tells the other ranks of a run which folder is theirs


class Stopped(BaseException):
    """SIGINT or SIGTERM came. Not an Exception, so that nothing on the way swallows it."""

    def __init__(self, signum: int, run_id: str) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}; go on with: python train.py resume={run_id}")
        self.exit_code = 128 + signum


class Run:
    """The context that one training run lives in: its folder, its record kept alive and closed in every case.

    Only rank 0 writes. The ranks that Lightning starts learn the folder from the environment.
    """

    def __init__(self, folder: Path, record: dict[str, Any], writes: bool = True) -> None:
        self.folder, self.config, self.record, self.writes = folder, load_config(folder), record, writes
        self.lock = threading.Lock()
        self.ended = threading.Event()

    @classmethod
    def open(cls, config: DictConfig) -> "Run":
        """A new run, the one that `resume` names, or, on the other ranks of a run, that one.

        Raises:
            ValueError: If the configuration is incomplete or there is nothing to resume; no folder is made then.
        """
        if int(os.environ.get("LOCAL_RANK", 0)) > 0 and RUN_DIR in os.environ:
            return cls(Path(os.environ[RUN_DIR]), {}, writes=False)
        if config.resume is not None:
            return cls._reopen(find_run(config.resume, Path(config.output_root)))
        if config.seed < 0:
            raise ValueError(f"seed={config.seed} is below 0: give 0 or more")
        plain = _resolve(config)
        folder = _make_folder(Path(config.output_root), config.name)
        OmegaConf.save(plain, folder / "config.yaml")
        OmegaConf.save(OmegaConf.create(_overrides()), folder / "overrides.yaml")
        return cls(folder, {"id": folder.name, "name": config.name, "seed": config.seed, "started": now()})

    @classmethod
    def _reopen(cls, folder: Path) -> "Run":
        """The values on the command line change the run's own; its groups stay as they are."""
        config, overrides = OmegaConf.load(folder / "config.yaml"), OmegaConf.load(folder / "overrides.yaml")
        assert isinstance(config, DictConfig)
        changes = [line for line in _overrides() if line not in overrides and line.split("=")[0] not in NOT_OF_A_RUN]
        apply_overrides(config, changes)
        overrides.extend(changes)
        OmegaConf.save(config, folder / "config.yaml")
        OmegaConf.save(overrides, folder / "overrides.yaml")
        return cls(folder, read_record(folder))

    @property
    def last_checkpoint(self) -> str | None:
        """Where to go on, if the run got that far."""
        return self._checkpoint("last")

    @property
    def best_checkpoint(self) -> str | None:
        """The best one by the objective; None if none was written, as in trainer=debug."""
        return self._checkpoint("best")

    @property
    def objective(self) -> float | None:
        """The best validation value, for a sweep; None if nothing was validated."""
        found: dict[str, Any] | None = self.record.get("objective")
        return float(found["value"]) if found else None

    def _checkpoint(self, name: str) -> str | None:
        path = self.folder / "checkpoints" / f"{name}.ckpt"
        return str(path) if path.exists() else None

    def update(self, **facts: Any) -> None:
        """Adds facts to the record, on the disk too."""
        if self.writes:
            with self.lock:
                self.record.update(facts, heartbeat=now())
                partial = self.folder / "run.json.tmp"
                partial.write_text(json.dumps(self.record, indent=2) + "\n")
                partial.replace(self.folder / "run.json")

    def __enter__(self) -> "Run":
        self.start = time.monotonic()
        self.handlers = {signum: signal.signal(signum, self._stop) for signum in (signal.SIGINT, signal.SIGTERM)}
        os.environ[RUN_DIR] = str(self.folder)
        if self.writes:
            self.folder_lock = _lock(self.folder)
            self.seconds_before: float = self.record.get("seconds", 0.0)
            self.update(
                status="running",
                error=None,
                command=shlex.join(["python", *sys.argv]),
                pid=os.getpid(),
                git=provenance.git_state(),
                versions=provenance.versions(),
                hardware=provenance.machine(),
            )
            threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        status = "done" if error is None else "interrupted" if isinstance(error, Stopped) else "failed"
        try:
            _close_wandb(failed=error is not None)
        finally:
            if self.writes:
                self.update(status=status, ended=now(), seconds=self._seconds(), error=_describe(error))
                os.close(self.folder_lock)
                print(self.folder, flush=True)
            del os.environ[RUN_DIR]
            for signum, handler in self.handlers.items():
                signal.signal(signum, handler)

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        signal.signal(signum, signal.SIG_DFL)  # the second time it means it
        raise Stopped(signum, self.folder.name)

    def _beat(self) -> None:
        while not self.ended.wait(HEARTBEAT):
            self.update(seconds=self._seconds())

    def _seconds(self) -> float:
        elapsed = time.monotonic() - self.start
        return round(self.seconds_before + elapsed, 2)


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _overrides() -> list[str]:
    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


def _resolve(config: DictConfig) -> DictConfig:
    """Plain values, but for `${run_dir}`: a run's configuration stays true when its folder moves."""
    escaped = OmegaConf.merge(config, {"run_dir": r"\${run_dir}"})
    plain = OmegaConf.to_container(escaped, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    del plain["run_dir"]
    return OmegaConf.create(plain)


def _make_folder(root: Path, name: str) -> Path:
    """A folder that nobody else has, even if many start in the same microsecond."""
    stem = re.sub(r"[^\w.-]+", "-", name)
    while True:
        folder = root.absolute() / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{stem}-{secrets.token_hex(3)}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


def _lock(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise ValueError(f"{folder.name} is running in another process: wait for its end, or stop it") from error
    return descriptor


def _close_wandb(failed: bool) -> None:
    if "wandb" in sys.modules:
        sys.modules["wandb"].finish(exit_code=int(failed))


def _describe(error: BaseException | None) -> dict[str, str] | None:
    if error is None:
        return None
    return {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }
