"""SIGKILL: at any moment of a run's life, and at the worst ones. Each gives how often it killed."""

import os
import signal
import time
from collections.abc import Callable
from random import Random

from chaos.trial import Trial


def at_random(trial: Trial, rng: Random) -> int:
    """Uniform over the life of the undisturbed run, from its setup to its test, until it gets to its end; later and
    later, for a run to get there where the machine has become slower."""
    kills, latest = 0, trial.reference.seconds
    while not (job := trial.go_on()).ends_within(rng.uniform(0, latest)):
        trial.kill(job)
        kills, latest = kills + 1, 1.2 * latest
    trial.must_succeed(job)
    trial.must_end_the_same()
    return kills


def while_training(trial: Trial, rng: Random) -> int:
    """The same after a new checkpoint: most of the life of two ranks is the second one's start."""
    kills = 0
    while True:
        seen, job = trial.files("*.ckpt"), trial.go_on()
        trial.wait_until(job, lambda seen=seen: trial.files("*.ckpt") - seen)
        if job.ends_within(rng.uniform(0, trial.reference.seconds - trial.reference.begins)):
            break
        trial.kill(job)
        kills += 1
    trial.must_succeed(job)
    trial.must_end_the_same()
    return kills


def in_a_write(trial: Trial, rng: Random) -> int:
    """Within 3 ms of the moment at which a half-written file appears."""
    return _aimed(trial, rng, lambda: trial.files("*.tmp"), 0.003)


def at_a_rename(trial: Trial, rng: Random) -> int:
    """When a checkpoint has got its name: between the best one and that of the step, or before an old one goes."""
    return _aimed(trial, rng, lambda: trial.files("*.ckpt"), 0.0)


def of_the_main_process(trial: Trial, rng: Random) -> int:
    """As the kernel does when memory is short: the loader's workers stay behind, and the run goes on at once."""
    job = trial.go_on()
    trial.wait_until(job, lambda: trial.checkpoints)
    job.ends_within(rng.uniform(0, 0.1))
    os.kill(job.pid, signal.SIGKILL)
    job.exit_code()
    trial.must_end_the_same()
    return 1


def _aimed(trial: Trial, rng: Random, look: Callable[[], set[object]], delay: float) -> int:
    """After the first to fourth time that something new is seen there, until the run gets to its end."""
    kills = 0
    while True:
        job, seen = trial.go_on(), look()
        for _ in range(rng.randint(1, 4)):
            trial.wait_until(job, lambda seen=seen: look() - seen)
            seen |= look()
        if job.has_ended:
            break
        time.sleep(rng.uniform(0, delay))
        trial.kill(job)
        kills += 1
    trial.must_succeed(job)
    trial.must_end_the_same()
    return kills
