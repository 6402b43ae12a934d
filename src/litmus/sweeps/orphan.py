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
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it was gone before
        os.kill(os.getpid(), signal.SIGTERM)
