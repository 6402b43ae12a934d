"""What the tests share: composed configurations, runs in a folder of their own, one thread for golden numbers."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict
from pytorch_lightning import Trainer
from slurm_node import SlurmNode, why_not

from litmus.config import register
from litmus.launch import SET_BY_LIGHTNING
from litmus.run import RUN_DIR

ROOT = Path(__file__).parents[1]
Compose = Callable[..., DictConfig]

register()
torch.set_num_threads(1)  # of two, one may wait for the other on a busy machine


def on_cpu(data: Any, stage: str = "fit") -> Any:
    """A data module as a trainer on the CPU would set it up."""
    data.trainer = Trainer(accelerator="cpu", devices=1, logger=False, enable_checkpointing=False)
    data.prepare_data()
    data.setup(stage)
    return data


def in_epoch(data: Any, epoch: int) -> Any:
    """The training batches as a trainer in this epoch would have them."""
    batches = data.train_dataloader()
    batches.sampler.set_epoch(epoch)
    return batches


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on keys, data or runs that happen to be on the machine."""
    keys = ("WANDB_API_KEY", "WANDB_MODE", "LITMUS_DATA", RUN_DIR)
    ranks = [name for name in os.environ if name.startswith(("SLURM_", "TORCHELASTIC_"))]
    for name in (*keys, *ranks, *SET_BY_LIGHTNING, "RANK", "GROUP_RANK", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmNode]:
    """A real one; where it can't come up, the test says that it was skipped, and why."""
    if reason := why_not():
        pytest.skip(reason)
    with SlurmNode() as node:
        yield node


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[Compose]:
    """The configuration that `python train.py OVERRIDES` would see, with its output in a temporary folder. A page of a
    run takes seconds: there is one if `callbacks=[default]` is asked for."""

    def function(*overrides: str) -> DictConfig:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            base = [f"output_root={tmp_path}/outputs", "threads=1"]
            if not any(override.startswith("logger=") for override in overrides):
                base.append("logger=csv")
            chosen = next((override for override in overrides if override.startswith("callbacks=")), "default")
            asked = any(override.startswith(("callbacks.report", "resume=")) for override in overrides)
            if "default" in chosen and chosen != "callbacks=[default]" and not asked:
                base.append("~callbacks.report")
            config = compose("config", [*base, *overrides], return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        return config

    yield function
    HydraConfig.instance().cfg = None


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """`python train.py OVERRIDES` in this process; gives its exit code."""
    import hydra

    import train
    from litmus.command import command

    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")

    def function(*overrides: str) -> int:
        GlobalHydra.instance().clear()
        monkeypatch.setattr(sys, "argv", ["train.py", *overrides, f"output_root={tmp_path}/outputs", "threads=1"])
        with pytest.raises(SystemExit) as stop:
            command(hydra.main(config_path=str(ROOT / "conf"), config_name="config", version_base="1.3"), train.train)
        return int(stop.value.code or 0)

    return function
