"""Signals that end a run: after the step that is under way and a checkpoint, if it trains; at once, if it does not."""

import os
import signal
from types import FrameType
from typing import Any

from litmus import launch

PRUNE = signal.SIGUSR2  # from a search that does not think much of this run
SIGNALS = (  # SIGUSR1 is Slurm's, before the time is up
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, PRUNE,
)  # fmt: skip


class Stopped(BaseException):
    """A signal came. Not an Exception, so that nothing on the way swallows it."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum, self.exit_code = signum, 128 + signum


class Stop:
    """What this process was asked by signals, while a run is open.

    While `after_step` is set the first one leaves a note in `asked`, for whoever set it to raise `Stopped` when a
    checkpoint is written; the second one ends the run at once.
    """

    def __init__(self) -> None:
        self.after_step = False
        self.asked: int | None = None
        self.raised: int | None = None  # an import that is interrupted may swallow it, and fail by something else
        self.handlers: dict[int, Any] = {}

    def listen(self) -> None:
        """To all of them but those that are ignored, as SIGHUP is under nohup."""
        self.after_step, self.asked, self.raised = False, None, None
        heard = [signum for signum in SIGNALS if signal.getsignal(signum) is not signal.SIG_IGN]
        self.handlers = {signum: signal.signal(signum, self._handle) for signum in heard}

    def be_deaf(self) -> None:
        """For what must not be cut short."""
        for signum in self.handlers:
            signal.signal(signum, signal.SIG_IGN)

    def leave(self) -> None:
        """The handlers as they were."""
        for signum, handler in self.handlers.items():
            signal.signal(signum, handler)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        is_first = launch.is_first()
        if self.asked is not None or (is_first and not self.after_step):  # the first rank waits for the others to start
            self.asked = self.raised = signum
            raise Stopped(signum)
        self.asked = signum
        if is_first:  # print() may be what was interrupted, and can't be entered twice
            name = signal.Signals(signum).name
            os.write(2, f"{name}: stopping after this step, with a checkpoint; once more stops at once\n".encode())


stop = Stop()
