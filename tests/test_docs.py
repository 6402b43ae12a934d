"""The documentation is true: links lead somewhere, commands would run, the reference leaves nothing out, it builds."""

import argparse
import copy
import functools
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig, OmegaConf
from pages import DOCS, LINK, PAGES, ROOT, anchor, commands, headings, prose, spans

from litmus.cli import parser
from litmus.command import first_comment
from litmus.config import CONF
from litmus.prepare.config import load, recipes
from litmus.sweeps.compose import composed

sys.path.append(str(ROOT / "docs"))
import generated

TEXTS = {page: page.read_text() for page in PAGES}
IN_BLOCKS = {command for text in TEXTS.values() for command in commands(text, "sh", "bash")}
IN_LINES = {command for page, text in TEXTS.items() if page.parent.name != "experiments" for command in spans(text)}
MADE_BY_MAKE = ("TORCH", "ARGS", "PYTHON", "JOBS")
OF_OTHERS = ("git", "cd", "source", "eval", "pip", "wandb", "spark-submit")  # programs that are not ours to test
PLACE = re.compile(r"[A-Z]+")  # that a reader fills in
ADDED = {"mynet": "cnn", "mydata": "digits", "mypaper": "mnist1d_cnn"}  # what a command before makes: what is like it


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page.read_text())):
        if link.startswith(("https://", "http://")):
            continue
        name, _, part = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists() and target.is_relative_to(ROOT), link
        assert not part or part in [anchor(words) for _, words in headings(target.read_text())], link


def test_every_page_is_in_the_table_of_contents() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    listed = {line for block in re.findall(r"```\{toctree\}\n(.*?)```", index, re.DOTALL) for line in block.split()}
    pages = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in DOCS}
    assert pages - listed == {"index"}
    linked = {link.removesuffix(".md") for link in LINK.findall(index)}
    assert pages - linked == {"index"}


@pytest.mark.parametrize("command", sorted(IN_BLOCKS | IN_LINES))
def test_every_command_is_one(command: str) -> None:
    """It is parsed as the program would, up to where it would begin."""
    program, *words = _words(command)
    if "train.py" in words:
        assert program in ("python", "torchrun", "srun")
        _composes(words[words.index("train.py") + 1 :])
    elif program == "litmus":
        _parses(words)
    elif program == "make":
        _is_made([program, *words])
    elif program == "python" and words[0] == "-m":
        assert (ROOT / words[1]).is_dir() or importlib.util.find_spec(words[1]), words[1]
    elif program == "python" and words[0] == "-c":
        compile(words[1], "command", "exec")
    else:
        assert program in OF_OTHERS


def _words(command: str) -> list[str]:
    """Without the variables before it, and where its output goes."""
    words = shlex.split(command)
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    return words[: words.index(">")] if ">" in words else words


def _composes(words: list[str]) -> None:
    """Hydra finds every file and key; where no file of the reader's is needed, the parts fit each other."""
    if {"--help", "OVERRIDES"} & set(words):
        return
    plain = [word for word in words if word not in ("-m", "--retry-failed", "--cfg", "job")]
    plain = [re.sub(r"=(my\w+)$", lambda found: f"={ADDED[found[1]]}", word) for word in plain]
    hydra = OverridesParser.create()
    given = [f"{each.key_or_group}={_first(each)}" for each in hydra.parse_overrides(plain)]
    choices = tuple(word for word in given if (CONF / word.split("=")[0]).is_dir())
    assert "-m" in words or not any(word.startswith("sweep=") for word in choices), "a search takes -m"
    config = copy.deepcopy(_chosen(choices))
    values = hydra.parse_overrides([word for word in given if word not in choices])
    ConfigLoaderImpl._apply_overrides_to_config([each for each in values if "hydra" not in each.key_or_group], config)
    if not any(word.startswith(("data.path=", "data.root=", "data=")) for word in given):
        OmegaConf.to_container(config.model, resolve=True)


