"""Training from shards: the order, what is read, what is refused; tests/test_shard_files.py has the files."""

import io
import json
import pickle
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from conftest import Compose, in_epoch, on_cpu
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from prepared import (
    SIZES,
    image_rows,
    table_rows,
    text_rows,
    write_images,
    write_numbers,
    write_prepared,
    write_texts,
)

from litmus.build import build_data
from litmus.data.images.image_folder import netpbm
from litmus.data.order import WholeBatches
from litmus.data.shards.batches import RowsInOrder, ShardBatches
from litmus.data.shards.blocks import Blocks, Stream
from litmus.data.shards.images import Pixels
from litmus.data.shards.mixture import Mixture
from litmus.data.shards.reader import Reader
from litmus.errors import explain

pytest.importorskip("pyarrow")

SHARDS = st.lists(st.integers(1, 70), min_size=1, max_size=6)


def batches_of(
    shards: list[list[int]],
    rank: int = 0,
    ranks: int = 1,
    weights: list[float] | None = None,
    batch_size: int = 4,
    window: int = 1,
    lengths: Callable[[torch.Tensor], torch.Tensor] | None = None,
    buffer: int = 3,
) -> ShardBatches:
    blocks = [Blocks(rows, 8) for rows in shards]
    streams = [Stream(each, len(each), buffer, (7, number)) for number, each in enumerate(blocks)]
    return ShardBatches(streams, weights, batch_size, 7, rank, ranks, window, lengths)


def epoch(batches: ShardBatches, number: int, first: int = 0) -> list[torch.Tensor]:
    batches.start_at(number, first)
    return list(batches)


@settings(max_examples=30, deadline=None)
@given(SHARDS, st.integers(1, 9))
def test_rows_are_found_where_they_are(rows: list[int], block_rows: int) -> None:
    blocks = Blocks(rows, block_rows)
    starts, sizes = blocks.spans(torch.arange(len(blocks)))
    assert int(sizes.sum()) == sum(rows) and int(sizes.max()) <= block_rows
    found, places = blocks.places(torch.arange(sum(rows)))
    assert torch.equal(starts[found] + places, torch.arange(sum(rows))) and (places < sizes[found]).all()
    for block in range(0, len(blocks), 7):
        shard, number = blocks.shard(block)
        assert sum(rows[:shard]) + number * block_rows == int(starts[block]) == blocks.rows_before(block)


@settings(max_examples=30, deadline=None)
@given(SHARDS, st.integers(1, 9), st.integers(0, 3))
def test_an_epoch_has_each_row_once(rows: list[int], batch_size: int, number: int) -> None:
    if batch_size > sum(rows):
        return
    batches = epoch(batches_of([rows], batch_size=batch_size), number)
    seen = torch.cat(batches)
    assert {len(batch) for batch in batches} == {batch_size} and len(batches) == sum(rows) // batch_size
    assert len(seen.unique()) == len(seen) and int(seen.min()) >= 0 and int(seen.max()) < sum(rows)


@settings(max_examples=30, deadline=None)
@given(SHARDS, st.lists(st.integers(0, 200), min_size=3, max_size=3))
def test_a_stream_is_the_same_however_it_is_taken(rows: list[int], places: list[int]) -> None:
    blocks = Blocks(rows, 8)
    start, middle, stop = sorted(places)
    whole, parts = (Stream(blocks, len(blocks), 2, (1, 2)) for _ in range(2))
    assert torch.equal(whole.take(start, stop), torch.cat([parts.take(start, middle), parts.take(middle, stop)]))


@settings(max_examples=30, deadline=None)
@given(SHARDS, st.sampled_from([1, 5]), st.integers(0, 2), st.data())
def test_ranks_share_out_a_batch_and_a_resumed_epoch_is_the_rest(
    rows: list[int], window: int, number: int, data: Any
) -> None:
    if sum(rows) < 4:
        return
    lengths = None if window == 1 else (lambda rows: rows * 7919 % 101)
    whole = epoch(batches_of([rows], window=window, lengths=lengths), number)
    for ranks in (2, 4):
        shares = [
            epoch(batches_of([rows], rank, ranks, window=window, lengths=lengths), number) for rank in range(ranks)
        ]
        for batch, *parts in zip(whole, *shares, strict=True):
            assert torch.equal(batch, torch.cat(parts))
    first = data.draw(st.integers(0, len(whole)))
    rest = epoch(batches_of([rows], window=window, lengths=lengths), number, first)
    assert len(rest) == len(whole) - first and all(map(torch.equal, rest, whole[first:]))


