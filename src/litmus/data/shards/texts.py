"""Texts out of shards: tokenised on the way, batches of texts of like length."""

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import get_worker_info

from litmus.data.cache import build_once, key_of
from litmus.data.shards.prepared import Part, Prepared
from litmus.data.shards.reader import LENGTH, TEXT
from litmus.data.shards.rows import Decode, Lengths, Rows
from litmus.data.shards.shard_data import ShardData
from litmus.data.texts.tokenised import SPECIAL, TokenisedTexts
from litmus.data.texts.tokenizer import Recipe
from litmus.data.texts.vocabulary import Vocabulary, learn, read_tokenizer


class TextShards(TokenisedTexts, ShardData):
    """Texts, whose tokenizer is learned once, from some of those to train on.

    Args:
        tokenizer: Learns the vocabulary.
        vocab_size: The most tokens it may have; None for no limit.
        vocabulary_texts: It is learned from so many at most.
        max_length: Tokens; longer texts are cut.
        padding: Id of the token that fills a batch up; held against the tokenizer.
    """

    kind = TEXT

    def __init__(
        self,
        tokenizer: Recipe,
        vocab_size: int | None,
        vocabulary_texts: int,
        max_length: int,
        padding: int,
        **shards: Any,
    ) -> None:
        super().__init__(**shards)
        if vocabulary_texts < 1:
            raise ValueError(f"data.vocabulary_texts={vocabulary_texts} is not at least 1")
        self.vocabulary_texts = vocabulary_texts
        self.declare(" and ".join(self.paths), tokenizer, vocab_size, max_length, padding, ["utf-8"])

    def prepare_data(self) -> None:
        if self.vocabulary is None:  # else it is that of the run whose state was loaded
            build_once(self._folder, self._learn)

    def setup(self, stage: str) -> None:
        super().setup(stage)
        if self.vocabulary is None:
            self.adopt(read_tokenizer((self._folder / "tokenizer.json").read_text()))

    def decode(self) -> Decode:
        assert self.vocabulary is not None
        return Ids(self.vocabulary, self.padding)

    def lengths(self, parts: Sequence[tuple[Prepared, Part]], capacities: Sequence[int]) -> Lengths:
        columns = [{f"{prepared.manifest.inputs[0]}_length": LENGTH} for prepared, _ in parts]
        return Lengths(Rows(parts, columns, capacities))

    @cached_property
    def _folder(self) -> Path:
        """Of the tokenizer: another one for each content, and each way to learn it."""
        content = [prepared.fingerprint(part.split) for prepared, part in self.parts("train")]
        how = [type(self.recipe).__name__, vars(self.recipe), self.vocab_size, self.vocabulary_texts]
        return self.cache / f"tokenizer-{key_of([content, self.weights, self.validation, how])}"

    def _learn(self, folder: Path) -> None:
        learn(self.recipe, self._texts(), self.vocab_size, SPECIAL).save(str(folder / "tokenizer.json"))

    def _texts(self) -> Iterator[str]:
        """The first texts of each data set, as many as its weight asks for, block by block."""
        parts = self.parts("train")
        weights = self.weights or [part.rows for _, part in parts]
        for (prepared, part), weight in zip(parts, weights, strict=True):
            rows = Rows([(prepared, part)], [{prepared.manifest.inputs[0]: TEXT}], [1])
            count = min(len(rows), max(1, round(self.vocabulary_texts * weight / sum(weights))))
            for some in torch.split(torch.arange(count), part.blocks.block_rows):
                for table in rows.take(some):
                    yield from table.column(0).to_pylist()


class Ids:
    """Texts to ids [batch, longest], filled up on the right."""

    def __init__(self, vocabulary: Vocabulary, padding: int) -> None:
        self.vocabulary, self.padding = vocabulary, padding

    def __call__(self, tables: list[Any]) -> Tensor:
        if get_worker_info() is not None:
            os.environ["TOKENIZERS_PARALLELISM"] = "false"  # or it warns of the fork
        texts = (text for table in tables for text in table.column(0).to_pylist())
        ids = [torch.tensor(some) for some in self.vocabulary.encode(texts)]
        return pad_sequence(ids, batch_first=True, padding_value=self.padding)
