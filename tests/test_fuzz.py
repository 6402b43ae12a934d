"""Whatever the configuration and the files, the outcome is a run or one sentence: never a traceback, never a hang.

`FUZZ=1000 python -m pytest -o addopts= tests/test_fuzz.py` tries as many configurations and as many files, other ones
every time, and prints what came of them; without it, some that are always the same.
"""

import logging
import os
import re
import resource
import shutil
import signal
import socket
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import fuzz_configs
import fuzz_files
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig

from litmus.errors import explain

LONG = int(os.environ.get("FUZZ", 0))
SECONDS = 60  # that a case may take
MEMORY = 3 << 29  # bytes that a case may take
DUMP = re.compile(r"<(class|function|module|bound method)|\bat 0x[0-9a-f]|\n")
STRICTER = "jaxtyping.TypeCheckError"  # raised in tests alone, which take no whole number for a float
Table = dict[str, Counter[str]]
CommandLine = Callable[..., int]
Compose = Callable[..., DictConfig]


def cases(count: int) -> settings:
    return settings(
        max_examples=LONG or count,
        derandomize=not LONG,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


class TooLong(BaseException):
    """Not an Exception, so that nothing on the way takes it for one."""


@pytest.fixture(autouse=True)
def confined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No network, a folder of its own, and no more memory than a mistake deserves."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("Name or service not known")

    def ring(signum: int, frame: FrameType | None) -> None:
        raise TooLong

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    handler = signal.signal(signal.SIGALRM, ring)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        import torchmetrics  # noqa: F401, what is imported later would count as the mistake's
        import transformers  # noqa: F401

        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, hard))
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    signal.signal(signal.SIGALRM, handler)


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """Counts what came of the cases of each kind; the long form prints it."""
    counts: Table = defaultdict(Counter)
    yield counts
    if LONG:
        rows = [f"| {kind} | {sum(n.values())} | {n['ran']} | {n['refused']} |" for kind, n in sorted(counts.items())]
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print("\n".join(["", "| kind | cases | ran | refused |", "|---|---|---|---|", *rows]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return fuzz_configs.write_fakes(tmp_path_factory.mktemp("made"))


def check_sentence(sentence: str) -> None:
    assert len(sentence) > 10 and not DUMP.search(sentence), sentence


def test_any_command_line_is_a_run_or_one_sentence(
    command_line: CommandLine,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    made: dict[str, list[str]],
    table: Table,
) -> None:
    @cases(8)
    @given(fuzz_configs.overrides(made))
    def try_one(overrides: list[str]) -> None:
        signal.alarm(SECONDS)
        try:
            code = command_line("logger=csv", *overrides)
        finally:
            signal.alarm(0)
            shutil.rmtree(tmp_path / "outputs", ignore_errors=True)
            text = capsys.readouterr().err
        assume(STRICTER not in text)
        errors = [line for line in text.splitlines() if line.startswith("error: ")]
        assert "Traceback" not in text and len(errors) == code, text
        for line in errors:
            check_sentence(line.removeprefix("error: "))
        table["configurations"]["refused" if code else "ran"] += 1

    try_one()
    assert table["configurations"]["refused"] and (table["configurations"]["ran"] or not LONG)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path, list[str]]]:
    """For each kind of file where a case finds it, where it is kept as it was made up, and what has it read."""
    root, found = tmp_path_factory.mktemp("files"), {}
    for kind, (data, write) in fuzz_files.KINDS.items():
        live, kept = (root / place / kind.replace(" ", "_") for place in ("live", "kept"))
        live.mkdir(parents=True)
        overrides = [f"data={data}", f"data_root={live}", "data.batch_size=4", *write(live)]
        shutil.copytree(live, kept)
        found[kind] = (live, kept, overrides)
    return found


@pytest.mark.slow
def test_any_file_is_read_or_one_sentence(
    composed: Compose, kinds: dict[str, tuple[Path, Path, list[str]]], table: Table
) -> None:
    @cases(20)
    @given(st.sampled_from(sorted(kinds)), fuzz_files.damage(), st.randoms())
    def try_one(kind: str, harm: Callable[[Path], None], rng: Any) -> None:
        live, kept, overrides = kinds[kind]
        fuzz_files.restored(kept, live)
        harm(rng.choice(fuzz_files.files_in(live)))
        signal.alarm(SECONDS)
        try:
            config = composed(*overrides)
            if "sha256" in config.data.get("source", {}):
                config.data.source.sha256 = None
            fuzz_files.read_all(config)
            table[kind]["ran"] += 1
        except Exception as error:
            assume(STRICTER not in repr(type(error)))
            sentence = explain(error)
            assert sentence is not None, error
            check_sentence(sentence)
            table[kind]["refused"] += 1
        finally:
            signal.alarm(0)

    try_one()
    assert sum(counts["ran"] for kind, counts in table.items() if kind in kinds)