def test_the_order_depends_on_seed_and_epoch_and_reaches_far() -> None:
    first, again, other = (torch.cat(epoch(batches_of([[800]]), number)) for number in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert len(first[:24].div(8, rounding_mode="floor").unique()) == 3  # rows of the blocks of a window, mixed
    assert (first[1:] < first[:-1]).any()


def test_texts_of_a_batch_are_of_like_length() -> None:
    lengths = torch.randint(1, 100, (800,), generator=torch.Generator().manual_seed(0))
    plain, sorted_by_it = (
        epoch(batches_of([[800]], batch_size=8, window=window, lengths=lambda rows: lengths[rows]), 0)
        for window in (1, 20)
    )
    spread = [sum(int(lengths[batch].max() - lengths[batch].min()) for batch in each) for each in (plain, sorted_by_it)]
    assert spread[1] < spread[0] / 5
    assert torch.equal(torch.cat(plain).sort().values, torch.cat(sorted_by_it).sort().values)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=4), st.integers(0, 10**12))
def test_a_mixture_does_not_drift(weights: list[float], place: int) -> None:
    mixture = Mixture(weights)
    given_there, next_to_it = mixture.given(place), mixture.given(place + 1)
    assert sum(given_there) == place
    assert sorted(after - before for before, after in zip(given_there, next_to_it, strict=True))[-1] == 1
    shares = mixture.quotas / mixture.quotas.sum()
    assert all(abs(count - place * share) < 3 for count, share in zip(given_there, shares, strict=True))
    assert all(abs(share - weight / sum(weights)) < 1e-3 for share, weight in zip(shares, weights, strict=True))


def test_a_mixture_goes_on_with_the_passes_of_its_sets() -> None:
    batches = batches_of([[60, 40], [30]], weights=[0.5, 0.5], batch_size=10)
    seen = [torch.cat(epoch(batches, number)) for number in range(4)]
    assert all(len(rows) == 130 for rows in seen)
    small = torch.cat([rows[rows >= 100] for rows in seen]) - 100
    assert len(small) == 260 and set(small.bincount(minlength=30).tolist()) <= {8, 9}  # 260 of 30 rows: 8.67 passes
    for batch in epoch(batches, 2):
        assert int((batch >= 100).sum()) == 5


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 100), st.integers(1, 9), st.integers(1, 4), st.sampled_from([1, 3]))
def test_evaluation_has_each_row_once_over_the_ranks(size: int, batch_size: int, ranks: int, window: int) -> None:
    def lengths(rows: torch.Tensor) -> torch.Tensor:
        return -rows

    shares = [WholeBatches(RowsInOrder(size, batch_size, window, lengths), rank, ranks) for rank in range(ranks)]
    seen = torch.cat([batch for share in shares for number, batch in enumerate(share) if share.counts(number)])
    assert torch.equal(seen.sort().values, torch.arange(size)) and len({len(list(share)) for share in shares}) == 1


def test_batches_that_can_not_be_are_refused() -> None:
    with pytest.raises(ValueError, match="batch_size=9 is larger than the training set, which has 8 examples"):
        batches_of([[8]], batch_size=9)
    with pytest.raises(ValueError, match="batch_size=4 can't be shared equally by 3 devices"):
        batches_of([[8]], ranks=3)


def module(composed: Compose, *overrides: str, stage: str = "fit") -> Any:
    return on_cpu(build_data(composed("data=shards", "data.batch_size=4", *overrides)), stage)


KINDS = {"texts": write_texts, "images": write_images, "numbers": write_numbers}


def contents(batches: Any) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(inputs.clone(), targets.clone()) for inputs, targets in batches]


def same(left: Any, right: Any) -> bool:
    return len(left) == len(right) and all(map(torch.equal, left, right))


