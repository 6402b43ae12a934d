"""Convolution over the words of a sentence (Kim 2014, "Convolutional neural networks for sentence classification"):
CNN-rand, whose word vectors are learned."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from litmus.limits import Scale, Share, Size, Sizes
from litmus.models.stems import Tokens


class TextCNN(nn.Module):
    """Filters over a few neighbouring words, the maximum of each over the sentence, a linear layer.

    Args:
        widths: Words that a filter covers.
        maps: Filters of each width.
        dropout: On the maxima.
        max_norm: Cap on the weights of each output.
    """

    def __init__(self, stem: Tokens, outputs: Size, widths: Sizes, maps: Size, dropout: Share, max_norm: Scale) -> None:
        super().__init__()
        self.stem, self.max_norm = stem, max_norm
        # Padded by all but one word, as in the author's code: a sentence may be shorter than a filter.
        self.convs = nn.ModuleList(nn.Conv1d(stem.width, maps, width, padding=width - 1) for width in widths)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(maps * len(widths), outputs)

    def forward(self, tokens: Int[Tensor, "batch length"]) -> Float[Tensor, "batch outputs"]:
        words, mask = self.stem(tokens)
        maxima = []
        for conv in self.convs:
            maps = F.relu(conv(words.transpose(1, 2)))
            touched = F.pad(mask, (maps.shape[2] - mask.shape[1], 0), value=True)  # windows with a word in them
            maxima.append((maps * touched[:, None]).amax(2))
        if self.training:
            self._cap()
        out: Tensor = self.head(self.dropout(torch.cat(maxima, dim=1)))
        return out

    @torch.no_grad()
    def _cap(self) -> None:
        """Scales rows down that the last step made too long, as the paper does after each step."""
        self.head.weight.copy_(torch.renorm(self.head.weight, p=2, dim=0, maxnorm=self.max_norm))
