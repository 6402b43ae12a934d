"""The parts of airbench94: whitening, lookahead, the biases' rate, the views; and runs that hold out nothing."""

from collections.abc import Callable

import pytest
import torch
from conftest import on_cpu
from omegaconf import DictConfig
from runs import last_run, newest, record, weights

from litmus.build import build_data, build_module
from litmus.models.airbench import Airbench
from train import train

Compose = Callable[..., DictConfig]
SMALL = ("model=airbench", "model.widths=[8]", "optimizer=sgd", "callbacks=[default,lookahead,whiten]", "epochs=2")


def network(views: int = 6) -> Airbench:
    torch.manual_seed(0)
    return Airbench([3, 32, 32], 10, [64, 256, 256], 1 / 9, views)


def test_it_has_the_papers_parameters_and_begins_as_the_identity() -> None:
    net = network()
    assert sum(part.numel() for part in net.parameters()) == 1_972_792
    second = net.groups[1][0].weight
    assert torch.equal(second[:64], torch.nn.init.dirac_(torch.empty(64, 64, 3, 3)))


def test_what_was_whitened_has_no_correlations_left() -> None:
    images = torch.randn(200, 3, 32, 32).cumsum(3) / 4
    net = network()
    net.fit_whitening(images)
    maps = net.whiten(images)[:, :12].transpose(0, 1).flatten(1)
    assert torch.allclose(maps @ maps.T / maps.shape[1], torch.eye(12), atol=0.05)
    assert torch.equal(net.whiten.weight[:12], -net.whiten.weight[12:])


def test_an_image_and_its_mirror_image_are_judged_alike() -> None:
    one, two, six = (network(views).eval() for views in (1, 2, 6))
    images = torch.randn(4, 3, 32, 32)
    assert torch.allclose(two(images), two(images.flip(3)), atol=1e-5)
    assert torch.allclose(two(images), (one(images) + one(images.flip(3))) / 2, atol=1e-6)
    wider = torch.nn.functional.pad(images, (1, 1, 1, 1), mode="reflect")
    shifted = (two(wider[:, :, :32, :32]) + two(wider[:, :, 2:, 2:])) / 2
    assert torch.allclose(six(images), (two(images) + shifted) / 2, atol=1e-6)
    with pytest.raises(ValueError, match=r"model\.views=3"):
        network(views=3)


def test_biases_learn_fast_and_their_decay_is_that_of_the_others(composed: Compose) -> None:
    module = build_module(composed("experiment=airbench94"))
    module.trainer = FiniteTrainer()
    others, biases = module.configure_optimizers()["optimizer"].param_groups
    assert len(biases["params"]) == 6 and len(others["params"]) == 8
    assert biases["initial_lr"] == pytest.approx(64 * 1.5) and others["initial_lr"] == 1.5
    assert biases["lr"] * biases["weight_decay"] == pytest.approx(others["lr"] * others["weight_decay"])
    assert 1.5 * others["weight_decay"] == pytest.approx(0.0153 / (1 + 1 / 0.15), rel=1e-4)


def test_the_run_ends_with_the_average_and_the_first_layer_stays(composed: Compose) -> None:
    config = composed(*SMALL, "data.validation=0.0", "callbacks.whiten.bias_epochs=0", "callbacks.lookahead.every=1000")
    train(config)
    folder = last_run(config)
    found, state = weights(folder), newest(folder)
    (average,) = (each["average"] for each in state["callbacks"].values() if "average" in each)
    values = [value for name, value in found.items() if name.startswith("net.") and value.is_floating_point()]
    assert all(torch.equal(a, b) for a, b in zip(average, values, strict=True))  # nothing was averaged but the start
    data = on_cpu(build_data(config))
    fitted = build_module(config).net
    fitted.fit_whitening(data.normalise(data.train_set[torch.arange(len(data.train_set))][0]))
    assert torch.allclose(found["net.whiten.weight"], fitted.whiten.weight, atol=1e-5)
    assert not found["net.whiten.bias"].any()


def test_a_run_that_holds_out_nothing_trains_on_all_and_tests_the_last_step(composed: Compose) -> None:
    config = composed("data.validation=0.0", "model.channels=[8]", "model.hidden=16", "epochs=2")
    train(config)
    found = record(last_run(config))
    assert found["status"] == "done" and "objective" not in found and found["metrics"]["test/accuracy"] > 0.2
    assert not any(name.startswith("val/") for name in found["metrics"])
    assert len(on_cpu(build_data(config)).train_set) == 1437


class FiniteTrainer:
    estimated_stepping_batches = 476
