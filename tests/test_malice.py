"""What somebody hostile could hand over: every row is refused in one sentence, and what it brings along never runs."""

import bz2
import gzip
import io
import os
import pickle
import shutil
import stat
import struct
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT
from fakes import write_corpus
from omegaconf import OmegaConf

from litmus.cli import main
from litmus.data import archive as archives
from litmus.data.archive import unpack
from litmus.folder import best_or_newest, step_checkpoints
from litmus.guard import check_hydra
from litmus.trust import check

CommandLine = Callable[..., int]
Tree = dict[str, Any]


class Payload:
    """A pickle that makes a folder when it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.trace),)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of two runs: one can be tested, one can write."""
    import hydra

    import train
    from litmus.command import command

    root = tmp_path_factory.mktemp("trained")
    (root / "texts").mkdir()
    runs = {
        "classifier": ["data=digits", "data.train_size=100"],
        "writer": ["data=tinyshakespeare", "model=gpt", "model.layers=1", *write_corpus_of(root / "texts")],
    }
    for name, overrides in runs.items():
        common = ["logger=csv", "trainer.max_epochs=1", "threads=1", f"output_root={root}/{name}"]
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
            patch.setattr(sys, "argv", ["train.py", *overrides, *common])
            hydra.core.global_hydra.GlobalHydra.instance().clear()
            command(hydra.main(config_path=str(ROOT / "conf"), config_name="config", version_base="1.3"), train.train)
        assert end.value.code == 0
    return {name: next((root / name).glob("*/run.json")).parent for name in runs}


def write_corpus_of(root: Path) -> list[str]:
    return [*write_corpus(root / "tinyshakespeare", "input.txt"), f"data_root={root}", "data.epoch_steps=2"]


@pytest.fixture
def opened(
    trained: dict[str, Path], tmp_path: Path, command_line: CommandLine, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, Callable[[Path], None]], None]:
    """Spoils a copy of a run's folder, opens it with a verb, and holds what is said against one sentence."""

    def function(verb: str, spoil: Callable[[Path], None]) -> None:
        folder = tmp_path / "outputs" / "handed-over"
        shutil.copytree(trained["writer" if verb == "generate" else "classifier"], folder)
        spoil(folder)
        capsys.readouterr()
        if verb == "resume":
            assert command_line(f"resume={folder}", "trainer.max_epochs=2") == 1
        else:
            more = {"evaluate": [], "predict": [str(ROOT / "README.md")], "generate": ["--prompt", "the"]}[verb]
            with pytest.raises(SystemExit) as end:
                main([verb, str(folder), *more])
            assert end.value.code == 1
        said_one_sentence(capsys)

    return function


def said_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    *warned, error = capsys.readouterr().err.strip().splitlines()
    assert error.startswith("error: ") and all(line.startswith("the checkpoint ") for line in warned), [*warned, error]


VERBS = ("evaluate", "predict", "generate", "resume")


def checkpoints(folder: Path) -> list[Path]:
    return sorted({best_or_newest(folder), *step_checkpoints(folder)})


def changed(folder: Path, change: Callable[[Tree], Any]) -> None:
    """Rewrites the checkpoints with something changed in what they hold."""
    for path in checkpoints(folder):
        content = torch.load(path, weights_only=True)
        torch.save(change(content), path)


def first_weight(content: Tree, weight: Any) -> Tree:
    name = next(iter(content["state_dict"]))
    return {**content, "state_dict": {**content["state_dict"], name: weight}}


