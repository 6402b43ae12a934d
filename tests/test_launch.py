"""A run knows itself as one, whatever started its processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Compose
from omegaconf import OmegaConf
from runs import record, scalars

from litmus import launch
from litmus.build import build
from litmus.run import Run

ROOT = Path(__file__).parents[1]
QUICK = ("trainer.accelerator=cpu", "trainer.max_steps=4", "logger=csv", "threads=1")
TRAINER = OmegaConf.create({"devices": 2, "num_nodes": 3})


def srun(rank: int, port: int) -> dict[str, str]:
    """What Slurm tells the tasks of a step."""
    return {
        "SLURM_JOB_ID": "17",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_NNODES": "1",
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
        "SLURM_NODEID": "0",
        "MASTER_PORT": str(port),
    }


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({}, 0),
        ({"LOCAL_RANK": "1", "WORLD_SIZE": "6", "NODE_RANK": "2"}, 5),
        ({"NODE_RANK": "1"}, 2),
        ({"TORCHELASTIC_RUN_ID": "a", "RANK": "3", "LOCAL_RANK": "1", "GROUP_RANK": "1"}, 3),
        (srun(1, 29500), 1),
        ({**srun(1, 29500), "SLURM_JOB_NAME": "interactive"}, 0),
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "LOCAL_RANK": "1"}, 1),
    ],
)
def test_the_rank_is_that_of_all_nodes(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], rank: int) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launch.rank(TRAINER) == rank and launch.is_first() == (rank == 0)


def test_several_nodes_must_say_which_each_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    with pytest.raises(ValueError, match="num_nodes=3, and MASTER_PORT and NODE_RANK do not stand in the environment"):
        launch.peers(TRAINER)
    monkeypatch.setenv("MASTER_PORT", "29500")
    monkeypatch.setenv("NODE_RANK", "2")
    found = launch.peers(TRAINER)  # the first processes of the nodes, which start the others
    assert found is not None and (found.rank, found.count, found.port) == (2, 3, 29501)


def test_as_many_processes_are_asked_for_as_were_started(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    with Run.open(composed()) as run:
        for name, value in {"TORCHELASTIC_RUN_ID": "a", "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ValueError, match=r"torchrun started 2 processes, and .* is 1: trainer=ddp takes all"):
            build(run)


@pytest.mark.slow
def test_torchrun_makes_one_run_and_resumes_it(tmp_path: Path) -> None:
    command = ["torchrun", "--standalone", "--nproc_per_node", "2", "train.py", "trainer=ddp", *QUICK]
    command = [sys.executable, "-m", "torch.distributed.run", *command[1:], f"output_root={tmp_path}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)
    (folder,) = tmp_path.iterdir()
    assert record(folder)["status"] == "done" and record(folder)["world_size"] == 2
    more = [option for option in command if "max_steps" not in option] + ["trainer.max_steps=6", "resume=last"]
    subprocess.run(more, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)
    assert list(tmp_path.iterdir()) == [folder] and len(record(folder)["resumed"]) == 1
    assert {row["step"] for row in scalars(folder)} >= {"3", "5"}


@pytest.mark.slow
def test_only_the_first_says_why_there_is_no_run(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "train.py", "trainer=slurm", *QUICK, "seed=-1", f"output_root={tmp_path}/outputs"],
            cwd=ROOT,
            env={**os.environ, **srun(rank, 29470)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [1, 1]
    assert said == ["error: seed=-1 is not from 0 to 4294967295\n", ""]
    assert not (tmp_path / "outputs").exists()
