"""A sweep at W&B's server, and the agents that run it here: each a process of its own, which starts train.py."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from litmus.config import CONF
from litmus.loggers.server import has_key, let_go, reason, within
from litmus.signals import SIGNALS

CREATION = 10.0  # seconds for the server to make a sweep
HERE = CONF.parent  # where train.py stands


def create(config: Mapping[str, Any]) -> str:
    """Makes the sweep and says where to see it; gives ENTITY/PROJECT/ID.

    Raises:
        ValueError: If there is no key, or no server that takes it.
    """
    instead = f"python train.py -m sweep={config['name']} searches without a server"
    if (mode := os.environ.get("WANDB_MODE", "online")) != "online":
        raise ValueError(f"WANDB_MODE={mode}: W&B's own sweeps need its server; {instead}")
    import wandb

    def made() -> str:
        if not has_key():
            raise ValueError("there is no key here, and `wandb login` asks for one")
        return within(CREATION, lambda: wandb.sweep(dict(config), config.get("entity"), config["project"]))

    try:
        name = made()
    except TimeoutError as error:
        raise ValueError(f"W&B made no sweep: no answer within {CREATION:g} seconds; {instead}") from error
    except (ValueError, wandb.Error) as error:
        raise ValueError(f"W&B made no sweep: {reason(error)}; {instead}") from error
    finally:
        let_go(failed=False)
    return "/".join(filter(None, (os.environ.get("WANDB_ENTITY"), os.environ["WANDB_PROJECT"], name)))


def run_agents(sweep: str, agents: int, count: int | None, folder: Path) -> int:
    """Waits until all of them have ended; gives an exit code.

    A signal is Ctrl-C to them, which they pass on: the first stops their runs after a step, the second at once.

    Args:
        sweep: ENTITY/PROJECT/ID.
        count: How many runs an agent starts; as many as the server has, if None.
        folder: Where they keep their notes; a relative one is meant from where train.py stands.
    """
    command = [sys.executable, "-m", "wandb", "agent", "--forward-signals", sweep]
    if count is not None:
        command += ["--count", str(count)]
    notes = HERE / folder
    notes.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",  # they run `python`
        "WANDB_DIR": str(notes),
        "WANDB_AGENT_DISABLE_FLAPPING": "true",  # three failures in the first minute would end one
    }
    running: list[subprocess.Popen[bytes]] = []
    stopped_by: list[int] = []

    def stop(signum: int, frame: FrameType | None) -> None:
        stopped_by.append(signum)
        for agent in running:
            agent.send_signal(signal.SIGINT)

    before = {signum: signal.signal(signum, stop) for signum in SIGNALS if signal.getsignal(signum) != signal.SIG_IGN}
    try:
        for _ in range(agents):
            # a group of its own: a terminal's Ctrl-C comes to it from here, and only once
            agent = subprocess.Popen(command, cwd=HERE, env=environment, stdin=subprocess.DEVNULL, process_group=0)
            running.append(agent)
        codes = [agent.wait() for agent in running]
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    if stopped_by:
        return 128 + stopped_by[0]
    return int(any(codes))