def legacy_tar(trace: Path) -> bytes:
    """The format of torch before 0.1.10."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in ("storages", "tensors", "pickle"):
            content = pickle.dumps(Payload(trace))
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def legacy_save(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def scripted() -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is of old
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), stream)
    return stream.getvalue()


def compressed(folder: Path) -> None:
    for path in checkpoints(folder):
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                archive.writestr(name, content)


def written(content: Callable[[Path], bytes]) -> Callable[[Path, Path], None]:
    def spoil(folder: Path, trace: Path) -> None:
        for path in checkpoints(folder):
            path.write_bytes(content(trace))

    return spoil


CHECKPOINTS: dict[str, Callable[[Path, Path], None]] = {
    "its pickle runs a command": lambda folder, trace: changed(folder, lambda _: {"state_dict": Payload(trace)}),
    "a command among the weights": lambda folder, trace: changed(folder, lambda c: first_weight(c, Payload(trace))),
    "a command in Lightning's hyperparameters": lambda folder, trace: changed(
        folder, lambda c: {**c, "hyper_parameters": Payload(trace), "hparams_name": "x"}
    ),
    "a command in the state of a callback": lambda folder, trace: changed(
        folder, lambda c: {**c, "callbacks": {"x": Payload(trace)}}
    ),
    "a bare pickle": written(lambda trace: pickle.dumps(Payload(trace))),
    "a pickle of torch 1.5": written(lambda trace: legacy_save({"state_dict": Payload(trace)})),
    "a tar of torch 0.1": written(legacy_tar),
    "a TorchScript archive": written(lambda _: scripted()),
    "a function instead of values": lambda folder, _: changed(folder, lambda c: {**c, "state_dict": os.system}),
    "an object array of numpy": lambda folder, trace: changed(
        folder, lambda c: first_weight(c, np.array([Payload(trace)], object))
    ),
    "weights of another shape": lambda folder, _: changed(folder, lambda c: first_weight(c, torch.ones(3))),
    "a weight that claims a tebibyte": lambda folder, _: changed(
        folder, lambda c: first_weight(c, torch.ones(1).expand(1 << 38))
    ),
    "a weight that is a word": lambda folder, _: changed(folder, lambda c: first_weight(c, "word")),
    "weights that are missing": lambda folder, _: changed(folder, lambda c: {**c, "state_dict": {}}),
    "weights that are a list": lambda folder, _: changed(folder, lambda c: {**c, "state_dict": [1, 2]}),
    "no weights at all": lambda folder, _: changed(folder, lambda c: {}),
    "a list": lambda folder, _: changed(folder, lambda c: [1, 2]),
    "a part that is compressed, as a bomb is": lambda folder, _: compressed(folder),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("row", CHECKPOINTS)
def test_a_hostile_checkpoint_is_refused(opened: Callable[..., None], tmp_path: Path, row: str, verb: str) -> None:
    opened(verb, lambda folder: CHECKPOINTS[row](folder, tmp_path / "trace"))
    assert not (tmp_path / "trace").exists()


RESUMED: dict[str, Callable[[Tree], Tree]] = {
    "no optimizer": lambda c: {key: value for key, value in c.items() if key != "optimizer_states"},
    "an optimizer that is a word": lambda c: {**c, "optimizer_states": "word"},
    "an optimizer of other parameters": lambda c: {**c, "optimizer_states": [{"state": {}, "param_groups": []}]},
    "schedules that are a word": lambda c: {**c, "lr_schedulers": ["word"]},
    "loops that are a word": lambda c: {**c, "loops": "word"},
    "callbacks that are a list": lambda c: {**c, "callbacks": [1]},
    "a version that is none": lambda c: {**c, "pytorch-lightning_version": "x"},
    "nothing but weights": lambda c: {"state_dict": c["state_dict"]},
}


@pytest.mark.parametrize("row", RESUMED)
def test_a_checkpoint_that_can_not_be_gone_on_from_is_refused(opened: Callable[..., None], row: str) -> None:
    opened("resume", lambda folder: changed(folder, RESUMED[row]))


def put(place: str, value: Any) -> Tree:
    """A configuration with a value at a dotted place."""
    tree: Any = value
    for key in reversed(place.split(".")):
        tree = {key: tree}
    return dict(tree)


def call(target: Any, **arguments: Any) -> Tree:
    return {"_target_": target, **arguments}


MKDIR = call("os.mkdir", path="TRACE")
PLACES = (
    "model", "model.x", "optimizer", "schedule", "task", "task.x", "stem.grid", "data", "data.source", "data.x",
    "trainer", "trainer.profiler", "trainer.strategy", "trainer.callbacks", "trainer.logger", "callbacks.x", "logger.x",
)  # fmt: skip
TARGETS = (
    "os.system", "posix.system", "builtins.eval", "builtins.exec", "subprocess.Popen", "subprocess.run", "torch.load",
    "numpy.load", "pickle.loads", "runpy.run_path", "importlib.import_module", "functools.partial", "shutil.rmtree",
    "pathlib.Path.write_text", "hydra.utils.get_method", "hydra.utils.call", "hydra._internal.utils._locate",
    "omegaconf.OmegaConf.load", "torch.hub.load", "torch.jit.load", "transformers.AutoModel.from_pretrained",
    "pytorch_lightning.LightningModule.load_from_checkpoint", "antigravity.fly",
    "litmus.run.os.system", "litmus.run.Run.open", "litmus.build.importlib.import_module", "litmus.trust.check",
    "litmus.command.command", "litmus.provenance.origin", "litmus.inference.load", "litmus.generate.generate",
    "litmus.checkpoint.read_checkpoint", "litmus.data.download.fetch", "litmus.data.download.obtain",
    "litmus.data.archive.unpack", "litmus.data.cache.build_once", "litmus.data.texts.token_store.write_store",
    "litmus.models.hf.load", "litmus.models.cnn.__loader__", "litmus.models.cnn.cnn.__globals__", "litmus", "litmus.",
    ".os.system", "os .system", "OS.system", "", 3, None, True, ["os.system"], {"a": "os.system"}, "${oc.env:HOME}",
    r"\${model.name}", "${hydra:runtime.cwd}",
)  # fmt: skip
FORMS: dict[str, Any] = {
    "nested": call("litmus.models.mlp.MLP", stem={"x": [{"y": MKDIR}]}),
    "partial": {**MKDIR, "_partial_": True},
    "by position": call("os.mkdir", _args_=["TRACE"]),
    "in a part that is not recursive": call("litmus.models.mlp.MLP", _recursive_=False, stem=MKDIR),
    "as an argument of what is trusted": call("torch.optim.AdamW", lr=MKDIR),
    "with its name put together": {"word": "mkdir", "_target_": "os.${.word}", "path": "TRACE"},
    "behind an interpolation": {"x": "${...callbacks.hidden}"},
    "by position, of what is trusted": call("litmus.models.mlp.MLP", _args_=[MKDIR]),
}
LAUNCHER: dict[str, Tree] = {
    "a line of shell for Slurm": {"launcher": {"setup": ["mkdir TRACE"]}},
    "an option for Slurm": {"launcher": {"additional_parameters": {"wrap": "mkdir TRACE"}}},
    "shell that it says was typed": {
        "launcher": {"setup": ["mkdir TRACE"]},
        "overrides": {"hydra": ["hydra.launcher.setup=[x]"]},
    },
    "an environment for Ray": {"launcher": {"runtime_env": {"env_vars": {"PYTHONSTARTUP": "TRACE"}}}},
    "a cluster of its own": {"launcher": {"address": "example.org:6379"}},
}
HYDRA: dict[str, Tree] = {
    "a callback": {"callbacks": {"x": MKDIR}},
    "a callback with a harmless name": {"callbacks": {"x": call("litmus.models.mlp.MLP")}},
    "a callback behind an interpolation": {"callbacks": "${callbacks.hidden}"},
    "a log handler from a factory": {"job_logging": {"handlers": {"x": {"()": "os.mkdir", "path": "TRACE"}}}},
    "a log handler's class": {
        "job_logging": {"handlers": {"x": {"class": "logging.FileHandler", "filename": "TRACE"}}}
    },
    "a log formatter": {"job_logging": {"formatters": {"x": {"()": "os.mkdir", "path": "TRACE"}}}},
    "a log stream": {"job_logging": {"handlers": {"console": {"stream": "ext://antigravity.fly"}}}},
    "a log handler of Hydra's own": {"hydra_logging": {"handlers": {"x": {"()": "os.mkdir", "path": "TRACE"}}}},
    "a variable that git runs": {"job": {"env_set": {"GIT_EXTERNAL_DIFF": "mkdir TRACE"}}},
    "a sweeper's part": {"sweeper": {"params": MKDIR}},
    "another sweeper": {"sweeper": MKDIR},
    "another launcher": {"launcher": MKDIR},
    **LAUNCHER,
    "a folder for Hydra's files": {"output_subdir": "TRACE"},
    "conf/ as a place to write to": {"sweep": {"dir": str(ROOT / "conf" / "data")}},
}
CONFIGS: dict[str, Tree] = {
    **{f"at {place}": put(place, MKDIR) for place in PLACES},
    **{f"in a list at {place}": put(place, [MKDIR]) for place in ("trainer.plugins", "trainer.callbacks", "model.x")},
    **{form: put("model", node) | put("callbacks.hidden", MKDIR) for form, node in FORMS.items()},
    **{f"of Hydra: {name}": put("hydra", node) | put("callbacks.hidden", MKDIR) for name, node in HYDRA.items()},
    "an address of its own": put(
        "data", call("litmus.data.remote.RemoteFiles", url="https://example.org/x", checksums={})
    ),
    "a list of names of its own": {"trusted": ["os.mkdir"], "model": MKDIR},
}


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_target_that_is_not_trusted_is_refused(composed: Callable[..., Any], target: Any) -> None:
    config = composed("data=digits", "+callbacks.x={}")
    config.callbacks.x = call(target)
    with pytest.raises(ValueError, match=r"^callbacks.x._target_=.* is (not trusted|of the wrong type)"):
        check(config.callbacks.x, "callbacks.x")
    assert "antigravity" not in sys.modules


def filled(node: Any, trace: Path) -> Any:
    return yaml.safe_load(yaml.safe_dump(node).replace("TRACE", str(trace)))


@pytest.mark.parametrize("row", CONFIGS)
def test_a_hostile_configuration_is_refused(
    command_line: CommandLine, capsys: pytest.CaptureFixture[str], tmp_path: Path, row: str
) -> None:
    folder, trace = tmp_path / "handed-over" / "experiment", tmp_path / "trace"
    folder.mkdir(parents=True)
    (tmp_path / "handed-over" / "trusted.yaml").write_text("[os.mkdir, os.system]")
    (folder / "evil.yaml").write_text("# @package _global_\n" + yaml.safe_dump(filled(CONFIGS[row], trace)))
    code = command_line("--config-dir", str(folder.parent), "experiment=evil", "logger=csv", "trainer.max_epochs=1")
    assert code == 1 and not trace.exists() and "antigravity" not in sys.modules
    said_one_sentence(capsys)


@pytest.mark.parametrize(
    "argument",
    [
        "model._target_=os.system",
        "+model.x={_target_:builtins.eval}",
        "+trainer.profiler={_target_:subprocess.Popen,_partial_:true}",
        "+callbacks.x={_target_:torch.load}",
        "+hydra.callbacks.x={_target_:os.system}",
        "+hydra.job.env_set.GIT_EXTERNAL_DIFF=x",
        "+hydra.job_logging.handlers.x={class:logging.FileHandler,filename:x}",
        "hydra.searchpath=[pkg://antigravity]",
        "hydra/launcher=os.system",
        "--experimental-rerun=x.pickle",
        "--config-name=trusted",
        "data.source.url=https://example.org/x",
    ],
)
def test_the_command_line_names_nothing_new(
    command_line: CommandLine, capsys: pytest.CaptureFixture[str], argument: str
) -> None:
    data = ["data=mnist"] if "url" in argument else []
    assert command_line(argument, *data, "logger=csv") == 1
    said_one_sentence(capsys)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("key", ["output_root", "hydra.run.dir", "hydra.sweep.dir"])
def test_nothing_is_written_where_trusted_files_stand(key: str) -> None:
    config = OmegaConf.create(put(key, str(ROOT / "experiments" / ".." / "conf" / "runs")))
    with pytest.raises(ValueError, match=f"{key}=.* is not trusted: nothing is written into conf/"):
        check_hydra(config)


@pytest.mark.parametrize("row", LAUNCHER)
def test_what_a_launcher_runs_comes_from_the_user(row: str) -> None:
    with pytest.raises(ValueError, match=r"hydra\.launcher\..* is not trusted, for it is run"):
        check_hydra(OmegaConf.create({"hydra": LAUNCHER[row]}))


RUNS: dict[str, Tree] = {
    **{f"at {place}": put(place, MKDIR) for place in ("model", "optimizer", "schedule", "task", "data", "data.source")},
    "in a list": put("model.x", [{"y": MKDIR}]),
    "an own function": put("model", call("litmus.data.download.fetch", url="https://example.org/x", path="TRACE")),
    "a variable": {"name": "${oc.env:SECRET}"},
    "a variable in the data": put("data.root", "/tmp/${oc.env:SECRET}"),
    "a variable put together": put("model.x", "${oc.${name}:SECRET}"),
    "a file": put("data.classes", "${label_names:/etc/passwd,null,null,[utf-8]}"),
    "a folder": put("data.classes", "${class_folders:/}"),
    "Hydra's facts": {"name": "${hydra:runtime.cwd}"},
    "an escaped variable": {"name": r"\${oc.env:SECRET}"},
    "a variable in a key that nobody reads": {"more": ["${oc.env:SECRET}"]},
}


@pytest.mark.parametrize("verb", ["evaluate", "resume"])
@pytest.mark.parametrize("row", RUNS)
def test_a_hostile_run_folder_is_refused(
    opened: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, row: str, verb: str
) -> None:
    monkeypatch.setenv("SECRET", "0f-a-kind")

    def spoil(folder: Path) -> None:
        path = folder / "config.yaml"
        config = merged(yaml.safe_load(path.read_text()), filled(RUNS[row], tmp_path / "trace"))
        path.write_text(yaml.safe_dump(config))

    opened(verb, spoil)
    assert not (tmp_path / "trace").exists()
    for path in (tmp_path / "outputs" / "handed-over").rglob("*.*"):
        assert path.is_dir() or b"0f-a-kind" not in path.read_bytes(), path


def merged(config: Any, change: Any) -> Any:
    if not (isinstance(config, dict) and isinstance(change, dict)):
        return change
    return {**config, **{key: merged(config.get(key), value) for key, value in change.items()}}


@pytest.mark.parametrize(
    "content",
    ["!!python/object/apply:os.mkdir [TRACE]", "[1, 2", "3", "", "word", "a: &a [*a]", "\0"],
)
@pytest.mark.parametrize(
    ("verb", "name"),
    [
        ("evaluate", "config.yaml"),
        ("evaluate", "overrides.yaml"),
        ("resume", "config.yaml"),
        ("resume", "run.json"),
    ],
)
def test_the_files_of_a_run_hold_values_only(
    opened: Callable[..., None], tmp_path: Path, verb: str, name: str, content: str
) -> None:
    opened(verb, lambda folder: (folder / name).write_text(content.replace("TRACE", str(tmp_path / "trace"))))
    assert not (tmp_path / "trace").exists()


def member(name: str, content: bytes = b"x", **facts: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in facts.items():
        setattr(info, key, value)
    return info, content


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        for info, content in (member("top/train/a.txt"), *members):
            file.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], **options: Any) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in (("top/train/a.txt", b"x"), *members):
            file.writestr(name, content)
    return stream.getvalue()


def of_kind(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o777) << 16
    return info


def encrypted() -> bytes:
    content = bytearray(zipped())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    return bytes(content)


def lying() -> bytes:
    """A zip that declares 1 byte and holds a mebibyte."""
    content = zipped(("top/train/b.txt", bytes(1 << 20)), compression=zipfile.ZIP_DEFLATED)
    size = struct.pack("<I", 1 << 20)
    return content.replace(size, struct.pack("<I", 1))


def long_header() -> bytes:
    """A tar whose first header asks for a gibibyte."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    return gzip.compress(info.tobuf(tarfile.PAX_FORMAT) + bytes(1 << 20))


