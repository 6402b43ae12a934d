"""Every model on every data set of conf/: it learns, or one sentence says why the pair makes no sense. And what a data
set declares is what its batches are."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import on_cpu
from fakes import FAKES, fake
from omegaconf import DictConfig

from litmus.build import build_data, build_module
from litmus.errors import explain
from litmus.pairs import check_pair

CONF = Path(__file__).parents[1] / "conf"
SETS = {path.stem for path in (CONF / "data").glob("*.yaml")}
DATA = sorted(  # of some there are two kinds, and some make their own files
    {*(name for name in FAKES if name.split()[0] in SETS), *SETS - {name.split()[0] for name in FAKES}}
)
MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
NEEDS = {"mnist1d": "mnist1d"}
STEPS = 4
DEEPER = ("resnet32", "resnet44", "resnet56", "resnet110")  # than resnet20; tests/test_models.py has them all
CANDIDATES = (("sst2", "text_files"), ("ucr", "table"), ("etth1", "series_file"), ("tinyshakespeare",))
OTHERS = [name for names in CANDIDATES for name in [one for one in names if one in SETS][:1]]  # a set of each kind
KINDS = ("digits", *OTHERS)
LARGER = "cifar10" if "cifar10" in SETS else "digits"
MAKES_SENSE = {  # pairs that must learn, among those that do
    ("cnn", "cifar10"), ("lstm", "cifar10"), ("transformer", "cifar10"), ("mlp", "digits"), ("cct", "cifar10"),
    ("airbench", "cifar10"), ("mnist1d", "mnist1d"), ("nlinear", "etth1"),
    ("cnn", "imdb"), ("lstm", "imdb"), ("transformer", "imdb"), ("text_cnn", "trec"), ("hf", "sst2"),
    ("cnn", "mnist1d"), ("lstm", "mnist1d"), ("transformer", "mnist1d"), ("fcn", "ucr"), ("lstm_fcn", "ucr"),
    ("cnn", "etth1"), ("lstm", "etth1"), ("transformer", "etth1"), ("dlinear", "etth1"), ("patchtst", "etth1"),
    ("gpt", "tinyshakespeare"), ("lstm_lm", "ptb"), ("lstm", "adding_problem"), ("transformer", "modular_arithmetic"),
    ("mlp", "table"), ("lstm", "text_files"), ("cnn", "shards"), ("lstm", "shards of texts"),
    ("text_cnn", "shards of texts"), ("mlp", "shards of numbers"), ("hf", "shards of texts"),
}  # fmt: skip
Compose = Callable[..., DictConfig]


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a data set's made-up files, written once."""
    folders: dict[str, Path] = {}

    def function(name: str) -> Path:
        return folders.setdefault(name, tmp_path_factory.mktemp(name))

    return function


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A transformers checkpoint with random weights and a tokenizer of its own."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bert")
    BertModel(
        BertConfig(vocab_size=64, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    ).save_pretrained(folder)
    words = ["[PAD]", "[UNK]", "the", *(f"word{i}" for i in range(20))]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    return str(folder)


def set_up(composed: Compose, root: Path, name: str, *overrides: str) -> tuple[DictConfig, Any]:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    config = fake(composed, root, name, *overrides)
    return config, on_cpu(build_data(config))


@pytest.mark.parametrize("name", DATA)
def test_declared_facts_hold_for_a_batch(composed: Compose, made_up: Callable[[str], Path], name: str) -> None:
    config, data = set_up(composed, made_up(name), name)
    data.setup("test")
    facts = config.data
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        inputs, targets = data.on_after_batch_transfer(next(iter(loader)), 0)
        if facts.get("image_shape"):
            assert list(inputs.shape[1:]) == list(facts.image_shape) and inputs.dtype == torch.float32
            assert inputs.is_contiguous(memory_format=torch.channels_last)
        elif facts.get("vocab_size"):
            longest = facts.context if "context" in facts else facts.max_length
            assert inputs.shape[1] <= longest and inputs.dtype == torch.int64
            assert inputs.min() >= 0 and inputs.max() < facts.vocab_size
        else:
            assert list(inputs.shape[1:]) == [facts.length, facts.channels] and inputs.dtype == torch.float32
        if "horizon" in facts:
            assert list(targets.shape[1:]) == [facts.horizon, facts.channels]
        elif "context" in facts:
            assert targets.shape == inputs.shape and targets.max() < facts.vocab_size
        elif facts.get("targets"):
            assert list(targets.shape[1:]) == [facts.targets]
        else:
            assert targets.min() >= 0 and targets.max() < facts.num_classes
            assert len(data.classes) == facts.num_classes
    assert data.fingerprints and data.batch_size == 4


@pytest.mark.parametrize("model", MODELS)
def test_every_model_fits_some_data(composed: Compose, made_up: Callable[[str], Path], model: str) -> None:
    fits = 0
    for name in (LARGER, *OTHERS):
        with contextlib.suppress(ValueError):
            check_pair(fake(composed, made_up(name), name, f"model={model}"))
            fits += 1
    assert fits


def pairs() -> list[Any]:
    """All of them; those are slow that are of a model and a kind of data that others have been tried with."""
    always = {
        *MAKES_SENSE,
        *(
            (model, name)
            for model in MODELS
            if model not in DEEPER and model not in dict(MAKES_SENSE)
            for name in KINDS
        ),
        *(("cnn", name) for name in DATA),
    }
    every = ((model, name) for model in MODELS for name in DATA)
    return [pair if pair in always else pytest.param(*pair, marks=pytest.mark.slow) for pair in every]


@pytest.mark.parametrize(("model", "name"), pairs())
def test_every_pair_learns_or_is_refused_in_a_sentence(
    composed: Compose, made_up: Callable[[str], Path], tiny_bert: str, model: str, name: str
) -> None:
    overrides = [f"model={model}", *([f"model.checkpoint={tiny_bert}"] if model == "hf" else [])]
    try:
        config = fake(composed, made_up(name), name, *overrides)
        check_pair(config)
    except ValueError as error:
        assert str(error).startswith(f"model={model} does not fit data={name.split()[0]}, which has no ")
        assert (model, name) not in MAKES_SENSE
        return
    config, data = set_up(composed, made_up(name), name, *overrides)
    torch.manual_seed(0)
    try:
        module = build_module(config)
    except Exception as error:
        sentence = explain(error)
        assert sentence and "model" in sentence and (model, name) not in MAKES_SENSE, error
        return
    losses = learn(module, data)
    assert min(losses[1:]) < losses[0], losses


def learn(module: Any, data: Any) -> list[float]:
    """Losses of some steps on one batch, with the same dropout before and after."""
    module.trainer, data.trainer.datamodule = data.trainer, data
    module.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    optimizer = torch.optim.AdamW(module.net.parameters(), lr=1e-3)
    losses = []
    for _ in range(STEPS):
        torch.manual_seed(1)
        module.carry_on({"sums": {}, "counts": {}, "logged_step": 0, "state": None})
        loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
