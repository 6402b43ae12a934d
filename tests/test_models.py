"""Networks for images: the papers' sizes, golden first losses, and what must hold for every one of them."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn

from litmus.data.order import seed_of
from litmus.models.cnn import cnn
from litmus.models.lenet import LeNet
from litmus.models.resnet import Subsample, cifar_resnet
from litmus.models.stems import Pixels
from litmus.models.wide_resnet import WideResNet

SIZES = {  # of the papers, or of the authors' code where the paper rounds
    ("lenet", "mnist", ()): 61_706,
    ("resnet20", "cifar10", ()): 269_722,
    ("resnet32", "cifar10", ()): 464_154,
    ("resnet44", "cifar10", ()): 658_586,
    ("resnet56", "cifar10", ()): 853_018,
    ("resnet110", "cifar10", ()): 1_727_962,
    ("resnet18", "cifar10", ()): 11_173_962,
    ("cct", "cifar10", ()): 283_723,
    ("wide_resnet", "cifar10", ("model.depth=28", "model.width=10")): 36_479_194,
}
GOLDEN = {  # first training loss, seed 0, on 8 images of noise, CPU, one thread
    "airbench": 2.20804,
    "cct": 2.34391,
    "cnn": 2.42136,
    "lenet": 2.28622,
    "lstm": 2.35279,
    "mlp": 2.35488,
    "resnet110": 4.14284,
    "resnet18": 2.43925,
    "resnet20": 2.75617,
    "resnet32": 2.65092,
    "resnet44": 3.06774,
    "resnet56": 3.31080,
    "transformer": 2.31487,
    "wide_resnet": 2.35251,
}


def build(composed: Callable[..., DictConfig], model: str, *overrides: str) -> tuple[nn.Module, DictConfig]:
    config = composed(f"model={model}", "data=cifar10", *overrides)
    torch.manual_seed(0)
    return instantiate(config.model), config


def images(count: int = 8) -> torch.Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("model", "data", "overrides"), SIZES)
def test_parameter_counts_are_the_papers(
    composed: Callable[..., DictConfig], model: str, data: str, overrides: tuple[str, ...]
) -> None:
    net = instantiate(composed(f"model={model}", f"data={data}", *overrides).model)
    assert sum(p.numel() for p in net.parameters()) == SIZES[model, data, overrides]


@pytest.mark.parametrize("model", GOLDEN)
def test_first_loss_is_golden(composed: Callable[..., DictConfig], model: str) -> None:
    net, _ = build(composed, model)
    labels = torch.arange(8) % 10
    with torch.no_grad():
        loss = F.cross_entropy(net(images()), labels)
    assert loss.item() == pytest.approx(GOLDEN[model], abs=2e-4)


@pytest.mark.parametrize("model", GOLDEN)
def test_every_parameter_gets_a_gradient(composed: Callable[..., DictConfig], model: str) -> None:
    net, _ = build(composed, model)
    F.cross_entropy(net(images()), torch.arange(8) % 10).backward()
    trained = [(name, p.grad) for name, p in net.named_parameters() if p.requires_grad]
    without = [name for name, gradient in trained if gradient is None or not gradient.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize("model", GOLDEN)
def test_an_output_ignores_the_rest_of_its_batch(composed: Callable[..., DictConfig], model: str) -> None:
    net, _ = build(composed, model)
    net.eval()
    with torch.no_grad():
        torch.testing.assert_close(net(images())[3:4], net(images()[3:4]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("model", GOLDEN)
def test_memory_format_does_not_change_the_output(composed: Callable[..., DictConfig], model: str) -> None:
    net, _ = build(composed, model)
    net.eval()
    with torch.no_grad():
        expected = net(images())
        found = net.to(memory_format=torch.channels_last)(images().contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_option_a_keeps_every_second_pixel_and_adds_empty_channels() -> None:
    maps = torch.randn(2, 16, 8, 8)
    out = Subsample(16, 32, 2)(maps)
    assert out.shape == (2, 32, 4, 4)
    assert torch.equal(out[:, 8:24], maps[:, :, ::2, ::2])
    assert not out[:, :8].any() and not out[:, 24:].any()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: LeNet((1, 8, 8), 10), "28 x 28 to 32 x 32"),
        (lambda: cnn(Pixels((1, 8, 8)), 10, [8, 8, 8, 8], 16, 0.0), "allow 3"),
        (lambda: cifar_resnet((3, 32, 32), 10, 21), "6 n [+] 2"),
        (lambda: WideResNet((3, 32, 32), 10, 20, 1, 0.0), "6 n [+] 4"),
    ],
)
def test_a_shape_that_can_not_fit_is_refused(make: Callable[[], nn.Module], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


def test_seeds_of_different_keys_differ() -> None:
    assert len({seed_of(0, epoch, step) for epoch in range(50) for step in range(50)}) == 2500
