"""Texts to token ids and back, in batches; what is cut, empty or left out on the way is counted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any

from tokenizers import Tokenizer

from litmus.data.texts.tokenizer import Recipe, stop_word_ids

BATCH = 1000  # texts tokenised at once


class Vocabulary:
    """A trained tokenizer with the rules of a data set.

    Args:
        stop_words: Languages whose stop words are left out; None for none.
        max_length: Tokens that a longer text is cut to; None leaves it whole.
        unknown: Id that an empty text consists of; None leaves it empty.
    """

    def __init__(
        self, tokenizer: Tokenizer, stop_words: Sequence[str] | None, max_length: int | None, unknown: int | None
    ) -> None:
        self.tokenizer, self.max_length, self.unknown = tokenizer, max_length, unknown
        tokenizer.encode_special_tokens = True  # what looks like one in a text is text
        self.dropped = stop_word_ids(tokenizer, stop_words)
        self.framed = tokenizer.num_special_tokens_to_add(False) > 0  # such as [CLS] text [SEP]
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()

    def encode(self, texts: Iterable[str]) -> Iterator[list[int]]:
        """The ids of each text.

        Raises:
            ValueError: If a character is not in a vocabulary that has no token for what is unknown.
        """
        for some in _batches(texts):
            try:
                encodings = self.tokenizer.encode_batch_fast(some)
            except Exception as error:  # the package raises nothing narrower
                raise ValueError(
                    f"a part of the text is not among the {len(self)} tokens, and there is none for what is unknown: "
                    "leave it out, or train with 'data.unknown=\"<unk>\"' or a larger data.vocab_size"
                ) from error
            for encoding in encodings:
                yield self._ids(encoding)

    def runs(self, texts: Iterable[str]) -> Iterator[list[int]]:
        """The ids of one long text that comes in parts, some thousands at once."""
        for some in _batches(texts):
            yield [index for ids in self.encode(some) for index in ids]

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """What each token adds to the text, with the space before it."""
        texts = ["", *(self.decode(ids[:end]) for end in range(1, len(ids) + 1))]
        return [text[len(before) :] for before, text in pairwise(texts)]

    def _ids(self, encoding: Any) -> list[int]:
        ids: list[int] = encoding.ids
        if self.dropped:
            ids = [index for index in ids if index not in self.dropped]
        if not ids and self.unknown is not None:
            self.counts["empty"] += 1
            return [self.unknown]
        if self.max_length is not None and len(ids) > self.max_length:
            self.counts["cut"] += 1
            ids = [*ids[: self.max_length - 1], ids[-1]] if self.framed else ids[: self.max_length]
        return ids


def learn(recipe: Recipe, texts: Iterable[str], vocab_size: int | None, special: Sequence[str]) -> Tokenizer:
    """The tokenizer of training texts, which are read as they come.

    Raises:
        ValueError: If there is no room for a token.
    """
    if vocab_size is not None and vocab_size <= len(special):
        raise ValueError(f"data.vocab_size={vocab_size} leaves no room: {len(special)} tokens are special")
    return recipe.fit(_batches(texts), vocab_size, special)


def read_tokenizer(text: str) -> Tokenizer:
    """A tokenizer as it was kept.

    Raises:
        ValueError: If it is none.
    """
    try:
        return Tokenizer.from_str(text)
    except Exception as error:  # the package raises nothing narrower
        raise ValueError(f"the tokenizer of the run, or of the cache, can't be read: {error}") from error


def check_tokenizer(tokenizer: Tokenizer, before: Vocabulary | None, vocab_size: int | None, name: str) -> None:
    """Refuses a second tokenizer in a run, and one that is larger than declared.

    Args:
        before: What the run has so far.
        name: Of the data set.

    Raises:
        ValueError: With what to do.
    """
    if before is not None and before.tokenizer.get_vocab() != tokenizer.get_vocab():
        raise ValueError(
            f"the tokenizer of the checkpoint is not that of {name} as it is now: give the texts that the run was "
            "trained on, or start a new run"
        )
    size = tokenizer.get_vocab_size()
    if vocab_size is not None and size > vocab_size:
        raise ValueError(
            f"the tokenizer has {size} tokens and data.vocab_size={vocab_size}: give data.vocab_size={size}"
        )


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(texts)
    while some := list(islice(remaining, BATCH)):
        yield some