@pytest.mark.parametrize("kind", KINDS)
def test_workers_change_nothing(composed: Compose, tmp_path: Path, kind: str) -> None:
    made = [*KINDS[kind](tmp_path / "data"), f"data_root={tmp_path}"]
    alone = contents(in_epoch(module(composed, *made), 1))
    assert len(alone) == SIZES["train"] // 4
    for workers in (1, 2, 4):
        others = contents(in_epoch(module(composed, *made, f"workers={workers}"), 1))
        assert all(map(same, alone, others)) and len(others) == len(alone)


def test_each_row_is_read_as_it_was_written(composed: Compose, tmp_path: Path) -> None:
    data = module(composed, *write_numbers(tmp_path / "data"), f"data_root={tmp_path}", "data.batch_size=7")
    data.setup("test")
    for split, loader in (("train", data.train_dataloader()), ("test", data.test_dataloader())):
        inputs, targets = map(torch.cat, zip(*loader, strict=True))
        table, train = (
            table_rows(SIZES[name], seed) for name, seed in ((split, 2 if split == "test" else 0), ("train", 0))
        )
        numbers = inputs[:, 0, 0] * train["row"].to_numpy().std() + train["row"].to_numpy().mean()
        rows = numbers.round().long()
        assert len(rows.unique()) == len(rows) == (119 if split == "train" else 30)
        assert torch.allclose(targets[:, 0], torch.tensor(table["price"].to_numpy()).float()[rows])
    assert float(data.target_mean[0]) == pytest.approx(train["price"].to_numpy().mean())


def test_texts_are_tokenised_as_in_memory_and_cut(composed: Compose, tmp_path: Path) -> None:
    made = [*write_texts(tmp_path / "data"), f"data_root={tmp_path}", "tokenizer=whitespace"]
    data = module(composed, *made, "data.max_length=6")
    for inputs, labels in data.val_dataloader():
        for ids, label in zip(inputs, labels, strict=True):
            assert data.words(ids).split()[:2] == ["the", f"word{label}"] and len(ids) <= 6
    ((place, ids),) = data.examples(written_lines(tmp_path, "the word1 film"))
    assert place.endswith("new.txt:1") and data.words(data.batch([ids])[0]) == "the word1 film"


def written_lines(folder: Path, text: str) -> Path:
    (folder / "new.txt").write_text(f"{text}\n")
    return folder / "new.txt"


