"""A pretrained encoder under a linear layer on the mean or the first of its outputs, as transformers' classes."""

from typing import Any

import torch
from torch import nn
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class PooledForSequenceClassification(PreTrainedModel):
    """Logits of texts. `config.pooling` is `mean` or `first`; an attention mask tells text from padding."""

    base_model_prefix = "encoder"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.encoder = AutoModel.from_config(config)
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None
        self.head = nn.Linear(config.hidden_size, config.num_labels)
        start: Any = self.post_init
        start()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **others: Any,
    ) -> SequenceClassifierOutput:
        sequence = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.config.pooling == "first":
            pooled = sequence[:, 0]
        else:
            mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
            weights = mask.to(sequence.dtype)[..., None]
            pooled = (sequence * weights).sum(1) / weights.sum(1).clamp(min=1)
        logits = self.head(pooled)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)