ZEROS = bytes(4 << 20)
ARCHIVES: dict[str, Callable[[], bytes]] = {
    "tar: up and out": lambda: tar(member("top/train/../../../escaped")),
    "tar: an absolute path": lambda: tar(member("/tmp/escaped")),
    "tar: a symbolic link to outside": lambda: tar(member("top/train/b", b"", type=tarfile.SYMTYPE, linkname="/etc")),
    "tar: a symbolic link inside": lambda: tar(member("top/train/b", b"", type=tarfile.SYMTYPE, linkname="a.txt")),
    "tar: through a symbolic link": lambda: tar(
        member("top/train/b", b"", type=tarfile.SYMTYPE, linkname="../../.."), member("top/train/b/escaped")
    ),
    "tar: a hard link": lambda: tar(member("top/train/b", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd")),
    "tar: a character device": lambda: tar(member("top/train/b", b"", type=tarfile.CHRTYPE)),
    "tar: a block device": lambda: tar(member("top/train/b", b"", type=tarfile.BLKTYPE)),
    "tar: a pipe": lambda: tar(member("top/train/b", b"", type=tarfile.FIFOTYPE)),
    "tar: one name twice": lambda: tar(member("top/train/a.txt", b"y")),
    "tar: one name from two folders": lambda: tar(member("other/train/a.txt", b"y")),
    "tar: a file and a folder of one name": lambda: tar(member("top/train/a.txt/b")),
    "tar: too deep": lambda: tar(member("/".join(["top", "train", *"x" * 40, "b"]))),
    "tar: too large": lambda: tar(member("top/train/b", ZEROS)),
    "tar: too large, gzipped": lambda: gzip.compress(tar(member("top/train/b", ZEROS))),
    "tar: too large, bzipped": lambda: bz2.compress(tar(member("top/other/b", ZEROS))),
    "tar: too many": lambda: tar(*(member(f"top/train/{i}", b"") for i in range(60))),
    "tar: a header of a gibibyte": long_header,
    "tar: cut short": lambda: tar(member("top/train/b", ZEROS[:9000]))[:5000],
    "tar: cut short, gzipped": lambda: gzip.compress(tar(member("top/train/b", ZEROS[:9000])))[:100],
    "zip: up and out": lambda: zipped(("top/train/../../../escaped", b"x")),
    "zip: an absolute path": lambda: zipped(("/tmp/escaped", b"x")),
    "zip: a symbolic link": lambda: zipped((of_kind("top/train/b", stat.S_IFLNK), b"/etc/passwd")),
    "zip: a device": lambda: zipped((of_kind("top/train/b", stat.S_IFCHR), b"")),
    "zip: one name twice": lambda: zipped(("top/train/a.txt", b"y")),
    "zip: too deep": lambda: zipped(("/".join(["top", "train", *"x" * 40, "b"]), b"x")),
    "zip: too large": lambda: zipped(("top/train/b", ZEROS), compression=zipfile.ZIP_DEFLATED),
    "zip: larger than it declares": lying,
    "zip: too many": lambda: zipped(*((f"top/train/{i}", b"") for i in range(60))),
    "zip: encrypted": encrypted,
    "zip: cut short": lambda: zipped(("top/train/b", b"y"))[:-30],
    "zip: an altered byte": lambda: zipped(("top/train/b", b"y" * 99)).replace(b"yyyy", b"yzyy", 1),
    "neither": lambda: b"x" * 2000,
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("row", ARCHIVES)
def test_a_hostile_archive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str) -> None:
    monkeypatch.setattr(archives, "LARGEST", len(ZEROS) // 2)
    monkeypatch.setattr(archives, "MOST", 50)
    folder = tmp_path / "deep" / "data" / "set"
    folder.parent.mkdir(parents=True)
    (tmp_path / "archive").write_bytes(ARCHIVES[row]())
    with pytest.raises(ValueError, match=str(tmp_path / "archive")) as refusal:
        unpack(tmp_path / "archive", folder, strip=1, wanted=["train"])
    assert "\n" not in str(refusal.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["archive", "data", "deep"]
    assert not Path("/tmp/escaped").exists()


@pytest.fixture
def tokens(trained: dict[str, Path]) -> Iterator[Path]:
    """The folder with the tokens that the second run has made; put back afterwards."""
    (folder,) = (trained["writer"].parents[1] / "texts" / ".cache").glob("corpus-*")
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    yield folder
    shutil.rmtree(folder)
    kept.rename(folder)


def object_array(path: Path, trace: Path) -> None:
    np.save(path, np.array([Payload(trace)], object), allow_pickle=True)


CACHES: dict[str, Callable[[Path, Path], Any]] = {
    "starts that are a pickle": lambda folder, trace: object_array(folder / "validation" / "starts.npy", trace),
    "labels that are a pickle": lambda folder, trace: object_array(folder / "validation" / "labels.npy", trace),
    "a bare pickle": lambda folder, trace: (folder / "validation" / "starts.npy").write_bytes(
        pickle.dumps(Payload(trace))
    ),
    "ids of objects": lambda folder, _: (folder / "validation" / "facts.json").write_text('{"type": "O"}'),
    "facts that are no JSON": lambda folder, _: (folder / "validation" / "facts.json").write_text("rubbish"),
    "a tokenizer that is none": lambda folder, _: (folder / "tokenizer.json").write_text("rubbish"),
    "a tokenizer without a vocabulary": lambda folder, _: (folder / "tokenizer.json").write_text("{}"),
}


@pytest.mark.parametrize("row", CACHES)
def test_a_hostile_cache_is_refused(
    trained: dict[str, Path], tokens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str
) -> None:
    CACHES[row](tokens, tmp_path / "t")
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(trained["writer"])])
    assert end.value.code == 1 and not (tmp_path / "t").exists()
    said_one_sentence(capsys)