def test_a_vocabulary_is_learned_from_so_many_training_texts_once(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [*write_texts(tmp_path / "data"), f"data_root={tmp_path}", "tokenizer=whitespace", "data.vocabulary_texts=2"]
    data = module(composed, *made)
    learned = {word for text in text_rows(120, 0)["text"].to_pylist()[:2] for word in text.split()}
    assert set(data.vocabulary.tokenizer.get_vocab()) == {"[PAD]", "[UNK]", *learned}
    monkeypatch.setattr("litmus.data.shards.texts.learn", None)
    module(composed, *made)


def test_two_data_sets_are_mixed_by_weight(composed: Compose, tmp_path: Path) -> None:
    write_texts(tmp_path / "large"), write_texts(tmp_path / "small", train=40, test=5)
    paths = f"data.path=[{tmp_path}/large,{tmp_path}/small]"
    data = module(composed, paths, "data.weights=[0.75,0.25]", f"data_root={tmp_path}", "data.window=1")
    batches = data.train_dataloader()
    assert len(batches) == 152 // 4 and data.fingerprints["train"] not in ("", f"{120:016x}")
    assert all(sum(row >= 120 for row in rows.tolist()) == 1 for rows in batches.sampler)
    assert len(contents(batches)) == 38
    assert sum(len(labels) for _, labels in data.val_dataloader()) == 24 + 8  # a fifth block of the small one


def test_the_last_blocks_validate_where_no_split_was_prepared(composed: Compose, tmp_path: Path) -> None:
    made = write_numbers(tmp_path / "data", train=100, test=10)
    data = module(composed, *made, f"data_root={tmp_path}", "data.batch_size=1", "data.validation=0.2")
    rows = [
        sorted(int(number.round()) for number in numbers(data, loader))
        for loader in (data.train_dataloader(), data.val_dataloader())
    ]
    assert rows == [list(range(80)), list(range(80, 100))]  # three of 13 blocks, of which the last has 4 rows
    with pytest.raises(ValueError, match="has no validation split, and its 8 training rows are one block"):
        module(composed, *write_numbers(tmp_path / "small", train=8), f"data_root={tmp_path}")


def numbers(data: Any, loader: Any) -> torch.Tensor:
    """The column `row` in its own units."""
    return torch.cat([data.scale.undo(inputs)[:, 0, 0] for inputs, _ in loader])


def test_what_validates_is_tested_on_where_no_split_was_prepared(composed: Compose, tmp_path: Path) -> None:
    data = module(composed, *write_images(tmp_path / "data", train=40, validation=9), stage="test")
    assert sum(len(labels) for _, labels in data.test_dataloader()) == 9 and list(data.fingerprints) == ["validation"]


def test_memory_does_not_grow_with_the_shards(composed: Compose, tmp_path: Path) -> None:
    import pyarrow

    peaks = []
    for number, count in enumerate((300, 4800)):
        data = module(
            composed, *write_images(tmp_path / str(number), train=count, validation=8), f"data_root={tmp_path}"
        )
        peak = 0
        for _ in islice(data.train_dataloader(), 70):
            peak = max(peak, pyarrow.total_allocated_bytes())
        peaks.append(peak)
        del data
    assert peaks[1] <= 1.05 * peaks[0]


def spoil(folder: Path, how: str) -> Path:
    """Damages the second training shard."""
    path = folder / "train" / "00001.parquet"
    content = bytearray(path.read_bytes())
    if how == "bit flipped":
        content[len(content) // 3] ^= 4
    path.write_bytes(content[:-9] if how == "cut short" else content)
    if how == "gone":
        path.unlink()
    return path


@pytest.mark.parametrize("how", ["bit flipped", "cut short", "gone"])
def test_a_damaged_shard_is_named_and_skipped_if_asked(
    composed: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    made = [*write_images(tmp_path / "data"), f"data_root={tmp_path}", f"workers={int(how == 'bit flipped')}"]
    path = spoil(tmp_path / "data", how)
    with pytest.raises(ValueError) as refused:
        contents(module(composed, *made).train_dataloader())
    sentence = explain(refused.value)
    assert sentence and sentence.startswith(str(path)) and "leave damaged shards out with data.damaged=skip" in sentence
    data = module(composed, *made, "data.damaged=skip")
    assert len(contents(data.train_dataloader())) == (120 - 8) // 4 and data.fingerprints["train"] != f"{120:016x}"
    assert f"left out: {path}" in caplog.text and "its 8 rows are not read" in caplog.text


@pytest.mark.parametrize(
    ("column", "values", "sentence"),
    [
        ("label", [5] * 40, "label has the label 5, and there are 2"),
        ("label", [None] * 40, "label has a row without a value"),
        ("image", ["text"] * 40, r"00000.parquet row \d: it can't be read as an image"),
        ("image", None, "it has no column image"),
    ],
)
def test_rows_that_make_no_sense_are_refused(
    composed: Compose, tmp_path: Path, column: str, values: Any, sentence: str
) -> None:
    import pyarrow as pa

    table = image_rows(40, 0).drop_columns(column)
    if values is not None:
        table = table.append_column(column, pa.array(values, pa.int32() if column == "label" else pa.string()))
    write_prepared(tmp_path / "data", {"train": table}, "image", ["image"], "label", ["dark", "bright"], [3, 8, 8])
    data = module(composed, f"data.path={tmp_path}/data", f"data_root={tmp_path}")
    with pytest.raises(ValueError, match=sentence):
        contents(data.train_dataloader())


def test_a_run_on_other_data_than_configured_is_refused(composed: Compose, tmp_path: Path) -> None:
    write_texts(tmp_path / "texts"), write_images(tmp_path / "images")
    config = composed("data=shards", f"data.path={tmp_path}/texts", f"data_root={tmp_path}")
    facts = composed("data=shards", f"data.path={tmp_path}/images", f"data_root={tmp_path}").data
    for key in ("kind", "classes", "image_shape"):
        config.data[key] = facts[key]
    with pytest.raises(ValueError, match=r"has the classes \['no', 'yes'\], and data.classes are \['dark', 'bright'\]"):
        on_cpu(build_data(config))


def test_pyarrow_is_asked_for(composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = write_images(tmp_path / "data")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ValueError, match=r"Parquet files need pyarrow: pip install 'litmus\[parquet\]'"):
        module(composed, *made)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("data.buffer=0", "data.buffer=0 is not from 1"),
        ("data.cache_gb=0.0", "data.cache_gb=0.0 is not above 0"),
        ("data.kind=table", "data.kind=table lacks what it takes"),
        ("data.mean=[0.5]", "data.mean and data.std need 3 values each"),
        ("data.validation=2.0", "data.validation=2.0 is not a share"),
        ("data.damaged=maybe", "data.damaged=maybe is of the wrong type"),
        ("data.colour=1", "data.colour"),
        ("data.weights=[0.5,0.5]", "data.weights=[0.5, 0.5] is not a number above 0 for each of data.path"),
        ("data.weights=[-1.0]", "data.weights=[-1.0] is not a number above 0 for each of data.path"),
    ],
)
def test_values_that_make_no_sense_are_refused(composed: Compose, tmp_path: Path, override: str, sentence: str) -> None:
    made = write_images(tmp_path / "data")
    with pytest.raises(Exception) as refused:
        module(composed, *made, override)
    assert sentence in (explain(refused.value) or "")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"block_rows": 4}, "block 0 has 8 rows, and its manifest says 4"),
        ({"inputs": ["picture"]}, "it has no column picture"),
        ({"inputs": ["label"], "target": "image"}, "can't be used: "),
        ({"target": None, "classes": None}, "has no target to learn"),
        ({"target": "price", "classes": None}, "has no statistics of price"),
    ],
)
def test_a_manifest_that_its_shards_belie_is_refused(
    composed: Compose, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    made = write_images(tmp_path / "data", train=20, validation=20)
    path = tmp_path / "data" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(Exception) as refused:
        contents(module(composed, *made, "data.targets=1").train_dataloader())
    assert sentence in (explain(refused.value) or "")


def test_a_block_is_read_once_an_epoch(composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, original = [], Reader._read

    def spy(self: Reader, block: int) -> Any:
        if len(self.columns) > 1:  # not the lengths alone
            read.append(block)
        return original(self, block)

    monkeypatch.setattr(Reader, "_read", spy)
    for kind in (write_images, write_texts):
        read.clear()
        data = module(
            composed, *kind(tmp_path / kind.__name__), f"data_root={tmp_path}", "data.buffer=2", "data.window=3"
        )
        contents(data.train_dataloader())
        assert sorted(read) == list(range(SIZES["train"] // 8))


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_that_is_started_anew_reads_the_same(composed: Compose, tmp_path: Path, kind: str) -> None:
    """As on systems that do not fork."""
    part = module(composed, *KINDS[kind](tmp_path / "data"), f"data_root={tmp_path}").train_dataloader().dataset
    rows = torch.tensor([3, 50, 119])
    before = part[rows]
    assert same(pickle.loads(pickle.dumps(part))[rows], before)


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_as_they_are_are_those_of_a_png(channels: int) -> None:
    shape = (2, 3, 3)[: 2 if channels == 1 else 3]
    images = [np.random.default_rng(seed).integers(0, 256, shape, np.uint8) for seed in range(4)]
    files: dict[str, list[bytes]] = {"png": [], "ppm": []}
    for kind, found in files.items():
        for image in images:
            content = io.BytesIO()
            Image.fromarray(image).save(content, kind)
            found.append(content.getvalue())
    assert files["ppm"][0].startswith(netpbm((channels, 2, 3)))
    same = Pixels((channels, 2, 3))
    png, ppm = (same([pa.table({"image": pa.array(found, pa.binary())})]) for found in files.values())
    assert torch.equal(png, ppm) and ppm[2].flatten().tolist() == images[2].flatten().tolist()
    resized = Pixels((channels, 4, 4))([pa.table({"image": pa.array(files["ppm"], pa.binary())})])
    assert resized.shape == (4, 4, 4, channels)
