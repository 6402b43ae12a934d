"""An LSTM on texts, fed in one of three ways: `python -m benchmarks.bare_texts WAY STEPS OVERRIDE ...`.

WAY is `bucketed` (as in a run), `random` (padded to the longest of a random batch) or `packed` (the same, through
torch's packed sequences). Prints examples per second.
"""

import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from litmus.build import build_data
from litmus.config import register


class Packed(nn.Module):
    """The network of conf/model/lstm.yaml around torch's own bidirectional LSTM and packed sequences."""

    def __init__(self, net: Any, hidden: int) -> None:
        super().__init__()
        self.net = net
        self.lstm = nn.LSTM(128, hidden, batch_first=True, bidirectional=True)

    def forward(self, tokens: Tensor) -> Tensor:
        sequence, mask = self.net.stem(tokens)
        packed = pack_padded_sequence(self.net.dropout(sequence), mask.sum(1), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        pooled = self.net.pool(states, mask[:, : states.shape[1]])
        out: Tensor = self.net.head(self.net.dropout(pooled))
        return out


def main(way: str, steps: int, overrides: list[str]) -> float:
    from pytorch_lightning import Trainer

    register()
    with initialize_config_dir(str(Path(__file__).parents[1] / "conf"), version_base="1.3"):
        window = [] if way == "bucketed" else ["data.window=1"]
        config = compose("config", [*overrides, *window, "name=bare"])
    torch.manual_seed(config.seed)
    data = build_data(config)
    data.trainer = Trainer(accelerator="cpu", devices=1, logger=False, enable_checkpointing=False)
    data.prepare_data()
    data.setup("fit")
    net = instantiate(config.model, _convert_="all")
    if way == "packed":
        net = Packed(net, config.model.hidden)
    optimizer = instantiate(config.optimizer, _convert_="all")(net.parameters())
    batches = iter(data.train_dataloader())
    start = time.perf_counter()
    for step in range(steps + 5):
        if step == 5:  # the first ones warm up
            start = time.perf_counter()
        tokens, labels = next(batches)
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(net(tokens), labels))
        optimizer.step()
    return float(steps * data.batch_size) / (time.perf_counter() - start)


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
