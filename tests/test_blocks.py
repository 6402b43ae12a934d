"""Blocks that are computed again for their gradients change nothing but the memory that is needed."""

import copy

import pytest
import torch
from conftest import Compose
from hydra.utils import instantiate
from torch import Tensor, nn

from litmus.blocks import blocks, recompute

IMAGES = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
MODELS = {
    "cnn": (("model=cnn", "model.channels=[4,8]"), 2),
    "resnet20": (("model=resnet20",), 9),
    "wide_resnet": (("model=wide_resnet", "model.depth=10", "model.width=1"), 3),
    "transformer": (("model=transformer", "model.layers=2", "model.dropout=0.1"), 2),
    "cct": (("model=cct", "model.layers=2"), 2),
}


def network(composed: Compose, name: str) -> nn.Module:
    torch.manual_seed(0)
    built: nn.Module = instantiate(composed("data=digits", *MODELS[name][0]).model, _convert_="all")
    return built.train()


def gradients(net: nn.Module) -> list[Tensor]:
    torch.manual_seed(1)
    for _ in range(2):
        out: Tensor = net(IMAGES)
        out.square().sum().backward()  # type: ignore[no-untyped-call]
    return [weight.grad for weight in net.parameters() if weight.grad is not None]


@pytest.mark.parametrize("name", MODELS)
def test_gradients_names_and_statistics_stay_bit_for_bit(composed: Compose, name: str) -> None:
    plain, saving = network(composed, name), network(composed, name)
    recompute(saving, name)
    assert len(blocks(plain)) == MODELS[name][1]
    assert all(torch.equal(a, b) for a, b in zip(gradients(plain), gradients(saving), strict=True))
    ours, theirs = saving.state_dict(), plain.state_dict()
    assert list(ours) == list(theirs) and all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_what_is_in_a_block_is_not_kept(composed: Compose) -> None:
    kept = []
    for saves in (False, True):
        net, sizes = network(composed, "resnet20"), []
        if saves:
            recompute(net, "resnet20")
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=sizes: (s.append(t.numel()), t)[1], lambda t: t):
            net(IMAGES)
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 2


def test_a_copy_computes_with_its_own_weights(composed: Compose) -> None:
    net = network(composed, "transformer").eval()
    recompute(net, "transformer")
    other = copy.deepcopy(net)
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
    assert not net(IMAGES).any() and other(IMAGES).any()


def test_a_network_without_blocks_is_refused(composed: Compose) -> None:
    for model in ("mlp", "lstm"):
        net = instantiate(composed("data=digits", f"model={model}").model, _convert_="all")
        with pytest.raises(ValueError, match=f"{model} has no repeated blocks: leave it false"):
            recompute(net, model)
