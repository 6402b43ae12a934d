"""Recurrent classifiers: LSTM (Hochreiter & Schmidhuber 1997), GRU (Cho et al. 2014) and plain recurrence (Elman 1990),
in one or both directions (Schuster & Paliwal 1997)."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from litmus.limits import Depth, Share, Size
from litmus.models.pooling import Kind, Pooling
from litmus.models.stems import Stem

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class Layer(nn.Module):
    """One recurrent layer. The backward direction reads a sequence that is reversed within its own length.

    That is what torch does with packed sequences, which take a CPU 3 to 5 times as long. Padding stays behind what is
    there in both directions, so nothing of it is ever read.
    """

    def __init__(self, cell: str, inputs: int, hidden: int, bidirectional: bool) -> None:
        super().__init__()
        self.ahead = CELLS[cell](inputs, hidden, batch_first=True)
        self.back = CELLS[cell](inputs, hidden, batch_first=True) if bidirectional else None

    def forward(
        self, sequence: Float[Tensor, "batch length inputs"], mirror: Int[Tensor, "batch length"] | None
    ) -> Float[Tensor, "batch length features"]:
        ahead: Tensor = self.ahead(sequence)[0]
        if self.back is None:
            return ahead
        back: Tensor = self.back(reverse(sequence, mirror))[0]
        return torch.cat([ahead, reverse(back, mirror)], dim=2)


def reverse(
    sequence: Float[Tensor, "batch length width"], mirror: Int[Tensor, "batch length"] | None
) -> Float[Tensor, "batch length width"]:
    """Each sequence back to front; twice is the sequence itself."""
    if mirror is None:
        return sequence.flip(1)
    return sequence[torch.arange(mirror.shape[0], device=mirror.device)[:, None], mirror]


def mirrored(mask: Bool[Tensor, "batch length"]) -> Int[Tensor, "batch length"]:
    """The step that changes places with each step; padding keeps its own."""
    steps = torch.arange(mask.shape[1], device=mask.device)
    return torch.where(mask, mask.sum(1, keepdim=True) - 1 - steps, steps)


class LSTM(nn.Module):
    """Recurrent layers, pooling over the steps, a linear layer.

    Args:
        hidden: Width of each direction.
        forget_bias: Of an LSTM's forget gates at the start, on top of what torch draws: 1 keeps what is far back
            (Gers et al. 2000; Jozefowicz et al. 2015).
        pooling: `last` takes the end of each direction.
        dropout: On the vectors of tokens, of which a text can spare some, and on the pooled vector.
    """

    def __init__(
        self,
        stem: Stem,
        outputs: Size,
        cell: Literal["lstm", "gru", "rnn"],
        hidden: Size,
        layers: Depth,
        bidirectional: bool,
        pooling: Kind,
        dropout: Share,
        forget_bias: float = 0.0,
    ) -> None:
        super().__init__()
        width = 2 * hidden if bidirectional else hidden
        self.stem = stem
        self.layers = nn.ModuleList(
            Layer(cell, width if index else stem.width, hidden, bidirectional) for index in range(layers)
        )
        if forget_bias:
            self._remember(forget_bias)
        self.ends = bidirectional and pooling == "last"
        self.pool = Pooling(pooling, width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, outputs)

    @torch.no_grad()
    def _remember(self, bias: float) -> None:
        """Adds to the biases of the forget gates.

        Raises:
            ValueError: If the cells have none.
        """
        for part in self.modules():
            if isinstance(part, nn.GRU | nn.RNN):
                raise ValueError(f"model.forget_bias={bias} is for model.cell=lstm: leave it at 0")
            if isinstance(part, nn.LSTM):
                gates: Tensor = part.get_parameter("bias_ih_l0")
                gates[part.hidden_size : 2 * part.hidden_size] += bias  # torch's order: in, forget, cell, out

    def forward(self, inputs: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "batch outputs"]:
        sequence, mask = self.stem(inputs)
        if self.stem.varies:
            sequence = self.dropout(sequence)
        mirror = None if mask is None else mirrored(mask)
        for layer in self.layers:
            sequence = layer(sequence, mirror)
        if self.ends:
            ahead, back = sequence.chunk(2, dim=2)
            pooled = torch.cat([self.pool(ahead, mask), back[:, 0]], dim=1)
        else:
            pooled = self.pool(sequence, mask)
        out: Tensor = self.head(self.dropout(pooled))
        return out
