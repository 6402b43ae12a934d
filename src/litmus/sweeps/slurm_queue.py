"""What Slurm says of jobs: squeue, asked about all of them at once, and once a second at most.

`sacct` would know more, and for longer, but needs a data base that not every cluster has.
"""

import re
import subprocess
import time
from collections.abc import Collection

EVERY = 1.0  # seconds between two looks
OVER = frozenset(  # a job that is on its way back into the queue is COMPLETING, and then PENDING
    ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
     "TIMEOUT")
)  # fmt: skip


class Queue:
    """Jobs are called as `scontrol` does: 12, or 12_0 in an array."""

    def __init__(self) -> None:
        self.arrays: set[str] = set()  # what was asked about
        self.states: dict[str, str] = {}
        self.answered = False
        self.looked = 0.0

    def alive(self, names: Collection[str]) -> dict[str, str]:
        """The states of those that are not over; while Slurm does not answer, none is.

        Raises:
            ValueError: If there is no Slurm here.
        """
        arrays = {name.partition("_")[0] for name in names}
        if arrays and (arrays - self.arrays or time.monotonic() - self.looked > EVERY):
            self._look(arrays)
        found = {name: self.states.get(name, "" if not self.answered else "COMPLETED") for name in names}
        return {name: state for name, state in found.items() if state not in OVER}

    def _look(self, arrays: set[str]) -> None:
        command = ["squeue", "--noheader", "--array", "--states=all", f"--jobs={','.join(sorted(arrays))}"]
        try:
            done = subprocess.run([*command, "--format=%i %T"], capture_output=True, text=True)
        except OSError as error:
            raise ValueError(
                f"job {', '.join(sorted(arrays))} of Slurm may still have a part of this sweep, and there is no squeue"
                " to ask: go on where Slurm is, or delete the files called slurm in .sweeps"
            ) from error
        self.arrays, self.looked = arrays, time.monotonic()
        self.answered = done.returncode == 0 or "Invalid job id" in done.stderr  # which it no longer knows
        if self.answered:
            self.states = dict(re.findall(r"^(\S+) (\S+)$", done.stdout, re.MULTILINE))


QUEUE = Queue()
