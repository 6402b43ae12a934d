"""LSTM language model (Zaremba et al. 2014, "Recurrent neural network regularization")."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from litmus.limits import Depth, Scale, Share, Size

State = tuple[Tensor, Tensor]


class LSTMLanguageModel(nn.Module):
    """An embedding, LSTM layers of the same width, a linear layer. Hand the state on from batch to batch, detached.

    Args:
        hidden: Width of the embedding and of every layer.
        dropout: Before, between and behind the layers, never from step to step.
        init_range: All parameters start evenly between minus and plus this.
    """

    def __init__(self, vocab_size: Size, hidden: Size, layers: Depth, dropout: Share, init_range: Scale) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, hidden)
        self.dropout = nn.Dropout(dropout)
        between = dropout if layers > 1 else 0.0  # torch warns of a dropout that has no place
        self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True, dropout=between)
        self.head = nn.Linear(hidden, vocab_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -init_range, init_range)

    def forward(
        self, tokens: Int[Tensor, "batch length"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch length vocab"], State | None]:  # an exported one ends in none
        sequence, state = self.lstm(self.dropout(self.tokens(tokens)), state)
        return self.head(self.dropout(sequence)), state
