"""What data modules of labelled texts share: the run's tokenizer, which travels with it, and texts for prediction."""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from litmus.data.texts.records import TABLES, Lines
from litmus.data.texts.tokenizer import Recipe
from litmus.data.texts.vocabulary import Vocabulary, check_tokenizer, read_tokenizer

SPECIAL = ("[PAD]", "[UNK]")  # the first fills a batch up, the last stands for what is not in the vocabulary
LONGEST = 1 << 20  # tokens of a text
PADDINGS = (SPECIAL[0], "<pad>")  # names of the first in pretrained tokenizers


class TokenisedTexts(LightningDataModule):
    """Texts as ids of a tokenizer that is learned once."""

    vocabulary: Vocabulary | None = None

    def declare(
        self,
        data_name: str,
        recipe: Recipe,
        vocab_size: int | None,
        max_length: int,
        padding: int,
        encodings: Sequence[str],
    ) -> None:
        """Takes what holds for all texts.

        Args:
            data_name: For people.
            recipe: Learns the tokenizer.
            vocab_size: The most tokens it may have; None for no limit.
            max_length: Tokens that longer texts are cut to.
            padding: Id of the token that fills a batch up; held against the tokenizer.
            encodings: Of files to predict from, tried in turn.

        Raises:
            ValueError: If no text can be so long.
        """
        if not 1 <= max_length <= LONGEST:
            raise ValueError(f"data.max_length={max_length} is not from 1 to {LONGEST}")
        self.data_name, self.recipe, self.vocab_size, self.max_length = data_name, recipe, vocab_size, max_length
        self.padding, self.encodings = padding, list(encodings)

    def state_dict(self) -> dict[str, Any]:
        """The tokenizer, which a run needs to read new texts."""
        return {"tokenizer": self.vocabulary.tokenizer.to_str()} if self.vocabulary else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.adopt(read_tokenizer(state_dict["tokenizer"]))

    def examples(self, path: Path) -> Iterator[tuple[str, Tensor]]:
        """Place and ids [length] of each line of a file, for prediction."""
        assert self.vocabulary is not None
        if path.suffix in TABLES:
            raise ValueError(f"{path} is a table: give a file with a text on each line")
        places: deque[str] = deque()  # of the texts that are being encoded

        def texts() -> Iterator[str]:
            for record in Lines(None).read(path, self.encodings):
                if record.broken:
                    raise ValueError(f"{record.where} can't be read: {record.broken}")
                if record.text.strip():
                    places.append(record.where)
                    yield record.text.rstrip("\r\n")

        for ids in self.vocabulary.encode(texts()):
            yield places.popleft(), torch.tensor(ids)

    def example(self, text: str) -> Tensor:
        """Ids [length] of a text."""
        assert self.vocabulary is not None
        return torch.tensor(next(self.vocabulary.encode([text])))

    def preprocessing(self) -> dict[str, Any]:
        """What stands between a text and the network besides the tokenizer, in plain values: encodings of files, the
        most tokens, the ids for padding and for an empty text, ids that are left out, and whether tokens frame a text,
        of which the last is never cut off."""
        assert self.vocabulary is not None
        return {
            "kind": "text",
            "encodings": self.encodings,
            "max_length": self.max_length,
            "padding": self.padding,
            "empty": self.vocabulary.unknown,
            "left_out": sorted(self.vocabulary.dropped),
            "framed": self.vocabulary.framed,
        }

    def batch(self, examples: Sequence[Tensor]) -> Tensor:
        """Ids [batch, longest], ready for the network."""
        return pad_sequence(list(examples), batch_first=True, padding_value=self.padding)

    def words(self, tokens: Tensor) -> str:
        """The text behind a row of ids."""
        assert self.vocabulary is not None
        return self.vocabulary.decode(tokens[tokens != self.padding].tolist())

    def adopt(self, tokenizer: Tokenizer) -> None:
        """Takes the tokenizer of this run.

        Raises:
            ValueError: If there is another one already, or it does not fit what is declared.
        """
        check_tokenizer(tokenizer, self.vocabulary, self.vocab_size, self.data_name)
        found = [index for name in PADDINGS if (index := tokenizer.token_to_id(name)) is not None]
        if not found:
            raise ValueError(
                f"the tokenizer has no token {' or '.join(PADDINGS)} to fill batches up with: take another one"
            )
        if found[0] != self.padding:
            raise ValueError(
                f"the tokenizer fills batches up with {found[0]} and data.padding={self.padding}: "
                f"give data.padding={found[0]}"
            )
        self.vocabulary = self.vocabulary_of(tokenizer)

    def vocabulary_of(self, tokenizer: Tokenizer) -> Vocabulary:
        """The tokenizer with the rules of these texts."""
        unknown = tokenizer.token_to_id(SPECIAL[1])
        stop_words = getattr(self.recipe, "stop_words", None)
        return Vocabulary(tokenizer, stop_words, self.max_length, self.padding if unknown is None else unknown)
