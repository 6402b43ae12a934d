"""Running text for language models: windows, streams, splits by character, and what is measured on them."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from conftest import in_epoch, on_cpu
from fakes import fake
from omegaconf import DictConfig

from litmus.build import build_data
from litmus.data.texts.corpus_data import CorpusData
from litmus.data.texts.windows import PlainWindows, RandomWindows, Streams, WholeStreams
from litmus.folder import read_metrics
from litmus.generate import generate
from train import train

Compose = Callable[..., DictConfig]
SIZE = 1003
QUICK = (
    "model=gpt",
    "model.width=16",
    "model.layers=1",
    "model.heads=2",
    "data.epoch_steps=10",
    "trainer.max_epochs=2",
)


def corpus(composed: Compose, root: Path, name: str, *overrides: str) -> CorpusData:
    data: CorpusData = on_cpu(build_data(fake(composed, root, name, "model=gpt", *overrides)))
    return data


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("sampler", [PlainWindows, WholeStreams])
def test_every_target_is_scored_exactly_once(sampler: type[PlainWindows | WholeStreams], ranks: int) -> None:
    targets: list[int] = []
    for rank in range(ranks):
        batches = sampler(SIZE, 8, 6, rank, ranks)
        for spans in (spans for number, spans in enumerate(batches) if batches.counts(number)):
            targets += [index for start, stop in spans.tolist() for index in range(start + 1, stop + 1)]
    assert sorted(targets) == list(range(1, SIZE))


def test_a_row_of_a_stream_goes_on_where_it_ended() -> None:
    batches = list(Streams(SIZE, 8, 6, 0, 1))
    for before, after in pairwise(batches):
        assert torch.equal(before[:, 1], after[:, 0])
    assert len(batches) == len(Streams(SIZE, 8, 6, 0, 1)) == math.ceil(167 / 8)


def test_random_windows_are_a_function_of_seed_epoch_and_step_and_shared_by_ranks() -> None:
    def drawn(seed: int, epoch: int, rank: int = 0, ranks: int = 1) -> torch.Tensor:
        windows = RandomWindows(SIZE, 8, 6, 5, seed, rank, ranks)
        windows.set_epoch(epoch)
        return torch.cat(list(windows))

    assert torch.equal(drawn(0, 0), drawn(0, 0))
    assert not torch.equal(drawn(0, 0), drawn(0, 1)) and not torch.equal(drawn(0, 0), drawn(1, 0))
    halves = [drawn(0, 0, rank, 2) for rank in (0, 1)]
    assert sorted(torch.cat(halves)[:, 0].tolist()) == sorted(drawn(0, 0)[:, 0].tolist())
    assert drawn(0, 0)[:, 1].max() < SIZE and drawn(0, 0)[:, 0].min() >= 0


def test_targets_are_the_tokens_one_step_later(composed: Compose, tmp_path: Path) -> None:
    data = corpus(composed, tmp_path, "tinyshakespeare")
    text = (tmp_path / "tinyshakespeare" / "input.txt").read_text()
    for tokens, targets in data.train_dataloader():
        assert tokens.shape == targets.shape == (4, 8)
        assert torch.equal(tokens[:, 1:], targets[:, :-1])
        assert all(data.decode(row.tolist()) in text for row in tokens)
    assert len(list(data.train_dataloader())) == 250


def test_the_last_tenth_of_the_characters_validates_and_is_tested_on(composed: Compose, tmp_path: Path) -> None:
    data = corpus(composed, tmp_path, "tinyshakespeare")
    text = (tmp_path / "tinyshakespeare" / "input.txt").read_text()
    parts = {part: data.decode(windows.store.ids.tolist()) for part, windows in data.sets.items()}
    assert parts["train"] + parts["val"] == text and parts["test"] == parts["val"]
    assert len(parts["train"]) == int(0.9 * len(text))
    assert data.characters_per_token("val") == 1.0
    assert data.fingerprints["validation"] == data.fingerprints["test"] != data.fingerprints["train"]


def test_words_have_an_end_of_line_and_one_token_for_the_unknown(composed: Compose, tmp_path: Path) -> None:
    data = corpus(composed, tmp_path, "ptb")
    (tmp_path / "ptb" / "ptb.valid.txt").write_text(" the newword <unk> .\n")
    again = corpus(composed, tmp_path, "ptb")
    assert again.decode(again.sets["val"].store.ids.tolist()) == "the <unk> <unk> . <eos>"
    assert again.fingerprints["train"] == data.fingerprints["train"]
    assert again.characters_per_token("val") == len(" the newword <unk> .\n") / 5  # as it stands in the file


def test_a_blank_line_is_no_token(composed: Compose, tmp_path: Path) -> None:
    corpus(composed, tmp_path, "tinyshakespeare")
    text = "the dog sat\n\n\nthe cat ran\n" * 40
    (tmp_path / "tinyshakespeare" / "input.txt").write_text(text)
    data = corpus(composed, tmp_path, "tinyshakespeare", "tokenizer=word")
    ids = [index for part in ("train", "val") for index in data.sets[part].store.ids.tolist()]
    assert data.decode(ids) == " ".join(text.split())
    assert sum(data.sets[part].store.facts["tokens"] for part in ("train", "val")) == len(ids) == 240


def test_fewer_windows_are_a_shorter_corpus_for_streams_too(composed: Compose, tmp_path: Path) -> None:
    data = corpus(composed, tmp_path, "ptb", "data.streams=true", "data.train_size=8")
    assert len(list(data.train_dataloader())) == 2  # 64 tokens in 4 rows of 16, by 8
    data = corpus(composed, tmp_path, "ptb", "data.train_size=8")
    assert len(list(data.train_dataloader())) == 2


def test_the_order_changes_with_the_epoch_and_not_without(composed: Compose, tmp_path: Path) -> None:
    data = corpus(composed, tmp_path, "tinyshakespeare")
    first, again = (torch.cat([tokens for tokens, _ in data.train_dataloader()]) for _ in range(2))
    other = torch.cat([tokens for tokens, _ in in_epoch(data, 1)])
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data.context=5000"], "data.context=5000 is too long for a corpus of"),
        (["data.vocab_size=10"], "not among the 10 tokens, and there is none for what is unknown"),
        (["tokenizer=bpe"], r"the tokenizer has \d+ tokens and data.vocab_size=65: give data.vocab_size="),
        (["data.context=0"], "data.context=0 is not at least 1"),
        (["data.eval_batch_size=0"], "data.eval_batch_size=0 is not at least 1"),
        (["data.epoch_steps=-1"], "data.epoch_steps=-1 is not at least 1"),
        (["data.vocab_size=0"], "data.vocab_size=0 leaves no room"),
    ],
)
def test_bad_input_is_one_sentence(composed: Compose, tmp_path: Path, overrides: list[str], sentence: str) -> None:
    with pytest.raises(Exception, match=sentence):
        list(corpus(composed, tmp_path, "tinyshakespeare", *overrides).train_dataloader())


def test_a_language_model_learns_measures_and_writes(composed: Compose, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    config = fake(composed, root, "tinyshakespeare", *QUICK)
    train(config)
    (folder,) = (tmp_path / "outputs").iterdir()
    values = {row["metric"]: float(row["value"]) for row in read_metrics(folder / "metrics.csv")}
    assert values["test/perplexity"] == pytest.approx(math.exp(values["test/loss"]), rel=1e-3)
    assert values["test/bits_per_character"] == pytest.approx(values["test/loss"] / math.log(2), rel=1e-3)
    assert values["val/loss"] < math.log(65)
    options = {"tokens": 40, "temperature": 0.8, "top_k": None, "seed": 0}
    text = "".join(generate(folder, "the word", **options))
    assert text.startswith("the word") and len(text) == 48 and "".join(generate(folder, "the word", **options)) == text
    assert "".join(generate(folder, "the word", **{**options, "seed": 1})) != text
    greedy = {**options, "temperature": 0.0}
    assert "".join(generate(folder, "t", **greedy)) == "".join(generate(folder, "t", **{**greedy, "seed": 1}))
    with pytest.raises(ValueError, match="a part of the text is not among the"):
        list(generate(folder, "é", **options))


def test_a_carried_state_is_the_state_of_the_row(composed: Compose, tmp_path: Path) -> None:
    """In evaluation, streams with a carried state see what one long run sees."""
    root = tmp_path / "data"
    root.mkdir()
    config = fake(composed, root, "ptb", "model=lstm_lm", "model.hidden=8", "data.batch_size=2", "trainer.max_epochs=1")
    train(config)
    (folder,) = (tmp_path / "outputs").iterdir()
    from litmus.inference import load
    from litmus.snapshot import load_config

    module, data = load(load_config(folder), folder)
    on_cpu(data)
    module.eval()
    ids = torch.from_numpy(data.sets["test"].store.ids.astype("int64"))
    half = -((1 - len(ids)) // 2)
    total, count = 0.0, 0
    with torch.inference_mode():
        for start in (0, half):
            stop = min(start + half, len(ids) - 1)
            logits, _ = module.net(ids[None, start:stop], None)
            losses = torch.nn.functional.cross_entropy(logits[0], ids[start + 1 : stop + 1], reduction="sum")
            total, count = total + float(losses), count + stop - start
    values = {row["metric"]: float(row["value"]) for row in read_metrics(folder / "metrics.csv")}
    assert values["test/loss"] == pytest.approx(total / count, abs=1e-4)
