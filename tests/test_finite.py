"""Numbers that are no longer any: training stops and says where it began, or leaves the step out."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import on_cpu
from fakes import fake
from omegaconf import DictConfig
from runs import last_run, newest, record, scalars

from litmus.build import build_data
from litmus.checkpoint import read_checkpoint
from litmus.folder import step_checkpoints
from train import train

Compose = Callable[..., DictConfig]


@pytest.fixture
def poisoned(composed: Compose, tmp_path: Path) -> Callable[..., DictConfig]:
    """Series of which one holds a number that is too large, for a network with batch normalisation."""

    def compose(*overrides: str, number: str = "3e38") -> DictConfig:
        options = ("model=fcn", "data.standardise=none", "data.validation=0.3", "epochs=2", *overrides)
        config = fake(composed, tmp_path / "data", "ucr", *options)
        path = tmp_path / "data" / "ucr" / "ItalyPowerDemand" / "ItalyPowerDemand_TRAIN.ts"
        lines = path.read_text().splitlines()
        lines[-1] = lines[-1].replace("1.000", number)
        path.write_text("\n".join(lines) + "\n")
        return config

    (tmp_path / "data").mkdir()
    return compose


def test_a_loss_that_is_no_number_stops_training_with_the_examples_of_its_batch(composed: Compose) -> None:
    options = ("optimizer=sgd", "optimizer.lr=1e30", "schedule=constant", "callbacks.checkpoint.every_n_steps=1")
    config = composed("callbacks=[default]", *options)
    with pytest.raises(ValueError, match=r"the loss is nan in epoch 1 at batch \d \(training examples") as raised:
        train(config)
    page = (last_run(config) / "report.html").read_text()
    assert "ValueError: the loss is nan in epoch 1" in page and "Traceback" in page and "train.py resume=" in page
    batch = int(str(raised.value).split("at batch ")[1].split()[0])
    examples = on_cpu(build_data(config)).train_dataloader().sampler.draw(0)(batch - 1)
    assert f"(training examples {', '.join(map(str, examples[:8].tolist()))}, ...)" in str(raised.value)
    folder = last_run(config)
    assert record(folder)["status"] == "failed" and "the loss is nan" in record(folder)["error"]["message"]
    for path in step_checkpoints(folder):
        assert all(weight.isfinite().all() for weight in read_checkpoint(path)["state_dict"].values())


def test_a_step_that_is_left_out_changes_nothing(poisoned: Callable[..., DictConfig]) -> None:
    config = poisoned("callbacks.finite.skip=2")
    train(config)
    folder = last_run(config)
    assert record(folder)["status"] == "done"
    assert newest(folder)["callbacks"]["Finite"] == {"skipped": 2}  # once an epoch
    assert all(weight.isfinite().all() for weight in newest(folder)["state_dict"].values())
    assert all(float(row["value"]) < 100 for row in scalars(folder) if row["metric"] == "train/loss")


def test_one_too_many_stops_it(poisoned: Callable[..., DictConfig]) -> None:
    with pytest.raises(ValueError, match=r"the gradients are not finite in epoch 2 at batch \d .*, after 1 such steps"):
        train(poisoned("callbacks.finite.skip=1"))


def test_no_checkpoint_is_written_from_numbers_that_are_none(poisoned: Callable[..., DictConfig]) -> None:
    """The square of this one is too large, which the loss does not show."""
    config = poisoned("callbacks.checkpoint.every_n_steps=1", number="1e30")
    with pytest.raises(
        ValueError, match=r"net.features.2.running_var is no longer a finite number after step \d+, in epoch 1, so no"
    ):
        train(config)
    for path in step_checkpoints(last_run(config)):
        assert all(weight.isfinite().all() for weight in read_checkpoint(path)["state_dict"].values())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_step_of_several_batches_is_left_out_as_a_whole(poisoned: Callable[..., DictConfig], seed: int) -> None:
    config = poisoned("callbacks.finite.skip=4", "trainer.accumulate_grad_batches=2", f"seed={seed}")
    train(config)
    assert all(weight.isfinite().all() for weight in newest(last_run(config))["state_dict"].values())
