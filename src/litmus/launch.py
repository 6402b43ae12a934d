"""Which of a run's processes this one is, known before torch is imported, and what the first one tells the others.

Lightning starts the other processes by itself, or finds itself started by torchrun, by srun, or by hand on each node.
"""

import os
import socket
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

PATIENCE = 600.0  # seconds for the first process to start, and to say which run this is
FAREWELL = 30.0  # seconds for the others to hear that there is none
EVERY = 0.1  # seconds between two looks
BESIDE = 1  # from MASTER_PORT, which torch will listen at, to the port for this
BESIDE_JOB = 10_000  # from the port that Lightning makes of a Slurm job's number, for other jobs have those next to it
SLURM_PORTS = 15_000  # where they begin
SET_BY_LIGHTNING = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")

may_speak = False  # whether this process, not being the first, can have something to say that the first one does not


@dataclass
class Peers:
    """The processes that were started by something else than Lightning, or the first ones of all nodes.

    Args:
        rank: This one's number among them.
        count: How many there are.
        host: Where the first one, or torchrun, listens.
        is_served: Whether torchrun listens there.
    """

    rank: int
    count: int
    host: str
    port: int
    is_served: bool

    def __post_init__(self) -> None:
        self.store: Any = None  # lives as long as this does, for those that come late
        self.key = f"litmus/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"

    def tell(self, text: str) -> None:
        """The first one's word to all others; nothing, if it has failed, and then it waits until they know."""
        self._connect()
        self.store.set(self.key, text)
        end = time.monotonic() + FAREWELL
        while not text and self.store.add(f"{self.key}/heard", 0) < self.count - 1 and time.monotonic() < end:
            time.sleep(EVERY)

    def hear(self) -> str:
        """What the first one tells.

        Raises:
            SystemExit: If it has failed, and said why.
            ValueError: If it doesn't answer.
        """
        global may_speak
        may_speak = True
        silence = f"the first process of this run did not answer at {self.host}:{self.port} within {PATIENCE:.0f} s"
        end = time.monotonic() + PATIENCE
        while not self._is_open():
            if time.monotonic() > end:
                raise ValueError(f"{silence}: are MASTER_ADDR and MASTER_PORT the same on all nodes, and reachable?")
            time.sleep(EVERY)
        try:
            self._connect()
            while not self.store.check([self.key]):  # get() would wait too, and hear no signal
                if time.monotonic() > end:
                    raise ValueError(f"{silence}: it may wait for data or a lock")
                time.sleep(EVERY)
            text = str(self.store.get(self.key).decode())
            self.store.add(f"{self.key}/heard", 1)
        except RuntimeError as error:  # torch's, of a connection
            raise ValueError(
                f"the first process of this run ended before it said which run this is: {error}"
            ) from error
        if not text:
            raise SystemExit(1)
        return text

    def _is_open(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=EVERY * 10).close()
        except OSError:
            return False
        return True

    def _connect(self) -> None:
        from torch._C._distributed_c10d import TCPStore

        serves = self.rank == 0 and not self.is_served
        try:
            self.store = TCPStore(
                self.host, self.port, None, serves, timedelta(seconds=PATIENCE), wait_for_workers=False
            )
        except RuntimeError as error:
            if serves:
                raise ValueError(f"port {self.port} can't be listened at: give another MASTER_PORT") from error
            raise


def is_first() -> bool:
    """Whether this is the process that writes, prints and holds the folder."""
    return rank(OmegaConf.create({})) == 0


def is_watched() -> bool:
    """Whether Lightning started this process beside the first one, and kills that when this one ends with anything but
    0: within 5 seconds, in which the first one may not have closed the run yet."""
    return not is_first() and not by_torchrun() and not by_srun()


def is_silent(error: BaseException) -> bool:
    """Whether the first process says this error for this one."""
    return hasattr(error, "said") or not (is_first() or may_speak)


def rank(trainer: Any) -> int:
    """This process's number among all of the run.

    Args:
        trainer: The configuration, which tells the number of processes of a node where nothing else does.
    """
    if by_torchrun():
        return _number("RANK")
    if by_srun():
        return _number("SLURM_PROCID")
    node = _number("NODE_RANK", _number("GROUP_RANK"))
    return node * _devices(trainer) + _number("LOCAL_RANK")


def peers(trainer: Any) -> Peers | None:
    """Those that must agree on one run; None where this process alone decides, and Lightning starts the others.

    Raises:
        ValueError: If there are several nodes, and nothing says which one this is.
    """
    host, port = os.environ.get("MASTER_ADDR", "127.0.0.1"), _number("MASTER_PORT")
    if by_torchrun():
        is_served = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        count = _number("WORLD_SIZE", 1)
        found = Peers(rank(trainer), count, host, port if is_served else port + BESIDE, is_served)
    elif by_srun():
        found = Peers(rank(trainer), _number("SLURM_NTASKS"), _slurm_host(), _slurm_port(), False)
    else:
        nodes = _whole(OmegaConf.select(trainer, "num_nodes")) if isinstance(trainer, DictConfig) else 1
        by_hand = "LOCAL_RANK" in os.environ
        count = nodes * (_devices(trainer) if by_hand else 1)
        place = rank(trainer) if by_hand else _number("NODE_RANK", _number("GROUP_RANK"))
        missing = [name for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK") if name not in os.environ]
        if nodes > 1 and missing:
            raise ValueError(
                f"trainer.num_nodes={nodes}, and {' and '.join(missing)} do not stand in the environment: set them on "
                "each node, or start the run by torchrun or srun"
            )
        found = Peers(place, count, host, port + BESIDE, False)
    return found if found.count > 1 else None


def check_world(size: int) -> None:
    """Refuses a number of processes other than what was started: each part would train by itself.

    Raises:
        ValueError: With both.
    """
    how = "torchrun" if by_torchrun() else "srun" if by_srun() else None
    started = _number("WORLD_SIZE", 1) if by_torchrun() else _number("SLURM_NTASKS")
    if how is not None and started != size:
        remedy = "trainer=ddp" if by_torchrun() else "trainer=slurm"
        raise ValueError(
            f"{how} started {started} processes, and trainer.devices x trainer.num_nodes is {size}: {remedy} takes all"
        )


def by_torchrun() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ and "RANK" in os.environ


def by_srun() -> bool:
    """Whether srun started it, with others, by the rules of Lightning: not in a job that is called interactive."""
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return _number("SLURM_NTASKS", 1) > 1 and "SLURM_PROCID" in os.environ and not interactive


def _devices(trainer: Any) -> int:
    """Processes a node, as far as they are known before torch counts the GPUs."""
    devices = OmegaConf.select(trainer, "devices") if isinstance(trainer, DictConfig) else None
    if isinstance(devices, ListConfig):
        return len(devices)
    nodes = _whole(OmegaConf.select(trainer, "num_nodes")) if isinstance(trainer, DictConfig) else 1
    return _whole(devices) if isinstance(devices, int) and devices > 0 else _number("WORLD_SIZE", nodes) // nodes


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 1


def _number(name: str, otherwise: int = 0) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else otherwise


def _slurm_host() -> str:
    """As Lightning finds it."""
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    nodes = os.environ.get("SLURM_NODELIST", "127.0.0.1")
    return os.environ.get("MASTER_ADDR") or SLURMEnvironment.resolve_root_node_address(nodes)


def _slurm_port() -> int:
    if "MASTER_PORT" in os.environ:
        return _number("MASTER_PORT") + BESIDE
    return SLURM_PORTS + int(os.environ.get("SLURM_JOB_ID", "0")[-4:]) + BESIDE_JOB
