"""The loop that everybody writes first: `python -m benchmarks.bare_loop STEPS EPOCHS OVERRIDE ...`, no Lightning, no
logging, no metrics, no checkpoints. Prints examples per second of the median epoch after the first."""

import statistics
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from litmus.config import register


def main(steps: int, epochs: int, overrides: list[str]) -> float:
    register()
    with initialize_config_dir(str(Path(__file__).parents[1] / "conf"), version_base="1.3"):
        config = compose("config", [*overrides, "name=bare"])
    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = instantiate(config.data, _convert_="all")
    images, labels = (torch.from_numpy(array).to(device) for array in data.source.load(data.root, "train"))
    net = instantiate(config.model, _convert_="all").to(device, memory_format=torch.channels_last)
    optimizer = instantiate(config.optimizer, _convert_="all")(net.parameters())
    generator = torch.Generator(device).manual_seed(config.seed)
    rates: list[float] = []
    for _ in range(epochs):
        order = torch.randperm(len(labels), device=device)
        start = time.perf_counter()
        for step in range(steps):
            chosen = order[step * data.batch_size : (step + 1) * data.batch_size]
            batch = data.normalise(data.augment(images[chosen], generator))
            loss = F.cross_entropy(net(batch), labels[chosen])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        rates.append(steps * data.batch_size / (time.perf_counter() - start))
    return statistics.median(rates[1:])


if __name__ == "__main__":
    print(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
