"""How a text is cut into tokens. Each class trains a Hugging Face tokenizer on training texts, or loads one; what a
tokenizer does to a text (small letters, tags) is part of it, so it travels with a run."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from litmus.limits import Count

TAG = Regex(r"</?[A-Za-z][^<>]*>")
ENDLESS = re.compile(r"\S{512}")
UNLIMITED = 1 << 31


@runtime_checkable
class Recipe(Protocol):
    """One of the classes below."""

    def fit(self, batches: Iterator[list[str]], vocab_size: int | None, special: Sequence[str]) -> Tokenizer:
        """A tokenizer of at most `vocab_size` tokens.

        Args:
            special: Tokens that take the first ids; the last of them stands for what is unknown.
        """


class Words:
    """Words between spaces, and if asked each run of punctuation marks.

    Args:
        strip_tags: Take HTML tags for spaces.
        min_count: Of a word in the training texts; rarer ones are unknown.
        stop_words: Languages (ISO 639-1) whose most common words are left out.
    """

    def __init__(
        self, lowercase: bool, strip_tags: bool, punctuation: bool, min_count: Count, stop_words: Sequence[str] | None
    ) -> None:
        self.lowercase, self.strip_tags, self.punctuation = lowercase, strip_tags, punctuation
        self.min_count, self.stop_words = min_count, stop_words

    def fit(self, batches: Iterator[list[str]], vocab_size: int | None, special: Sequence[str]) -> Tokenizer:
        tokenizer = _empty(models.WordLevel, special)
        tokenizer.normalizer = _normalizer(self.lowercase, self.strip_tags)
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace() if self.punctuation else pre_tokenizers.WhitespaceSplit()
        return _train_words(tokenizer, batches, vocab_size, self.min_count, special)


class Characters:
    """Every character, spaces and line ends too."""

    def __init__(self, lowercase: bool, min_count: Count, stop_words: Sequence[str] | None) -> None:
        self.lowercase, self.min_count, self.stop_words = lowercase, min_count, stop_words

    def fit(self, batches: Iterator[list[str]], vocab_size: int | None, special: Sequence[str]) -> Tokenizer:
        tokenizer = _empty(models.WordLevel, special)
        tokenizer.normalizer = _normalizer(self.lowercase, strip_tags=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        tokenizer.decoder = decoders.Fuse()
        return _train_words(tokenizer, batches, vocab_size, self.min_count, special)


class Bpe:
    """Byte-pair encoding over bytes, as in GPT-2 (Sennrich 2016, Radford 2019)."""

    def __init__(self, lowercase: bool) -> None:
        self.lowercase = lowercase

    def fit(self, batches: Iterator[list[str]], vocab_size: int | None, special: Sequence[str]) -> Tokenizer:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.normalizer = _normalizer(self.lowercase, strip_tags=False)
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        batches = _with_ends(batches)
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size or UNLIMITED,
            special_tokens=list(special),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(batches, trainer)
        return tokenizer


class WordPiece:
    """Pieces of words, Chinese characters one by one, as in BERT (Devlin 2019)."""

    def __init__(self, lowercase: bool) -> None:
        self.lowercase = lowercase

    def fit(self, batches: Iterator[list[str]], vocab_size: int | None, special: Sequence[str]) -> Tokenizer:
        tokenizer = _empty(models.WordPiece, special)
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=self.lowercase)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
        batches = _with_ends(batches)
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocab_size or UNLIMITED, special_tokens=list(special), show_progress=False
        )
        tokenizer.train_from_iterator(batches, trainer)
        return tokenizer


class Pretrained:
    """The tokenizer of a transformers checkpoint, with the special tokens that it puts around a text.

    Args:
        checkpoint: A folder with a tokenizer.json, or a name on the hub.

    Raises:
        ValueError: If there is none.
    """

    def __init__(self, checkpoint: str) -> None:
        self.checkpoint, path = checkpoint, Path(checkpoint, "tokenizer.json")
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else None

    def fit(self, batches: Iterator[list[str]], vocab_size: int | None, special: Sequence[str]) -> Tokenizer:
        path = Path(self.checkpoint, "tokenizer.json")
        try:
            tokenizer = Tokenizer.from_file(str(path)) if path.exists() else Tokenizer.from_pretrained(self.checkpoint)
        except Exception as error:  # the package raises nothing narrower
            raise ValueError(
                f"tokenizer.checkpoint={self.checkpoint} can't be loaded: give a folder with a tokenizer.json, or the "
                f"name of a checkpoint on the hub that can be reached ({error})"
            ) from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer


def stop_word_ids(tokenizer: Tokenizer, languages: Sequence[str] | None) -> set[int]:
    """Ids of the tokens that are stop words.

    Raises:
        ValueError: If there is no list for a language.
    """
    import stopwordsiso

    unknown = [language for language in languages or () if not stopwordsiso.has_lang(language)]
    if unknown:
        known = ", ".join(sorted(stopwordsiso.langs()))
        raise ValueError(f"tokenizer.stop_words={unknown[0]} is not a language with a list: there is {known}")
    words = stopwordsiso.stopwords(languages) if languages else ()
    found = (tokenizer.token_to_id(word) for word in words)
    return {index for index in found if index is not None}


def _with_ends(batches: Iterator[list[str]]) -> Iterator[list[str]]:
    """The texts, in which no word is endless: learning pairs takes the square of the longest one's length."""
    for texts in batches:
        yield [ENDLESS.sub(r"\g<0> ", text) for text in texts]


def _empty(model: type[models.WordLevel] | type[models.WordPiece], special: Sequence[str]) -> Tokenizer:
    return Tokenizer(model(unk_token=special[-1]) if special else model())


def _normalizer(lowercase: bool, strip_tags: bool) -> normalizers.Normalizer:
    steps: list[normalizers.Normalizer] = [normalizers.Replace(TAG, " ")] if strip_tags else []
    return normalizers.Sequence([*steps, normalizers.NFC(), *([normalizers.Lowercase()] if lowercase else [])])


def _train_words(
    tokenizer: Tokenizer, batches: Iterator[list[str]], vocab_size: int | None, min_count: int, special: Sequence[str]
) -> Tokenizer:
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocab_size or UNLIMITED,
        min_frequency=min_count,
        special_tokens=list(special),
        show_progress=False,
    )
    tokenizer.train_from_iterator(batches, trainer)
    return tokenizer
