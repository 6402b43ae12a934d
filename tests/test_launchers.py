"""What the launchers of clusters refuse before anything is run, and what they leave of the sweep's own environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from litmus.guard import check_hydra
from litmus.sweeps.job import Job
from litmus.sweeps.slurm_jobs import leave_job
from litmus.sweeps.slurm_queue import Queue

ROOT = Path(__file__).parents[1]
SLURM, RAY = "hydra/launcher=submitit_slurm", "hydra/launcher=ray"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([SLURM, "trainer.devices=auto"], "hydra.launcher.tasks_per_node=auto is not a whole number from 1 on"),
        ([SLURM, "hydra.launcher.jobs=0", "sweep=digits_quick"], "hydra.launcher.jobs=0 is not a whole number from 1"),
        ([SLURM, "hydra.launcher.timeout_min=3"], "hydra.launcher.timeout_min=3 is over when Slurm warns"),
        ([SLURM, 'hydra.launcher.partition="a\nmkdir b"'], "partition='a\\nmkdir b' is not one line of text"),
        ([SLURM, '+hydra.launcher.additional_parameters.x="a\nb"'], "x='a\\nb' is not one line of text"),
        ([SLURM], "hydra/launcher=submitit_slurm needs Slurm, and there is no sbatch here"),
        ([RAY, "hydra.launcher.num_cpus=0"], "hydra.launcher.num_cpus=0 is not above 0"),
        ([RAY, "hydra.launcher.address=nowhere:1"], "hydra.launcher.address=nowhere:1: Ray does not start: "),
    ],
)
def test_a_mistake_is_said_before_anything_is_run(tmp_path: Path, words: list[str], sentence: str) -> None:
    if "nowhere" in sentence:
        pytest.importorskip("ray")
    command = [sys.executable, "train.py", "-m", *words, f"output_root={tmp_path}"]
    env = {**os.environ, "PATH": "/nowhere"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.returncode == 1 and sentence in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not list(tmp_path.glob("*/run.json"))


def test_an_extra_that_is_not_installed_is_named(tmp_path: Path) -> None:
    for name in ("submitit", "ray"):
        (tmp_path / f"{name}.py").write_text("raise ImportError")
    (tmp_path / "sbatch").touch(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    for launcher, extra in ((SLURM, "slurm"), (RAY, "ray")):
        command = [sys.executable, "train.py", "-m", "seed=0,1", launcher, f"output_root={tmp_path}"]
        env = {**os.environ, "PYTHONPATH": path, "PATH": str(tmp_path)}
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=env)
        assert done.returncode == 1 and f"pip install 'litmus[{extra}]'" in done.stderr, done.stderr


def test_shell_that_the_user_types_is_the_users() -> None:
    typed = ["hydra/launcher=submitit_slurm", "hydra.launcher.setup=[module load cuda]"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", typed, return_hydra_config=True)
        GlobalHydra.instance().clear()
    check_hydra(config, typed)
    with pytest.raises(ValueError, match=r"setup=.* is not trusted"):
        check_hydra(config, typed[:1])
    OmegaConf.update(config, "hydra.launcher.additional_parameters", {"x": 1, "wrap": 2}, force_add=True)
    with pytest.raises(ValueError, match=r"additional_parameters\.wrap=2 is not trusted"):
        check_hydra(config, [*typed, "+hydra.launcher.additional_parameters.x=1"])


def test_a_sweep_in_a_job_of_slurm_leaves_it_and_keeps_what_a_user_set(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"SLURM_CONF": "x", "SBATCH_ACCOUNT": "mine"}
    monkeypatch.setattr(os, "environ", dict(given))
    leave_job()
    assert os.environ == given
    os.environ.update(SLURM_JOB_ID="1", SLURM_NTASKS="2", SUBMITIT_EXECUTOR="slurm")
    leave_job()
    assert os.environ == {"SLURM_CONF": "x"}


SQUEUE = """\
#!/bin/sh
echo asked >> {folder}/asked
cat {folder}/answer
{end}
"""


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in that answers what is written here."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    answer(tmp_path, "12_0 RUNNING\n12_1 COMPLETED\n12_2 COMPLETING\n")
    return tmp_path


def answer(folder: Path, text: str, end: str = "exit 0") -> None:
    (folder / "answer").write_text(text)
    (folder / "squeue").write_text(SQUEUE.format(folder=folder, end=end))
    (folder / "squeue").chmod(0o755)


def test_a_whole_array_is_asked_for_once_a_second(squeue: Path) -> None:
    queue = Queue()
    for _ in range(50):
        assert set(queue.alive(["12_0", "12_1", "12_2", "12_3"])) == {"12_0", "12_2"}  # 12_3 is no longer known
    assert (squeue / "asked").read_text().count("asked") <= 2


def test_nothing_is_over_while_slurm_does_not_answer(squeue: Path) -> None:
    answer(squeue, "", "echo Unable to contact slurm controller >&2; exit 1")
    assert set(Queue().alive(["12_0", "13"])) == {"12_0", "13"}
    answer(squeue, "", "echo slurm_load_jobs error: Invalid job id specified >&2; exit 1")
    assert Queue().alive(["12_0", "13"]) == {}


def test_what_waits_in_slurm_is_not_started_by_another_launcher(squeue: Path, tmp_path: Path) -> None:
    job = Job("it", (), tmp_path / "job", tmp_path, "grid")
    job.folder.mkdir()
    job.queue_note.write_text("12_0\nout\n")
    assert not job.claim(lambda job: False) and job.claim(lambda job: True)
    job.release()
    job.queue_note.write_text("12_1\nout\n")
    assert job.claim(lambda job: False)
    job.release()