@functools.cache
def _chosen(choices: tuple[str, ...]) -> DictConfig:
    """What Hydra makes of files of conf/, in a third of a second."""
    return composed(choices)


def _first(override: Override) -> str:
    """The value, or the first of several."""
    if not override.is_sweep_override():
        return str(override.get_value_element_as_str())
    sweep = override.value()
    assert isinstance(sweep, ChoiceSweep | RangeSweep | IntervalSweep)
    return str(sweep.list[0] if isinstance(sweep, ChoiceSweep) else sweep.start)


def _parses(words: list[str]) -> None:
    if len(words) == 1:  # it is spoken of
        words = [*words, "--help"]
    try:
        options = parser().parse_args(words)
    except SystemExit as stop:
        assert stop.code == 0, f"litmus {shlex.join(words)} is no command"
        return
    if options.function.__name__ == "prepare" and options.name in recipes():
        load(options.name, options.overrides)
    if options.function.__name__ == "explain" and not any(map(PLACE.fullmatch, options.overrides)):
        _composes(options.overrides)


def _is_made(words: list[str]) -> None:
    targets = [word for word in words[1:] if "=" not in word]
    assert {word.partition("=")[0] for word in words if "=" in word} <= set(MADE_BY_MAKE)
    done = subprocess.run(["make", "--dry-run", *targets], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    return generated.pages()


def test_the_reference_has_every_file_of_conf_with_its_comment_and_keys(reference: dict[str, str]) -> None:
    files = sorted(CONF.rglob("*.yaml"))
    assert len(files) > 100
    for path in files:
        group = path.parent.relative_to(CONF).as_posix().replace("/", "-")
        page = reference[f"{generated.FOLDER}/conf/{'config' if group == '.' else group}.md"]
        comment = first_comment(path)
        assert len(comment) > 10, f"{path} does not say what it is: begin it with a comment"
        assert f"| [`{path.stem}`](#{anchor(path.stem)}) | {comment} |" in page and path.read_text().rstrip() in page


def test_the_reference_has_every_public_module_class_and_function(reference: dict[str, str]) -> None:
    for path in (ROOT / "src" / "litmus").rglob("*.py"):
        if path.stem != "__init__":
            page = reference[f"{generated.FOLDER}/python/{'.'.join(path.parent.relative_to(ROOT / 'src').parts)}.md"]
            section = page.split(f"\n## {path.stem}\n")[1].split("\n## ")[0]
            names = re.findall(r"^(?:class|def) ([A-Za-z]\w*)", path.read_text(), re.MULTILINE)
            assert [name for name in names if name not in section] == [], path


def test_the_reference_has_every_verb_and_argument(reference: dict[str, str]) -> None:
    page = reference[f"{generated.FOLDER}/litmus.md"]

    def look(one: argparse.ArgumentParser) -> int:
        count = 1
        for action in one._actions:
            if isinstance(action, argparse._SubParsersAction):
                count += sum(map(look, action.choices.values()))
            elif not isinstance(action, argparse._HelpAction):
                assert all(f"`{name}" in page for name in action.option_strings or [action.metavar or action.dest])
        assert one.prog == "litmus" or f"# {one.prog}\n" in page
        return count

    assert look(parser()) > 20


def test_a_docstring_becomes_markdown() -> None:
    text = generated._prose(
        "What.\n\nArgs:\n    width: Of a layer,\n        in units.\n\nRaises:\n    ValueError: If not."
    )
    assert text == "What.\n\n*Args*\n\n- `width`: Of a layer,\n  in units.\n\n*Raises*\n\n- `ValueError`: If not."


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", tmp_path / "trees"]
    done = subprocess.run([*command, ROOT / "docs", tmp_path / "site"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    site = {path.relative_to(tmp_path / "site").with_suffix("").as_posix() for path in tmp_path.rglob("site/**/*.html")}
    assert {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in DOCS} <= site
