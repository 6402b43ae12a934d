"""`python -m litmus.sweeps.ray_task FOLDER COMMAND`: runs a job on a Ray worker, and passes on the sweep's signals.

It stands between Ray's worker and the run because Ray kills the children of a worker that ends, which this one is. Its
own child is then told by Linux to leave a checkpoint.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from litmus.sweeps.orphan import PARENT, end_with_parent

ASKED = "signal"  # in a job's folder: the signal that the sweep wants it to have
POLL = 0.2  # seconds


def main(folder: Path, command: Sequence[str]) -> None:
    """Until the run ends. What was asked to end before it began does not begin."""
    end_with_parent()
    if asked_of(folder) is not None:
        return
    process = subprocess.Popen(command, env={**os.environ, PARENT: str(os.getpid())}, start_new_session=True)
    passed_on = None
    while process.poll() is None:
        asked = asked_of(folder)
        if asked == signal.SIGKILL:
            os.killpg(process.pid, signal.SIGKILL)  # its other ranks, too
        elif asked is not None and asked != passed_on:
            process.send_signal(asked)
        passed_on = asked
        time.sleep(POLL)


def asked_of(folder: Path) -> int | None:
    """Which signal, if any."""
    note = folder / ASKED
    return int(note.read_text()) if note.exists() else None


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
