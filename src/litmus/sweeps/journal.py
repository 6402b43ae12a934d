"""The file that a study stands in: whole after any kill, and free again as soon as whoever held it is gone."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock


class Lock(BaseJournalFileLock):
    """The kernel's, which a killed process gives back at once; Optuna's own are waited for 30 seconds then."""

    def __init__(self, path: Path) -> None:
        self.path, self.descriptor = path, -1

    def acquire(self) -> bool:
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        os.close(self.descriptor)

    def __enter__(self) -> "Lock":
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def open_journal(path: Path) -> JournalStorage:
    """Cuts off a line that a kill or a full disk left unfinished, for nothing could be read after it."""
    lock = Lock(path.with_suffix(".lock"))
    with lock:
        if path.exists() and not (content := path.read_bytes()).endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
