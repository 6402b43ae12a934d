"""A pretrained transformer from the Hugging Face hub under a linear layer (Devlin et al. 2019, "BERT", section 3.2)."""

import re
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from litmus.limits import Count, Share, Size
from litmus.models.decay import decay_matrices
from litmus.models.pooling import Pooling
from litmus.models.stems import present

LAYER = re.compile(r"\.(\d+)\.")  # such as encoder.layer.3.output, h.3.mlp or layers.3.attn


class HF(nn.Module):
    """The encoder of a checkpoint, pooling over the tokens, dropout, a linear layer.

    Args:
        checkpoint: A folder that holds one, or a name on the hub.
        tokenizer: The checkpoint whose tokenizer cuts the texts: the same one.
        padding: Id that fills a batch up behind its shorter texts.
        max_length: Tokens that longer texts are cut to.
        frozen: Leave the encoder as it is, and train the linear layer only.
        pooling: `first` for models trained on a [CLS] token, `mean` for sentence embeddings.
        lr_decay: Factor on the learning rate from layer to layer, downwards; 1.0 for one rate (Sun et al. 2019, "How to
            fine-tune BERT for text classification", section 5.3.3).
        dropout: On the pooled vector.

    Raises:
        ValueError: If there is no such checkpoint, or it can not read texts as long.
    """

    def __init__(
        self,
        checkpoint: str,
        tokenizer: str,
        outputs: Size,
        padding: Count,
        max_length: Size,
        frozen: bool,
        pooling: Literal["mean", "first"],
        lr_decay: Share,
        dropout: Share,
    ) -> None:
        super().__init__()
        if tokenizer != checkpoint:
            raise ValueError(
                f"tokenizer.checkpoint={tokenizer} is not that of model.checkpoint={checkpoint}: leave it out"
            )
        self.padding, self.frozen, self.lr_decay = padding, frozen, lr_decay
        self.encoder = load(checkpoint)
        config: Any = self.encoder.config
        longest = getattr(config, "max_position_embeddings", None)
        if longest is not None and max_length > longest:
            raise ValueError(
                f"data.max_length={max_length} is more than the {longest} tokens that model.checkpoint={checkpoint} "
                f"can read: set data.max_length={longest}"
            )
        self.encoder.requires_grad_(not frozen)
        self.pool = Pooling(pooling, config.hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(config.hidden_size, outputs)

    def forward(self, tokens: Int[Tensor, "batch length"]) -> Float[Tensor, "batch outputs"]:
        mask = present(tokens, self.padding)
        sequence = self.encoder(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
        out: Tensor = self.head(self.dropout(self.pool(sequence, mask)))
        return out

    def train(self, mode: bool = True) -> "HF":
        super().train(mode)
        if self.frozen:
            self.encoder.eval()  # no dropout in what is not trained
        return self

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The head and the top layer at the full rate, each layer below at `lr_decay` times that of the one above."""
        layers: dict[int, list[nn.Parameter]] = {}
        depth = 0  # the embeddings come first; what follows the last layer goes with it
        for name, parameter in self.encoder.named_parameters():
            found = LAYER.search(f".{name}")
            depth = int(found[1]) + 1 if found else depth
            layers.setdefault(depth, []).append(parameter)
        groups = decay_matrices(self.head.parameters())
        for depth, parameters in layers.items():
            scale = self.lr_decay ** (max(layers) - depth)
            groups += [{**group, "lr_scale": scale} for group in decay_matrices(parameters)]
        return groups


def load(checkpoint: str) -> nn.Module:
    """The transformer of a checkpoint, in single precision, without a pooling layer of its own."""
    from transformers import AutoModel
    from transformers.utils import logging

    cast(Any, logging).disable_progress_bar()  # it would stand in log files, too
    try:
        encoder: Any = AutoModel.from_pretrained(
            checkpoint,
            dtype=torch.float32,
            trust_remote_code=False,  # left out, it asks whether to run what stands beside the weights
            use_safetensors=True,  # never a pickle
        )
    except Exception as error:  # safetensors and huggingface_hub have their own, which share no base
        raise ValueError(
            f"model.checkpoint={checkpoint} can't be loaded: give a folder that holds one, or the name of a checkpoint "
            f"on the hub that can be reached ({str(error).splitlines()[0]})"
        ) from error
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # never used here, so it would never get a gradient
    return cast(nn.Module, encoder.train())  # it comes without dropout, and Lightning leaves it so
