"""All that is done to runs: a line each."""

import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from signal import SIGINT, SIGTERM, SIGUSR1
from unittest import SkipTest

from chaos import faults, kills
from chaos.scenarios import SCENARIOS
from chaos.trial import Reference, Trial

Attack = Callable[[Trial, Random], int]  # does it, sees the run to its end, and gives how often it did it
WORKERS, RANKS = "workers=2", "trainer.devices=2"


@dataclass
class Result:
    """What came of a case: how often it was done, kills that left a half-written checkpoint, what was lost."""

    what: str
    tried: int = 0
    torn: int = 0
    lost: str = ""
    skipped: str = ""


@dataclass(frozen=True)
class Case:
    """Something to do to a run of a scenario with these overrides."""

    what: str
    attack: Attack
    scenario: str = "images"
    more: str = ""

    @property
    def undisturbed(self) -> tuple[str, str]:
        """The run that it must end as: loader workers make no difference, ranks do."""
        return self.scenario, " ".join(word for word in self.more.split() if word != WORKERS)

    def result(self, root: Path, reference: Reference, seed: str) -> Result:
        """Does it in a new folder, which stays if something is lost."""
        trial = Trial(root, self.scenario, self.more, reference)
        try:
            tried = self.attack(trial, Random(seed))
        except SkipTest as skipped:
            return Result(self.what, skipped=str(skipped))
        except Exception:
            where = f"{self.what}: {self.scenario} {self.more} in {root}"
            return Result(self.what, 1, trial.torn, f"{where}\n{traceback.format_exc()}")
        shutil.rmtree(root)
        return Result(self.what, tried, trial.torn)


KILLS = [  # as often as is asked for
    *(Case(f"kill: {name}", kills.at_random, name, more) for name in SCENARIOS for more in ("", WORKERS)),
    *(Case("kill: two ranks", kills.while_training, name, RANKS) for name in ("images", "streams with a state") * 2),
]
ONCE = [
    *(Case("kill as a checkpoint is written", kills.in_a_write, name) for name in SCENARIOS),
    *(Case("kill as a checkpoint is renamed", kills.at_a_rename, name) for name in SCENARIOS),
    Case("kill of the main process alone", kills.of_the_main_process, more=WORKERS),
    *(
        Case(f"newest checkpoint {spoil.__name__.replace('_', ' ')}", partial(faults.newest_checkpoint, spoil), name)
        for spoil in (faults.cut_short, faults.bit_flipped, faults.emptied)
        for name in ("images", "windows anywhere", "texts in buckets")
    ),
    Case("all checkpoints cut short", faults.all_checkpoints),
    *(Case("full disk", faults.full_disk, name) for name in ("images", "streams with a state", "series") * 2),
    *(
        Case(f"{signum.name} to {whom}", partial(faults.stopped, signum, whom == "all"), name, more)
        for signum in (SIGTERM, SIGINT, SIGUSR1)
        for whom, name, more in (
            ("one process", "images", ""),
            ("one process", "texts in buckets", ""),
            ("all", "streams with a state", WORKERS),
            ("all", "images", RANKS),
            ("the first of two ranks", "images", RANKS),
        )
    ),
    Case("second process on a run", faults.second_process),
    Case("loader worker killed", faults.lost_process, "texts in buckets", WORKERS),
    Case("loader worker killed", faults.lost_process, "images", WORKERS),
    Case("rank killed", faults.lost_process, more=RANKS),
    *(
        Case(f"W&B server {mode}", partial(faults.wandb_server, mode), more="logger=wandb")
        for mode in ("refuses", "hangs", "fails")
    ),
]
