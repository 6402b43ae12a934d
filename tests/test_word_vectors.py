"""Word vectors from a file: the words that stand in it get them, the others keep their own."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import on_cpu
from fakes import fake
from omegaconf import DictConfig

from litmus.build import build_data, build_module
from litmus.callbacks.word_vectors import WordVectors

Compose = Callable[..., DictConfig]


@pytest.fixture
def trained(composed: Compose, tmp_path: Path) -> Callable[[str, bool], tuple[torch.Tensor, dict[str, int], object]]:
    """The embedding of a small LSTM before and after a file is read."""
    root = tmp_path / "data"
    root.mkdir()
    config = fake(composed, root, "text_files", "model=lstm")
    data = on_cpu(build_data(config))
    data.trainer.datamodule = data

    def function(content: str, frozen: bool) -> tuple[torch.Tensor, dict[str, int], object]:
        module = build_module(config)
        path = tmp_path / "vectors.txt"
        path.write_text(content)
        before = module.net.stem.embedding.weight.clone()
        WordVectors(str(path), frozen).setup(data.trainer, module, "fit")
        return before, data.vocabulary.tokenizer.get_vocab(), module.net.stem.embedding.weight

    return function


@pytest.mark.parametrize("head", ["", "2 128\n"])
def test_words_of_the_file_get_their_vector_and_others_keep_theirs(trained: Callable[..., object], head: str) -> None:
    lines = ["the " + " ".join(["0.5"] * 128), "notthere " + " ".join(["9"] * 128)]
    before, ids, weight = trained(head + "\n".join(lines) + "\n", False)  # type: ignore[misc]
    assert torch.equal(weight[ids["the"]], torch.full((128,), 0.5)) and weight.requires_grad
    others = [index for word, index in ids.items() if word != "the"]
    assert torch.equal(weight[others], before[others])


def test_frozen_vectors_are_not_trained(trained: Callable[..., object]) -> None:
    _, _, weight = trained("the " + " ".join(["0.5"] * 128), True)  # type: ignore[misc]
    assert not weight.requires_grad


def test_vectors_of_another_size_are_refused(trained: Callable[..., object], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"vectors.txt:1 has a vector of 3 numbers and the network's have 128"):
        trained("the 1 2 3\n", False)
    with pytest.raises(ValueError, match="is not a file of word vectors"):
        WordVectors(str(tmp_path / "nothing"), False)
