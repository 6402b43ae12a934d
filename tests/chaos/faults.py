"""What else happens to runs: spoilt checkpoints, a full disk, signals, lost processes, a W&B server that is down. Each
gives how often it happened."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from unittest import SkipTest

from wandb_server import KEY, Mode, WandbServer

from chaos.job import Job
from chaos.trial import Trial, must

EXIT = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGUSR1: 138}


def cut_short(path: Path, rng: Random) -> None:
    os.truncate(path, rng.randrange(1, path.stat().st_size))


def emptied(path: Path, rng: Random) -> None:
    os.truncate(path, 0)


def bit_flipped(path: Path, rng: Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def newest_checkpoint(spoil: Callable[[Path, Random], None], trial: Trial, rng: Random) -> int:
    """Spoilt: the one before it is taken."""
    stop_where_two_checkpoints_stand(trial, rng)
    path = trial.checkpoints[-1]
    spoil(path, rng)
    trial.must_succeed(job := trial.go_on())
    if spoil is not bit_flipped:  # a bit may also fall where nothing stands
        must(f"{path.name}.damaged" in job.said, "say that the newest checkpoint is damaged", job.said)
    trial.must_end_the_same()
    return 1


def all_checkpoints(trial: Trial, rng: Random) -> int:
    """Spoilt: nothing to go on from."""
    stop_where_two_checkpoints_stand(trial, rng)
    for path in trial.checkpoints:
        cut_short(path, rng)
    trial.must_be_refused(trial.go_on(), "no checkpoint")
    return 1


def stop_where_two_checkpoints_stand(trial: Trial, rng: Random) -> None:
    job = trial.go_on()
    trial.wait_until(job, lambda: len(trial.checkpoints) >= 2)
    job.ends_within(rng.uniform(0, 0.5 * trial.reference.seconds))
    trial.kill(job)


def full_disk(trial: Trial, rng: Random) -> int:
    """Room for a part of what the run writes, until space is made."""
    trial.outputs.mkdir(parents=True)
    room = rng.uniform(0.1, 1.0) * trial.reference.size
    mounted = ["mount", "-t", "tmpfs", "-o", f"size={room:.0f}", "tmpfs", str(trial.outputs)]
    if subprocess.run(mounted, capture_output=True).returncode:
        raise SkipTest("no right to mount a small disk: as root, or in `unshare -Urm`")
    try:
        job = trial.go_on()
        if job.exit_code() == 0:
            return 0
        trial.must_be_refused(job, "No space left on device")
        subprocess.run(["mount", "-o", "remount,size=1g", str(trial.outputs)], check=True)
        must(trial.record["status"] in ("failed", "running", "not begun"), "not look as if it were done", trial.record)
        trial.must_end_the_same()
    finally:
        subprocess.run(["umount", "--lazy", str(trial.outputs)], check=True)
    return 1


def stopped(signum: signal.Signals, to_all: bool, trial: Trial, rng: Random) -> int:
    """By a signal to all of its processes, as Ctrl-C in a terminal, or to the first one, as `kill`, again and again."""
    times, latest = 0, trial.reference.seconds
    while not (job := trial.begin()).ends_within(rng.uniform(0, latest)):
        if to_all:
            job.send(signum)
        else:
            os.kill(job.pid, signum)
        code = job.exit_code()
        if code == 0 and trial.record["status"] == "done":  # it was about to end
            break
        as_it_should = code == EXIT[signum] and trial.record["status"] == "interrupted"
        must(as_it_should, f"be interrupted, with exit code {EXIT[signum]}", code, trial.record["status"], job.said)
        times, latest = times + 1, 1.2 * latest
    trial.must_succeed(job)
    trial.must_end_the_same()
    return times


def second_process(trial: Trial, rng: Random) -> int:
    """On the same folder: refused, and the first one undisturbed."""
    first = trial.begin()
    trial.wait_until(first, lambda: trial.checkpoints)
    first.send(signal.SIGSTOP)  # for it to be there still
    trial.must_be_refused(trial.go_on(), "is running in another process")
    first.send(signal.SIGCONT)
    trial.must_succeed(first)
    trial.must_end_the_same()
    return 1


def lost_process(trial: Trial, rng: Random) -> int:
    """A loader's worker, or another rank, killed: the run fails, and says why."""
    job = trial.go_on()
    trial.wait_until(job, lambda: trial.checkpoints and children(job))
    job.ends_within(rng.uniform(0, 0.2))
    for pid in children(job)[:1]:
        os.kill(pid, signal.SIGKILL)
    code = job.exit_code()
    if code == 0:  # there was none any more
        return 0
    as_it_should = (
        code == 1 and trial.record["status"] == "failed" and "Traceback" in trial.record["error"]["traceback"]
    )
    must(as_it_should, "fail, with exit code 1 and the traceback in run.json", code, trial.record["status"], job.said)
    trial.must_end_the_same()
    return 1


def children(job: Job) -> list[int]:
    found = subprocess.run(["pgrep", "--parent", str(job.pid)], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def wandb_server(mode: Mode, trial: Trial, rng: Random) -> int:
    """That is as it should not be: the run does not care."""
    with WandbServer(mode) as server:
        job = trial.go_on(WANDB_BASE_URL=server.url, WANDB_API_KEY=KEY)
        trial.must_succeed(job)
    must(KEY not in job.said + str(trial.record), "keep the key to itself", job.said)
    trial.must_end_the_same()
    return 1
