"""A configuration can only name what the project trusts, and a checkpoint can only hold values."""

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import available

from litmus.build import has_bf16_units
from litmus.checkpoint import AtomicCheckpointIO, read_checkpoint
from litmus.trust import check, trusted

HOSTILE = [
    "os.system",
    "builtins.eval",
    "subprocess.Popen",
    "torch.load",
    "numpy.load",
    "functools.partial",
    "hydra.utils.get_method",
    "importlib.import_module",
    "litmus.run.os.system",
    "litmus.run.Path",
    "litmus.build.check",
    "litmus/../os.system",
    "antigravity.x",
    "",
]


@pytest.mark.parametrize("target", HOSTILE)
@pytest.mark.parametrize("wrap", [lambda node: node, lambda node: {"a": [{"b": node}]}])
def test_a_target_that_is_not_trusted_is_refused_before_it_is_imported(target: str, wrap: Any) -> None:
    with pytest.raises(ValueError, match=r"_target_=.* (is not trusted|does not exist|so it is not trusted)"):
        check(wrap({"_target_": target, "_partial_": True}), "model")
    assert "antigravity" not in sys.modules


def test_every_trusted_name_exists() -> None:
    names = [name for name in trusted() if not name.startswith("https://")]
    assert len(names) > 40
    for target in names:
        if "TensorBoard" not in target:
            check({"_target_": target}, "x")


def test_a_name_that_a_file_of_conf_gives_is_trusted_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "a:\n  _target_: litmus.models.mine.Mine\nb: {_target_: 'litmus.models.stems.Rows'}\n_target_: os.system\n"
    )
    (tmp_path / "trusted.yaml").write_text("# a line\n- torch.optim.Adagrad\n")
    assert trusted(tmp_path) == {"litmus.models.mine.Mine", "litmus.models.stems.Rows", "torch.optim.Adagrad"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is not a list: give one name a line"),
        ("torch.optim.SGD", "is not a list"),
        ("torch: [optim]", "is not a list"),
        ("- 3", "3 is not the full name of a class or function"),
        ("- torch", "torch is not the full name"),
        ("- torch.optim.*", r"torch.optim.\* is not the full name"),
        ("- [torch.optim.SGD]", "is not the full name"),
        ("- torch.optim.", "is not the full name"),
        ("- ${oc.env:HOME}", "is not the full name"),
        ("- [", "is not YAML"),
        ("- !!python/name:os.system", "is not YAML"),
    ],
)
def test_a_list_of_another_shape_is_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "trusted.yaml").write_text(content)
    with pytest.raises(ValueError, match=f"{tmp_path}/trusted.yaml.* {sentence}") as refusal:
        trusted(tmp_path)
    assert "\n" not in str(refusal.value)


def test_addresses_are_trusted_as_they_stand_in_conf() -> None:
    if not available("data=imdb"):
        pytest.skip("this project has no address of IMDB")
    node = {"_target_": "litmus.data.remote.RemoteArchive", "checksum": "md5:0", "strip": 1}
    (address,) = (name for name in trusted() if name.endswith("aclImdb_v1.tar.gz"))
    check({**node, "url": address}, "data")
    for other in (f"{address}.evil", "https://example.org/x", "http://localhost/x", None, 3):
        with pytest.raises(ValueError, match=r"data.url=.* is not trusted"):
            check({**node, "url": other}, "data")


@pytest.mark.parametrize(("value", "fits"), [(None, True), (3, True), ("3", False), (2.5, False), ("many", False)])
def test_values_are_held_against_the_signature(value: object, fits: bool) -> None:
    node = {"_target_": "pytorch_lightning.Trainer", "max_epochs": value}
    if fits:
        check(node, "trainer")
    else:
        with pytest.raises(ValueError, match=r"trainer.max_epochs=.* is of the wrong type"):
            check(node, "trainer")


class Payload:
    """A pickle that would leave a trace if it were ever run."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_a_hostile_checkpoint_is_refused_and_not_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "last.ckpt", tmp_path / "trace"
    torch.save({"state_dict": Payload(trace)}, path)
    with pytest.raises(ValueError, match="can't be read"):
        AtomicCheckpointIO().load_checkpoint(path, weights_only=False)
    path.write_bytes(pickle.dumps(Payload(trace)))
    with pytest.raises(ValueError, match="can't be read"):
        read_checkpoint(path)
    assert not trace.exists()


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"x" * 100])
def test_a_damaged_checkpoint_is_one_sentence(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"state_dict": {"w": torch.ones(100)}}, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"the checkpoint {path} can't be read"):
        read_checkpoint(path)


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, disk = tmp_path / "last.ckpt", AtomicCheckpointIO()
    disk.save_checkpoint({"state_dict": {}, "step": 1}, path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        disk.save_checkpoint({"state_dict": {}, "step": 2}, path)
    assert read_checkpoint(path)["step"] == 1


@pytest.mark.parametrize(
    ("capabilities", "has"),
    [
        ({"architecture": "x86_64", "avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"architecture": "x86_64", "avx512_bf16": True}, True),
        ({"architecture": "x86_64", "amx_bf16": True}, True),
        ({"architecture": "aarch64"}, True),
    ],
)
def test_bf16_units_are_known_from_the_processor(capabilities: dict[str, Any], has: bool) -> None:
    assert has_bf16_units(capabilities) is has
