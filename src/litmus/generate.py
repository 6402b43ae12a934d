"""Text from a language model, token by token."""

from collections.abc import Iterator
from pathlib import Path

import torch

from litmus.inference import load
from litmus.snapshot import load_config


def generate(folder: Path, prompt: str, tokens: int, temperature: float, top_k: int | None, seed: int) -> Iterator[str]:
    """The prompt, and piece by piece what the run goes on with.

    Args:
        tokens: How many are drawn.
        temperature: 1 draws from what the network says, less from what is likelier, 0 takes the likeliest.
        top_k: Draw from the likeliest only; None from all.

    Raises:
        ValueError: If the run is not a language model, or can't read the prompt.
    """
    if temperature < 0 or tokens < 1 or (top_k is not None and top_k < 1):
        raise ValueError(
            f"--temperature {temperature} must be 0 or more, --tokens {tokens} and --top-k {top_k} at least 1"
        )
    config = load_config(folder)
    module, data = load(config, folder)
    if not hasattr(data, "encode"):
        raise ValueError(f"{folder.name} is no language model: those of task=language_modelling can generate text")
    generator = torch.Generator().manual_seed(seed)
    net = module.net.eval()
    ids, state = data.encode(prompt), None
    yield prompt
    shown = len(data.decode(ids))
    fresh = ids if config.data.streams else ids[-config.data.context :]  # what the network has not read
    for _ in range(tokens):
        with torch.inference_mode():
            logits, state = net(torch.tensor([fresh]), state)
        ids.append(_draw(logits[0, -1, : len(data.vocabulary)], temperature, top_k, generator))
        fresh = ids[-config.data.context :] if state is None else ids[-1:]
        text = data.decode(ids)
        if not text.endswith("\ufffd"):  # half a character
            yield text[shown:]
            shown = len(text)


def _draw(logits: torch.Tensor, temperature: float, top_k: int | None, generator: torch.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    if top_k is not None and top_k < len(logits):
        logits = logits.masked_fill(logits < logits.topk(top_k).values[-1], -torch.inf)
    return int(torch.multinomial((logits / temperature).softmax(0), 1, generator=generator))
