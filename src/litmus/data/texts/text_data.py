"""Labelled texts: tokenised once into a mapped file, batches of texts of like length."""

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from litmus.data.cache import build_once, key_of
from litmus.data.loaders import check_batching, loader, ranks_of
from litmus.data.order import BucketedBatches, PlainBatches, seed_of
from litmus.data.texts.records import Record
from litmus.data.texts.text_source import TextSource
from litmus.data.texts.token_store import FORMAT, TokenStore, write_store
from litmus.data.texts.tokenised import SPECIAL, TokenisedTexts
from litmus.data.texts.tokenizer import Recipe
from litmus.data.texts.vocabulary import Vocabulary, learn, read_tokenizer
from litmus.limits import Seed, Workers

log = logging.getLogger(__name__)

Batch = tuple[Tensor, Tensor]


class Texts(Dataset[Batch]):
    """A part of a store: ids [batch, longest], filled up on the right, and labels [batch], by a tensor of indices."""

    def __init__(self, store: TokenStore, padding: int, chosen: Tensor) -> None:
        self.store, self.padding, self.chosen = store, padding, chosen
        self.lengths = store.lengths[chosen]

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, indices: Tensor) -> Batch:
        rows = self.chosen[indices]
        tokens = self.store.gather(self.store.starts[rows.numpy()], self.lengths[indices].numpy(), self.padding)
        return tokens, self.store.labels[rows]


