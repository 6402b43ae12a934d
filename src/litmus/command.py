"""The command line of train.py around Hydra's: help that names every choice, mistakes as one sentence, exit codes."""

import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from litmus import launch
from litmus.config import groups
from litmus.errors import say
from litmus.guard import guard_hydra
from litmus.signals import Stopped
from litmus.sweeps.orphan import end_with_parent

EVERYTHING = "HYDRA_FULL_ERROR"
RETRY = "--retry-failed"
HELP = """\
Litmus trains one model on one data set and leaves one folder that explains the run.

  python train.py                                    what conf/config.yaml says
  python train.py model=resnet20 data=cifar10        choose from the groups below
  python train.py optimizer.lr=0.01 seed=1           set any value; --cfg job shows them all
  python train.py resume=last                        go on where the last run stopped
  python train.py -m seed=0,1,2 model=cnn,resnet20   every combination; again: what is missing (--retry-failed)
  python train.py -m sweep=digits_quick              a search, with pruning; again: it goes on
"""

Job = Callable[[DictConfig], float | None]


def command(hydra_main: Callable[[Job], Callable[[], None]], job: Job) -> None:
    """Runs a job under Hydra. What fails is said at once, a sweep goes on, and the exit code is 1.

    HYDRA_FULL_ERROR=1 shows every traceback.
    """
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(help_text())
        return
    end_with_parent()
    if RETRY in sys.argv:
        sys.argv[sys.argv.index(RETRY)] = "hydra.launcher.retry_failed=true"
    asked = os.environ.get(EVERYTHING, "0")
    everything = asked == "1"
    os.environ[EVERYTHING] = "1"  # for Hydra to let exceptions through to here
    failed = False

    @functools.wraps(job)
    def reported(config: DictConfig) -> float | None:
        nonlocal failed
        try:
            os.environ[EVERYTHING] = asked  # as the other ranks of a run inherit it
            return job(config)
        except Exception as error:
            failed = True
            given: Any = OmegaConf.to_container(HydraConfig.get().overrides)  # as it was written
            say(error, everything, given["task"])
            return None
        finally:
            os.environ[EVERYTHING] = "1"

    try:
        guard_hydra()
        hydra_main(reported)()
    except Stopped as stopped:
        sys.exit(0 if launch.is_watched() else stopped.exit_code)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        failed = True
        say(error, everything)
    finally:
        os.environ[EVERYTHING] = asked
        leave_nobody_behind()
    sys.exit(1 if failed else 0)


def leave_nobody_behind() -> None:
    """Ends the loader workers of a run that failed: Python would send them SIGTERM, which they hear once for nothing
    (data/loaders.py), and wait for ever."""
    if "multiprocessing" in sys.modules:
        for process in sys.modules["multiprocessing"].active_children():
            process.kill()


def help_text() -> str:
    """The most used commands, then every group with its choices, each with the line that its file opens with."""
    lines = [HELP]
    for group in groups():
        lines.append(f"{group.name}=")
        for path in sorted(group.glob("*.yaml")):
            lines.append(f"  {path.stem:<22}{first_comment(path)}")
    return "\n".join([*lines, "", "--hydra-help lists Hydra's own flags."])


def first_comment(path: Path) -> str:
    """What a file of conf/ says of itself."""
    comments = (line[1:].strip() for line in path.read_text().splitlines() if line.startswith("#"))
    return next((comment for comment in comments if not comment.startswith("@package")), "")
