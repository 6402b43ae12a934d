"""The learning rate follows the batch size by the rule that was chosen, and a run says which rate it used."""

import pytest
from conftest import Compose
from runs import last_run, record

from litmus.build import build_module
from litmus.rate import scaled_rate
from train import train

HALF = ("optimizer.lr=0.4", "data.batch_size=64", "trainer.accumulate_grad_batches=2", "lr_scaling.batch_size=512")


@pytest.mark.parametrize(("rule", "rate"), [("null", 0.4), ("linear", 0.1), ("sqrt", 0.2)])
def test_the_rate_is_scaled_from_the_batch_that_it_is_meant_for(composed: Compose, rule: str, rate: float) -> None:
    config = composed(*HALF, f"lr_scaling.rule={rule}")
    assert scaled_rate(config) == pytest.approx(rate)
    assert build_module(config).optimizer.keywords["lr"] == pytest.approx(rate)


def test_the_record_has_the_rate_and_the_batch_of_all_devices(composed: Compose) -> None:
    config = composed(*HALF, "lr_scaling.rule=linear", "trainer.max_steps=2", "model=mlp")
    train(config)
    found = record(last_run(config))
    assert (found["lr"], found["batch_size"], found["world_size"]) == (pytest.approx(0.1), 128, 1)


def test_a_rule_without_what_it_needs_is_refused(composed: Compose) -> None:
    with pytest.raises(ValueError, match=r"lr_scaling.rule=cubic is none of linear, sqrt"):
        scaled_rate(composed("lr_scaling.rule=cubic"))
    with pytest.raises(ValueError, match=r"lr_scaling.rule=linear needs lr_scaling.batch_size"):
        scaled_rate(composed("lr_scaling.rule=linear"))
