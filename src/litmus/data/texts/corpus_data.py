"""Text for language models: one long run of tokens in a mapped file, windows of it as batches."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningDataModule
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from litmus.data.cache import build_once, key_of
from litmus.data.loaders import check_batching, loader, ranks_of
from litmus.data.texts.text_source import TextSource
from litmus.data.texts.token_store import FORMAT, TokenStore, write_store
from litmus.data.texts.tokenizer import Recipe
from litmus.data.texts.vocabulary import Vocabulary, check_tokenizer, learn, read_tokenizer
from litmus.data.texts.windows import PlainWindows, RandomWindows, Streams, WholeStreams
from litmus.limits import Seed, Workers

IGNORED = -100  # target of a place that does not count
Batch = tuple[Tensor, Tensor]


class Windows(Dataset[Batch]):
    """Runs of a store's tokens and those one step later, both [batch, context], by [start, stop] of each.

    Where a run is shorter, its targets are `IGNORED`.
    """

    def __init__(self, store: TokenStore) -> None:
        self.store = store

    def __len__(self) -> int:
        return len(self.store.ids)

    def __getitem__(self, spans: Tensor) -> Batch:
        starts, lengths = spans[:, 0].numpy(), (spans[:, 1] - spans[:, 0]).numpy()
        tokens = self.store.gather(starts, lengths + 1, IGNORED)
        if tokens.shape[1] == 1:  # nothing is left for these rows: a step that does not count
            tokens = F.pad(tokens, (0, 1), value=IGNORED)
        return tokens[:, :-1].clamp(min=0), tokens[:, 1:]


class CorpusData(LightningDataModule):
    """A corpus, tokenised into `cache` (None: under the root) once for each state of its files.

    Where no validation split is published, the last share of the training text validates; where no test split is
    published, the validation part is tested on.

    Args:
        tokenizer: Learns the vocabulary from the training part, and nothing else.
        vocab_size: The most tokens it may have.
        unknown: Token for what is not in the vocabulary; None if there is none.
        context: Tokens of a window.
        streams: Whether a row of a batch goes on where the same row of the last batch ended, for networks that carry
            a state, or windows start anywhere.
        epoch_steps: Batches of an epoch, where windows start anywhere; None for as many as there are tokens. An epoch
            of streams is the whole corpus.
        validation: Share of the training text.

    Raises:
        ValueError: If the corpus does not match what is declared.
    """

    def __init__(
        self,
        source: TextSource,
        root: str,
        tokenizer: Recipe,
        vocab_size: int,
        unknown: str | None,
        context: int,
        streams: bool,
        epoch_steps: int | None,
        batch_size: int,
        eval_batch_size: int,
        validation: float,
        seed: Seed,
        workers: Workers,
        train_size: int | None,
        cache: str | None,
    ) -> None:
        super().__init__()
        check_batching(batch_size, train_size, validation, 0)
        for key, value in (("context", context), ("eval_batch_size", eval_batch_size), ("epoch_steps", epoch_steps)):
            if value is not None and value < 1:
                raise ValueError(f"data.{key}={value} is not at least 1")
        self.source, self.root, self.recipe = source, Path(root), tokenizer
        self.cache = self.root / ".cache" if cache is None else Path(cache)
        self.vocab_size, self.special = vocab_size, () if unknown is None else (unknown,)
        self.context, self.streams, self.epoch_steps = context, streams, epoch_steps
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.validation, self.seed, self.train_size = validation, seed, train_size
        self.workers = workers
        self.vocabulary: Vocabulary | None = None
        self.sets: dict[str, Windows] = {}
        self.fingerprints: dict[str, str] = {}

    def prepare_data(self) -> None:
        self.source.prepare(self.root)
        build_once(self._folder, self._tokenise)

    def setup(self, stage: str) -> None:
        if self.sets:
            return
        folder = self._folder
        self._adopt(read_tokenizer((folder / "tokenizer.json").read_text()))
        for part, split in (("train", "train"), ("val", "validation"), ("test", "test")):
            store = TokenStore(folder / (split if (folder / split).exists() else "validation"))
            self.sets[part], self.fingerprints[split] = Windows(store), store.facts["fingerprint"]

    def train_dataloader(self) -> DataLoader[Batch]:
        assert self.trainer is not None
        part, ranks = self.sets["train"], ranks_of(self.trainer)
        size = len(part) if self.train_size is None else min(len(part), self.train_size * self.context + 1)
        batches: Streams | RandomWindows
        if self.streams:
            batches = Streams(size, self.context, self.batch_size, *ranks)
        else:
            steps = self.epoch_steps or max(1, size // (self.context * self.batch_size))
            batches = RandomWindows(size, self.context, self.batch_size, steps, self.seed, *ranks)
        return loader(part, batches, self.trainer, self.workers)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._whole(self.sets["val"])

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._whole(self.sets["test"])

    def state_dict(self) -> dict[str, Any]:
        """The tokenizer, which a run needs to read and write text."""
        return {"tokenizer": self.vocabulary.tokenizer.to_str()} if self.vocabulary else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._adopt(read_tokenizer(state_dict["tokenizer"]))

    def characters_per_token(self, part: str) -> float:
        """Of the raw text, for bits per character."""
        facts = self.sets[part].store.facts
        return float(facts["characters"] / facts["tokens"])

    def encode(self, text: str) -> list[int]:
        """Ids of a text to go on with.

        Raises:
            ValueError: If it can't be told in this run's tokens.
        """
        assert self.vocabulary is not None
        ids = next(self.vocabulary.encode([text]))
        if not ids:
            raise ValueError("the prompt has nothing to go on with: give at least a word")
        return ids

    def decode(self, ids: list[int]) -> str:
        assert self.vocabulary is not None
        return self.vocabulary.decode(ids)

    def preprocessing(self) -> dict[str, Any]:
        """What stands between a text and the network besides the tokenizer, in plain values: encodings of files, the
        most tokens that it looks at, None for any number, how many there are to choose from, ids that are left out."""
        assert self.vocabulary is not None
        return {
            "kind": "language",
            "encodings": ["utf-8-sig"],
            "context": None if self.streams else self.context,
            "vocabulary": len(self.vocabulary),
            "left_out": sorted(self.vocabulary.dropped),
        }

    def batch(self, examples: Sequence[Tensor]) -> Tensor:
        """Tokens [batch, length], ready for the network."""
        return torch.stack(list(examples))

    def _whole(self, part: Windows) -> DataLoader[Batch]:
        """All of a split, each token once."""
        assert self.trainer is not None
        ranks = ranks_of(self.trainer)
        batches: Sampler[Tensor] = (
            WholeStreams(len(part), self.context, self.batch_size, *ranks)
            if self.streams
            else PlainWindows(len(part), self.context, self.eval_batch_size, *ranks)
        )
        return loader(part, batches, self.trainer, self.workers)

    @cached_property
    def _folder(self) -> Path:
        """Of the tokens: another one for each state of the files, and each way to cut and split them."""
        how = [type(self.recipe).__name__, vars(self.recipe), self.vocab_size, self.special, self.validation]
        return self.cache / f"corpus-{key_of([FORMAT, self.source.state(self.root), how])}"

    def _tokenise(self, folder: Path) -> None:
        end = self._characters() if self.source.has("validation") else int(self._characters() * (1 - self.validation))
        texts = self._texts("train", 0, end, counts=None)
        vocabulary = self._vocabulary(learn(self.recipe, texts, self.vocab_size, self.special))
        spans: dict[str, tuple[str, int, int | None]] = {"train": ("train", 0, end)}
        if not self.source.has("validation"):
            spans["validation"] = ("train", end, None)
        spans |= {split: (split, 0, None) for split in filter(self.source.has, ("validation", "test"))}
        for split, span in spans.items():
            counts: Counter[str] = Counter()
            runs = ((run, 0) for run in vocabulary.runs(self._texts(*span, counts)))
            write_store(folder / split, runs, len(vocabulary), counts, f"{self.source.name} {split}")
        vocabulary.tokenizer.save(str(folder / "tokenizer.json"))

    def _characters(self) -> int:
        return sum(len(record.text) for record in self.source.read(self.root, "train", counts=None))

    def _texts(self, split: str, start: int, stop: int | None, counts: Counter[str] | None) -> Iterator[str]:
        """The text from one character to another, line by line; its characters in the file are counted if asked."""
        position = 0
        for record in self.source.read(self.root, split, counts):
            low, high = start - position, len(record.text) if stop is None else stop - position
            position += len(record.text)
            if low < len(record.text) and high > 0:
                part = record.text[max(low, 0) : high]
                if counts is not None:
                    counts["characters"] += record.size if part == record.text else len(part)
                yield part

    def _adopt(self, tokenizer: Tokenizer) -> None:
        check_tokenizer(tokenizer, self.vocabulary, self.vocab_size, self.source.name)
        self.vocabulary = self._vocabulary(tokenizer)

    def _vocabulary(self, tokenizer: Tokenizer) -> Vocabulary:
        return Vocabulary(tokenizer, getattr(self.recipe, "stop_words", None), max_length=None, unknown=None)
