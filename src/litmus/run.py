"""One run = one folder = one id: what was asked, where it came from, how it ended."""

import fcntl
import json
import os
import re
import secrets
import signal
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from omegaconf import DictConfig, OmegaConf

from litmus import provenance
from litmus.folder import checkpoint_path, find_run, read_record
from litmus.snapshot import changed, command_line, place_config, resolve, saved

HEARTBEAT = 15.0  # seconds between two signs of life in run.json
LARGEST_SEED = 2**32 - 1
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RUN_DIR = "LITMUS_RUN_DIR"  # tells the other ranks of a run which folder is theirs


class Stopped(BaseException):
    """A signal came. Not an Exception, so that nothing on the way swallows it."""

    def __init__(self, signum: int, remedy: str) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}; go on with: python train.py {remedy}")
        self.exit_code = 128 + signum


class Run:
    """The context that one training run lives in: its folder, its record kept alive and closed in every case.

    Only rank 0 writes. The ranks that Lightning starts learn the folder from the environment.
    """

    def __init__(
        self, folder: Path, record: dict[str, Any], folder_lock: int | None, plain: DictConfig, overrides: list[str]
    ) -> None:
        self.folder, self.record, self.plain, self.overrides = folder, record, plain, overrides
        self.config = place_config(plain, folder)
        self.folder_lock = folder_lock  # of the process that writes, and of no other
        self.lock = threading.Lock()
        self.ended = threading.Event()

    @classmethod
    def open(cls, config: DictConfig) -> "Run":
        """A new run, the one that `resume` names, or, on the other ranks of a run, that one.

        Raises:
            ValueError: If the configuration is incomplete or there is nothing to resume; no folder is made then.
        """
        if int(os.environ.get("LOCAL_RANK", 0)) > 0 and RUN_DIR in os.environ:
            folder = Path(os.environ[RUN_DIR])
            return cls(folder, {}, None, *saved(folder))
        if config.resume is not None:
            return cls._reopen(find_run(config.resume, Path(config.output_root)))
        if not 0 <= config.seed <= LARGEST_SEED:
            raise ValueError(f"seed={config.seed} is not from 0 to {LARGEST_SEED}")
        plain = resolve(config)
        folder = _make_folder(Path(config.output_root), config.name)
        record = {"id": folder.name, "name": config.name, "seed": config.seed, "started": now()}
        run = cls(folder, record, _lock(folder), plain, command_line())
        run.save_config()
        return run

    @classmethod
    def _reopen(cls, folder: Path) -> "Run":
        """The run as it was, with what may change in it taken from the command line."""
        lock = _lock(folder)
        try:
            return cls(folder, read_record(folder), lock, *changed(folder))
        except BaseException:
            os.close(lock)
            raise

    def save_config(self) -> None:
        """Once more when everything could be built: what a resumed run was asked to change holds from then on."""
        if self.folder_lock is not None:
            OmegaConf.save(self.plain, self.folder / "config.yaml")
            OmegaConf.save(OmegaConf.create(self.overrides), self.folder / "overrides.yaml")

    @property
    def last_checkpoint(self) -> str | None:
        """Where to go on, if the run got that far."""
        return self._checkpoint("last")

    @property
    def best_checkpoint(self) -> str | None:
        """The best one by the objective, the last if nothing was validated; None if none was written."""
        return self._checkpoint("best") or self._checkpoint("last")

    @property
    def objective(self) -> float | None:
        """The best validation value, for a sweep; None if nothing was validated."""
        found: dict[str, Any] | None = self.record.get("objective")
        return float(found["value"]) if found else None

    def _checkpoint(self, name: str) -> str | None:
        path = checkpoint_path(self.folder, name)
        return str(path) if path.exists() else None

    def update(self, **facts: Any) -> None:
        """Adds facts to the record, on the disk too."""
        if self.folder_lock is not None:
            with self.lock:
                self.record.update(facts, heartbeat=now())
                partial = self.folder / "run.json.tmp"
                partial.write_text(json.dumps(self.record, indent=2) + "\n")
                partial.replace(self.folder / "run.json")

    def __enter__(self) -> "Run":
        self.start = time.monotonic()
        self.seconds_before: float = self.record.get("seconds", 0.0)
        self.update(status="running", error=None, pid=os.getpid())
        self.handlers = {signum: signal.signal(signum, self._stop) for signum in SIGNALS if _is_heard(signum)}
        os.environ[RUN_DIR] = str(self.folder)
        if self.folder_lock is not None:
            origin = provenance.origin()
            first = "command" not in self.record
            self.update(**origin if first else {"resumed": [*self.record.get("resumed", []), origin]})
            threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum in self.handlers:
            signal.signal(signum, signal.SIG_IGN)  # closing must not be cut short
        self.ended.set()
        status = "done" if error is None else "interrupted" if isinstance(error, Stopped) else "failed"
        self.update(status=status, ended=now(), seconds=self._seconds(), error=_describe(error))
        for signum, handler in self.handlers.items():
            signal.signal(signum, handler)
        del os.environ[RUN_DIR]
        _close_wandb(failed=error is not None)
        if self.folder_lock is not None:
            os.close(self.folder_lock)
            print(self.folder, flush=True)

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        signal.signal(signum, signal.SIG_DFL)  # the second time it means it
        elsewhere = "" if self.folder.parent == Path("outputs").absolute() else f" output_root={self.folder.parent}"
        raise Stopped(signum, f"resume={self.folder.name}{elsewhere}")

    def _beat(self) -> None:
        while not self.ended.wait(HEARTBEAT):
            self.update(seconds=self._seconds())

    def _seconds(self) -> float:
        elapsed = time.monotonic() - self.start
        return round(self.seconds_before + elapsed, 2)


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _is_heard(signum: int) -> bool:
    """Not if it is ignored, as nohup does."""
    return signal.getsignal(signum) is not signal.SIG_IGN


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
    """Holds the folder until the process ends or closes the descriptor.

    Raises:
        ValueError: If another process holds it.
    """
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
