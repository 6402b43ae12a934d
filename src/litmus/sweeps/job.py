"""One run of a sweep: a process of train.py of its own, a folder for its notes, and how it ended."""

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from litmus.folder import read_record, write_whole
from litmus.lock import lock, unlock
from litmus.sweeps.slurm_queue import QUEUE

JOB, GROUP = "LITMUS_JOB", "WANDB_RUN_GROUP"  # in the environment of a job: its folder, and the sweep it belongs to
NOT_OF_THE_RESULT = ("resume", "output_root", "data_root", "threads", "workers", "tags", "logger")
OWN_PROCESS = ("LITMUS_RUN_DIR", "WANDB_RUN_ID", "WANDB_SWEEP_ID")  # of the sweep's process, and not of a job
ENDED = ("done", "pruned", "failed")
GOES_ON = ("running", "interrupted", "lost")
CLAIMED: dict[Path, int] = {}  # folders of jobs, and the descriptors of their locks


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        status: That of its run; `failed` if there is none.
        reason: Of a failure, one sentence.
        record: Of its run; empty if there is none.
    """

    status: str
    reason: str
    record: dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What is asked of train.py, and by which sweep.

    Attributes:
        label: What sets it apart from the other jobs of its sweep.
        folder: For its notes: log.txt, what it printed; run, the id of its run; slurm, its name in a queue.
        group: The sweep.
    """

    label: str
    overrides: tuple[str, ...]
    folder: Path
    root: Path
    group: str

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def run(self) -> Path | None:
        """The folder of its run, if it got that far and is still there."""
        note = self.folder / "run"
        found = self.root / note.read_text().strip() if note.exists() else None
        return found if found is not None and (found / "run.json").exists() else None

    @property
    def queue_note(self) -> Path:
        """What Slurm calls it, and where what Slurm says about it is written."""
        return self.folder / "slurm"

    @property
    def queued(self) -> str | None:
        """What Slurm calls it, if a sweep gave it to Slurm and did not see its end."""
        return self.queue_note.read_text().splitlines()[0] if self.queue_note.exists() else None

    @property
    def is_queued(self) -> bool:
        """Whether it waits or runs there."""
        return self.queued is not None and bool(QUEUE.alive([self.queued]))

    @property
    def is_written(self) -> bool:
        """Whether a process writes into its run."""
        try:
            if self.run is not None:
                unlock(lock(self.run))
        except ValueError:
            return True
        return False

    @property
    def status(self) -> str:
        """Of its run; `missing` if there is none."""
        return read_record(self.run)["status"] if self.run is not None else "missing"

    def command(self, program: Sequence[str]) -> list[str]:
        """What starts it, or goes on where its run was stopped."""
        run = self.run
        resume = [f"resume={run.name}"] if run is not None and self.status in GOES_ON else []
        return [*program, *self.overrides, *resume]

    def environment(self) -> dict[str, str]:
        """Of its process."""
        ours = {name: value for name, value in os.environ.items() if name not in OWN_PROCESS}
        return {GROUP: self.group, **ours, JOB: str(self.folder)}

    def claim(self, adopts: "Adopts") -> bool:
        """Takes it for this sweep; false while another one has it, or while what a dead one left behind waits in
        Slurm's queue or still writes into its run, if this sweep does not adopt it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            CLAIMED[self.folder] = lock(self.folder)
        except ValueError:
            return False
        if adopts(self) or not (self.is_written or self.is_queued):
            return True
        self.release()
        return False

    def release(self) -> None:
        """Leaves it to others."""
        if self.folder in CLAIMED:
            unlock(CLAIMED.pop(self.folder))

    def outcome(self) -> Outcome:
        """How it ended, when its process has."""
        if self.run is None:
            return Outcome("failed", self.last_words(), {})
        record = read_record(self.run)
        if record["status"] in ("running", "lost"):
            return Outcome("failed", f"it was killed; {self.log} ends with: {self.last_words()}", record)
        error = record.get("error") or {}
        message = str(error.get("message", "")).strip().splitlines()
        return Outcome(record["status"], f"{error.get('type')}: {message[0]}" if message else "", record)

    def last_words(self) -> str:
        """What it said of its error, or the last that it said."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        said = [line for line in lines if line.startswith("error: ")]
        return (said or lines or ["it said nothing"])[-1].removeprefix("error: ")


Adopts = Callable[[Job], bool]  # whether a sweep goes on with what another one started


def note_run(folder: Path) -> dict[str, str]:
    """Tells the sweep that started this process which run it is, and the run's record which sweep, if there is one."""
    if JOB not in os.environ:
        return {}
    write_whole(Path(os.environ[JOB]) / "run", folder.name + "\n")
    return {"sweep": os.environ[GROUP]}


def identity(plain: DictConfig) -> str:
    """The same for every configuration that asks for the same result, wherever its data stand."""
    content = OmegaConf.to_container(plain)
    assert isinstance(content, dict)
    kept = {key: value for key, value in content.items() if key not in NOT_OF_THE_RESULT}
    kept["data"] = {key: value for key, value in kept["data"].items() if key not in NOT_OF_THE_RESULT}
    return digest(json.dumps(kept, sort_keys=True).replace(plain.data_root, ""))


def key_of(override: str) -> str:
    """The first part of what an override changes, such as `optimizer` of +optimizer.lr=1."""
    return re.split("[=.@]", override.lstrip("+~"))[0]


def digest(text: str) -> str:
    """Twelve characters that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def program() -> list[str]:
    """How this process was started, up to the overrides: train.py with the flags that choose a configuration."""
    from hydra._internal.utils import get_args_parser

    given = get_args_parser().parse_known_args(sys.argv[1:])[0]
    flags = {"--config-path": given.config_path, "--config-name": given.config_name, "--config-dir": given.config_dir}
    chosen = [word for name, value in flags.items() if value is not None for word in (name, value)]
    hydra = [word for word in given.overrides if re.match(r"[+~]*hydra\.(searchpath|verbose|job_logging)", word)]
    return [sys.executable, str(Path(sys.argv[0]).resolve()), *chosen, *hydra]
