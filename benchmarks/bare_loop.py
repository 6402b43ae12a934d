"""The loop that everybody writes first: `python -m benchmarks.bare_loop STEPS EPOCHS OVERRIDE ...`, no Lightning, no
logging, no metrics, no checkpoints. Prints examples per second of the median epoch after the first."""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor, nn

from litmus.config import register

Loss = Callable[[nn.Module, Tensor], Tensor]  # of a network, for a tensor of random indices


def main(steps: int, epochs: int, overrides: list[str]) -> float:
    register()
    with initialize_config_dir(str(Path(__file__).parents[1] / "conf"), version_base="1.3"):
        config = compose("config", [*overrides, "name=bare"])
    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = instantiate(config.data, _convert_="all")
    data.prepare_data()
    size, loss_of = (text if "context" in config.data else images)(config, data, device)
    net = instantiate(config.model, _convert_="all").to(device, memory_format=torch.channels_last)
    optimizer = instantiate(config.optimizer, _convert_="all")(net.parameters())
    rates: list[float] = []
    for _ in range(epochs):
        start = time.perf_counter()
        for _ in range(steps):
            loss = loss_of(net, torch.randint(size, (data.batch_size,), device=device))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            if config.clip is not None:
                nn.utils.clip_grad_norm_(net.parameters(), config.clip)
            optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        rates.append(steps * data.batch_size / (time.perf_counter() - start))
    return statistics.median(rates[1:])


def images(config: DictConfig, data: Any, device: torch.device) -> tuple[int, Loss]:
    """All images in memory, augmented as in the run."""
    pixels, labels = (torch.from_numpy(array).to(device) for array in data.source.load(data.root, "train"))
    generator = torch.Generator(device).manual_seed(config.seed)

    def loss(net: nn.Module, chosen: Tensor) -> Tensor:
        batch = data.normalise(data.augment(pixels[chosen], generator))
        return F.cross_entropy(net(batch), labels[chosen])

    return len(labels), loss


def text(config: DictConfig, data: Any, device: torch.device) -> tuple[int, Loss]:
    """All tokens in memory, windows that start anywhere."""
    data.setup("fit")
    ids = torch.from_numpy(data.sets["train"].store.ids.astype("int64")).to(device)
    offsets = torch.arange(config.data.context + 1, device=device)

    def loss(net: nn.Module, starts: Tensor) -> Tensor:
        window = ids[starts[:, None] + offsets]
        logits, _ = net(window[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())

    return len(ids) - len(offsets), loss


if __name__ == "__main__":
    print(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