class TextData(TokenisedTexts):
    """Texts of a source, tokenised into `cache` (None: under the root) once for each state of its files.

    Args:
        root: Where the source's folder stands or goes.
        tokenizer: Learns the vocabulary from the training part, and nothing else.
        vocab_size: The most tokens it may have; None for no limit.
        max_length: Tokens; longer texts are cut, counted and said.
        padding: Id of the token that fills a batch up; held against the tokenizer.
        classes: A name for each label.
        labels: What the classes are called in the files, in the same order.
        validation: Share of the training part that is held out, where no validation split is published.
        test: The same for testing.
        fold: Which of the 1 / `test` test parts, for cross-validation.
        window: Batches among which texts are sorted by length.

    Raises:
        ValueError: If the texts do not match what is declared.
    """

    def __init__(
        self,
        source: TextSource,
        root: str,
        tokenizer: Recipe,
        vocab_size: int | None,
        max_length: int,
        padding: int,
        num_classes: int,
        classes: Sequence[str],
        labels: Sequence[str],
        batch_size: int,
        validation: float,
        test: float,
        fold: int,
        split_seed: int,
        seed: Seed,
        workers: Workers,
        train_size: int | None,
        window: int,
        cache: str | None,
    ) -> None:
        super().__init__()
        check_batching(batch_size, train_size, validation, split_seed)
        if not len(classes) == len(labels) == num_classes:
            raise ValueError(
                f"data.classes names {len(classes)} classes, data.labels {len(labels)}, and data.num_classes is "
                f"{num_classes}"
            )
        if not source.has("test") and not (0 < test < 1 and 0 <= fold < round(1 / test)):
            raise ValueError(
                f"data.test={test} is not a share between 0 and 1, or data.fold={fold} is not one of its folds"
            )
        self.declare(source.name, tokenizer, vocab_size, max_length, padding, source.encodings)
        self.source, self.root, self.window = source, Path(root), window
        self.cache = self.root / ".cache" if cache is None else Path(cache)
        self.classes, self.index = list(classes), {name: index for index, name in enumerate(labels)}
        self.batch_size, self.seed, self.train_size = batch_size, seed, train_size
        self.validation, self.test, self.fold, self.split_seed = validation, test, fold, split_seed
        self.workers = workers
        self.sets: dict[str, Texts] = {}
        self.fingerprints: dict[str, str] = {}

    def prepare_data(self) -> None:
        self.source.prepare(self.root)
        build_once(self._folder, self._tokenise)

    def setup(self, stage: str) -> None:
        assert self.trainer is not None
        if self.sets:
            return
        folder = self._folder
        self.adopt(read_tokenizer((folder / "tokenizer.json").read_text()))
        stores = {path.name: TokenStore(path) for path in sorted(folder.iterdir()) if path.is_dir()}
        for split, store in stores.items():
            self.fingerprints[split] = store.facts["fingerprint"]
            if ranks_of(self.trainer)[0] == 0:
                self._say(split, store)
        parts = self._parts(len(stores["train"]))
        for part, split in (("train", "train"), ("val", "validation"), ("test", "test")):
            store = stores.get(split, stores["train"])
            chosen = parts[part] if split not in stores or part == "train" else torch.arange(len(store))
            self.sets[part] = Texts(store, self.padding, chosen[: self.train_size] if part == "train" else chosen)

    def train_dataloader(self) -> DataLoader[Batch]:
        assert self.trainer is not None
        part = self.sets["train"]
        batches = BucketedBatches(part.lengths, self.batch_size, self.seed, *ranks_of(self.trainer), self.window)
        return loader(part, batches, self.trainer, self.workers)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._by_length(self.sets["val"])

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._by_length(self.sets["test"])

    def _by_length(self, part: Texts) -> DataLoader[Batch]:
        assert self.trainer is not None
        batches = PlainBatches(len(part), self.batch_size, *ranks_of(self.trainer), part.lengths)
        return loader(part, batches, self.trainer, self.workers)

    @cached_property
    def _folder(self) -> Path:
        """Of the tokenised texts: another one for each state of the files, and each way to cut and split them."""
        how = [type(self.recipe).__name__, vars(self.recipe), self.vocab_size, self.max_length, list(self.index)]
        split = [self.validation, self.test, self.fold, self.split_seed]
        return self.cache / f"texts-{key_of([FORMAT, self.source.state(self.root), how, split])}"

    def _parts(self, size: int) -> dict[str, Tensor]:
        """Indices of the training file's texts by part; a part that is published is empty here."""
        order = torch.randperm(size, generator=torch.Generator().manual_seed(seed_of(self.split_seed)))
        low, high = (0, 0) if self.source.has("test") else (round((self.fold + i) * self.test * size) for i in (0, 1))
        if low == high and not self.source.has("test"):
            raise ValueError(f"data.test={self.test} of {size} texts is none: give more texts, or a larger share")
        rest = torch.cat([order[:low], order[high:]])
        held_out = 0 if self.source.has("validation") else max(1, round(self.validation * len(rest)))
        return {"train": rest[held_out:], "val": rest[:held_out], "test": order[low:high]}

    def _tokenise(self, folder: Path) -> None:
        labels = np.array([self._label(record) for record in self.source.read(self.root, "train", counts=None)])
        if len(labels) == 0:
            raise ValueError(f"{self.source.name} has no training texts that can be read")
        training = np.zeros(len(labels), bool)
        training[self._parts(len(labels))["train"].numpy()] = True
        self._check_classes(labels[training])
        records = zip(self.source.read(self.root, "train", counts=None), training, strict=True)
        texts = (record.text for record, inside in records if inside)
        vocabulary = self.vocabulary_of(learn(self.recipe, texts, self.vocab_size, SPECIAL))
        for split in filter(self.source.has, ("train", "validation", "test")):
            self._write(folder / split, split, vocabulary)
        vocabulary.tokenizer.save(str(folder / "tokenizer.json"))

    def _write(self, folder: Path, split: str, vocabulary: Vocabulary) -> None:
        """Encodes a split as it is read."""
        from tqdm import tqdm

        counts = vocabulary.counts
        labels: deque[int] = deque()  # of the texts that are being encoded

        def texts() -> Iterator[str]:
            for record in tqdm(self.source.read(self.root, split, counts), desc=f"tokenising {split}", disable=None):
                labels.append(self._label(record))
                yield record.text

        counts.clear()
        encoded = ((ids, labels.popleft()) for ids in vocabulary.encode(texts()))
        write_store(folder, encoded, len(vocabulary), counts, name=f"{self.source.name} {split}")

    def _label(self, record: Record) -> int:
        try:
            return self.index[record.label or ""]
        except KeyError as error:
            raise ValueError(
                f"{record.where}: the label {record.label} is not one of data.labels, which are {', '.join(self.index)}"
            ) from error

    def _check_classes(self, labels: NDArray[np.int64]) -> None:
        missing = np.flatnonzero(np.bincount(labels, minlength=len(self.classes)) == 0)
        if len(missing):
            raise ValueError(
                f"the class {self.classes[missing[0]]} has no training text: leave it out of data.classes and "
                "data.labels, or add some"
            )

    def _say(self, split: str, store: TokenStore) -> None:
        """What was lost on the way from the files to the tokens."""
        said = {
            "broken": "other records are broken, and skipped",
            "cut": f"texts are longer than data.max_length={self.max_length} tokens, and cut",
            "empty": "texts are empty",
        }
        for what, sentence in said.items():
            if count := store.facts.get(what):
                of = "" if what == "broken" else f"of {len(store):,} "
                log.log(logging.WARNING if what == "broken" else logging.INFO, f"{split}: {count:,} {of}{sentence}")
