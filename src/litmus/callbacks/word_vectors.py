"""Word vectors from a GloVe or word2vec text file, put in place of the random ones before training."""

import logging
from pathlib import Path

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import nn

log = logging.getLogger(__name__)


class WordVectors(Callback):
    """Sets the rows of the network's embedding whose words stand in the file; the others stay as they are.

    Args:
        path: A word and its numbers on each line, between spaces; a first line with two numbers (word2vec) is skipped.
        frozen: Keep them as they are in training.

    Raises:
        ValueError: If there is no such file, no embedding of tokens, or the sizes differ.
    """

    def __init__(self, path: str | None, frozen: bool) -> None:
        if path is None or not Path(path).is_file():
            raise ValueError(f"callbacks.word_vectors.path={path} is not a file of word vectors")
        self.path, self.frozen = Path(path), frozen

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        vocabulary = getattr(trainer.datamodule, "vocabulary", None)  # type: ignore[attr-defined]
        embedding = next((part for part in pl_module.modules() if isinstance(part, nn.Embedding)), None)
        if vocabulary is None or embedding is None:
            raise ValueError("callbacks.word_vectors needs texts and a network with an embedding of their tokens")
        found = self._read(vocabulary.tokenizer.get_vocab(), embedding)
        log.info(f"{found:,} of {len(vocabulary):,} words have a vector in {self.path}")
        embedding.weight.requires_grad_(not self.frozen)

    def _read(self, ids: dict[str, int], embedding: nn.Embedding) -> int:
        found, size = 0, embedding.embedding_dim
        with open(self.path, encoding="utf-8", errors="replace") as file, torch.no_grad():
            for number, line in enumerate(file, 1):
                word, *numbers = line.rstrip().rsplit(" ", size)  # a few of GloVe's words hold spaces
                if (number == 1 and len(numbers) == 1) or word not in ids:
                    continue
                try:
                    vector = [float(value) for value in numbers]
                except ValueError as error:
                    raise ValueError(f"{self.path}:{number} is no vector: {error}") from error
                if len(vector) != size:
                    raise ValueError(
                        f"{self.path}:{number} has a vector of {len(vector)} numbers and the network's have {size}: "
                        "give a file or a network with the other size"
                    )
                embedding.weight[ids[word]] = torch.tensor(vector)
                found += 1
        return found
