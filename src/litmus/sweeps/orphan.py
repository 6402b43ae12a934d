"""A job ends with the sweep that started it, even if that is killed and can't say so."""

import ctypes
import os
import signal
import sys

PARENT = "LITMUS_PARENT"  # in a job's environment: who started it
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def end_with_parent() -> None:
    """Has Linux send SIGTERM when the sweep is gone, upon which a run leaves a checkpoint; elsewhere it runs on to its
    end, and the sweep, when it is started again, waits for it."""
    parent = os.environ.pop(PARENT, None)  # not for the processes that this one starts
    if parent is not None:
        kill_with(int(parent), signal.SIGTERM)


def kill_with(parent: int, signum: int) -> None:
    """Has Linux send this process a signal when its parent is gone."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signum)
    if os.getppid() != parent:  # it was gone before
        os.kill(os.getpid(), signum)
