"""A real Slurm of one node, for as long as a context lasts.

`python -m tests.slurm_node COMMAND` runs a command on it; `--install` fetches Debian's packages first, as root.
"""

import argparse
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

INSTALL = "apt-get install -y --no-install-recommends slurm-wlm munge"
PROGRAMS = ("setpriv", "munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "sinfo", "scancel", "scontrol")
LONGEST = 30.0  # seconds to come up, or to end
# No service, control group or data base. A requeued job waits for cred_expire + 1 seconds, 5 being the least that Slurm
# takes and 120 its default, and then for the next look at the queue. config_overrides: CPUs that need not be there.
CONF = """\
ClusterName=litmus
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge.socket,cred_expire=5
KillWait=10
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus}
PartitionName=all Nodes={host} Default=YES
"""


def why_not() -> str | None:
    """What keeps Slurm from coming up here; None if nothing does."""
    if os.getuid() != 0:
        return "Slurm's daemons want root"
    missing = [name for name in PROGRAMS if _path(name) is None]
    return f"there is no {', '.join(missing)}: python -m tests.slurm_node --install" if missing else None


def _path(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")


class SlurmNode:
    """Its daemons are children of this process, and end with the context; jobs that are left are cancelled.

    Attributes:
        environment: For whatever is to find it.
    """

    def __init__(self, cpus: int = 4) -> None:
        self.cpus = cpus

    def __enter__(self) -> "SlurmNode":
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-")))
            self._configure()
            self._start(
                stack,
                "munged",
                "--foreground",
                f"--key-file={self.folder}/key",
                f"--socket={self.folder}/munge.socket",
                f"--pid-file={self.folder}/munged.pid",
                f"--log-file={self.folder}/munged.log",
                f"--seed-file={self.folder}/seed",
            )
            self._wait("munged", (self.folder / "munge.socket").exists)
            self._start(stack, "slurmctld", "-D")
            self._start(stack, "slurmd", "-D")
            self._wait("slurmd", lambda: "idle" in self._client("sinfo", "--format=%T").stdout)
            stack.callback(self._cancel)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands prints.

        Raises:
            RuntimeError: If it fails, with what it says.
        """
        done = self._client(*command)
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def submit(self, script: str, *options: str) -> str:
        """Submits a script for /bin/sh; gives the id of the job."""
        return self.ask("sbatch", "--parsable", *options, f"--wrap={script}")

    def states(self, job: str) -> set[str]:
        """Of a job, or of all tasks of an array."""
        return set(self.ask("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T").split())

    def _client(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, env=self.environment, capture_output=True, text=True)

    def _configure(self) -> None:
        self.folder.chmod(0o711)  # munged asks it of the folder of its socket
        key = self.folder / "key"
        key.touch(0o600)
        key.write_bytes(os.urandom(128))
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        control_port, node_port = _free_ports()
        host = socket.gethostname().split(".")[0]
        values = {"control_port": control_port, "node_port": node_port, "host": host, "cpus": self.cpus}
        (self.folder / "slurm.conf").write_text(CONF.format(folder=self.folder, **values))
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH"))}
        self.environment = {**outside, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def _start(self, stack: ExitStack, name: str, *options: str) -> None:
        with open(self.folder / f"{name}.out", "w") as out:
            command = ["setpriv", "--pdeathsig=TERM", str(_path(name)), *options]  # even if this process is killed
            daemon = subprocess.Popen(command, env=self.environment, stdout=out, stderr=out, start_new_session=True)
        stack.callback(_end, daemon)

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LONGEST
        while not ready():
            if time.monotonic() > deadline:
                said = "\n".join(path.read_text() for path in sorted(self.folder.glob("*.out")))
                raise RuntimeError(f"{name} did not come in {LONGEST:.0f} s:\n{said}")
            time.sleep(0.05)

    def _cancel(self) -> None:
        """What does not heed it is killed after KillWait."""
        self._client("scancel", "--user=root")
        self._wait("the end of all jobs", lambda: not self._client("squeue", "--noheader").stdout)


def _end(daemon: "subprocess.Popen[bytes]") -> None:
    daemon.terminate()
    try:
        daemon.wait(LONGEST)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true", help=INSTALL)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="finds the node by its environment")
    asked = parser.parse_args()
    if asked.install:
        subprocess.run(INSTALL.split(), check=True)
    if reason := why_not():
        sys.exit(reason)
    if asked.command:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # by way of the context's end
        with SlurmNode() as node:
            done = subprocess.run(asked.command, env=node.environment)
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
