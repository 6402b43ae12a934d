"""One process at a time writes into a run's folder."""

import fcntl
import os
from pathlib import Path

HELD: set[int] = set()  # descriptors


def lock(folder: Path) -> int:
    """Holds the folder until the process ends, or `unlock` is given the descriptor.

    Raises:
        ValueError: If another process holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise ValueError(f"{folder.name} is running in another process: wait for its end, or stop it") from error
    HELD.add(descriptor)
    return descriptor


def unlock(descriptor: int) -> None:
    """Lets another process have it."""
    HELD.discard(descriptor)
    os.close(descriptor)


def _let_go() -> None:
    """A fork of this process, such as a loader's worker, must not hold the folder when the run itself is gone."""
    while HELD:
        os.close(HELD.pop())


os.register_at_fork(after_in_child=_let_go)
