"""`litmus prepare`, killed at any moment: the same command again leaves what an undisturbed one leaves."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.dirty import made_up_sentences

NEAR = ("near_duplicates.threshold=0.6", "chunk_megabytes=0.01", "shards.megabytes=0.05")


def found(pattern: str, least: int = 1) -> Callable[[Path], bool]:
    return lambda work: len(list(work.glob(pattern))) >= least


STEPS: dict[str, Callable[[Path], bool]] = {  # what stands in the folder of the work from a step on
    "reading": found("parts/[0-9a-f]*", 3),
    "comparing": found("engine/tables.duckdb"),
    "near-duplicates": found("engine/pairs-*"),
    "writing shards": found("result/train/*"),
    "writing rejects": found("result/rejects/*"),
    "replacing": lambda work: (work / "old").exists() or not (work.parent / "imdb").exists(),
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reviews, of which some are the same, or nearly."""
    root = tmp_path_factory.mktemp("sources")
    draw = random.Random(0)
    sentences = made_up_sentences(300, 0)
    for split in ("train", "test"):
        for name in ("neg", "pos"):
            folder = root / "aclImdb" / split / name
            folder.mkdir(parents=True)
            for number in range(60):
                text = " ".join(draw.choices(sentences, k=5))
                (folder / f"{number}.txt").write_text(text)
                if number % 10 == 0:
                    (folder / f"{number}-nearly.txt").write_text(f"{text} and more")
                if number % 15 == 0:
                    (folder / f"{number}-same.txt").write_text(text)
    return root


def start(sources: Path, output: Path, *overrides: str) -> "subprocess.Popen[str]":
    program = "from litmus.cli import main; main()"
    command = [sys.executable, "-c", program, "prepare", "imdb", f"output={output}", "profile=false", "workers=1"]
    environment = {**os.environ, "LITMUS_DATA": str(sources), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*command, *NEAR, *overrides], env=environment, text=True, start_new_session=True, **pipes)  # type: ignore[call-overload, no-any-return]


def finish(process: "subprocess.Popen[str]") -> None:
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said


def kill(process: "subprocess.Popen[str]") -> bool:
    """Whether it was still there."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def files(folder: Path) -> dict[str, bytes]:
    """All but where the result lies, and by how many processes it was read, which its manifest says."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    manifest = found["manifest.json"].replace(str(folder).encode(), b"")
    return {**found, "manifest.json": manifest.replace(b'"workers": 2', b'"workers": 1')}


@pytest.fixture(scope="module")
def undisturbed(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("undisturbed") / "imdb"
    finish(start(sources, output))
    assert {"manifest.json", "train/00000.parquet", "rejects/near_duplicate.parquet"} <= files(output).keys()
    return output


def assert_as_undisturbed(output: Path, undisturbed: Path) -> None:
    """The result, and nothing beside it but the same parts."""
    assert files(output) == files(undisturbed)
    work, other = (folder.with_name(f".{folder.name}") for folder in (output, undisturbed))
    assert [path.name for path in work.iterdir()] == ["parts"]
    assert {path.name for path in work.glob("parts/*")} == {path.name for path in other.glob("parts/*")}
    assert {path.name for path in output.parent.iterdir()} == {output.name, work.name}


def kill_while(step: str, sources: Path, output: Path, *overrides: str) -> bool:
    """Kills at the first sign of a step; whether it got there in time."""
    work = output.with_name(f".{output.name}")
    work.mkdir(exist_ok=True)
    process = start(sources, output, *overrides)
    until = time.monotonic() + 120
    while process.poll() is None and not STEPS[step](work):
        assert time.monotonic() < until, step
        time.sleep(0.001)
    return process.poll() is None and kill(process)


def test_killed_again_and_again_it_still_gets_there(sources: Path, undisturbed: Path, tmp_path: Path) -> None:
    output = tmp_path / "imdb"
    for step in ("reading", "near-duplicates"):
        assert kill_while(step, sources, output), step
        assert not output.exists()
    kill_while("writing rejects", sources, output)
    finish(start(sources, output))
    assert_as_undisturbed(output, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("step", STEPS)
def test_killed_during_a_step(step: str, workers: int, sources: Path, undisturbed: Path, tmp_path: Path) -> None:
    """An older result stands there until the new one takes its place."""
    output = tmp_path / "imdb"
    shutil.copytree(undisturbed, output)
    manifest = output / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"key": "', '"key": "of an older one '))
    killed = kill_while(step, sources, output, f"workers={workers}")
    assert killed or step == "replacing"
    finish(start(sources, output))
    assert_as_undisturbed(output, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_killed_at_any_moment(seed: int, sources: Path, undisturbed: Path, tmp_path: Path) -> None:
    draw = random.Random(seed)
    output = tmp_path / "imdb"
    for _ in range(3):
        process = start(sources, output, f"workers={draw.choice([1, 2])}")
        time.sleep(draw.uniform(0.5, 8))
        if process.poll() is None:
            kill(process)
        else:
            process.communicate()
    finish(start(sources, output))
    assert_as_undisturbed(output, undisturbed)


@pytest.mark.slow
def test_two_at_once_leave_one_result(sources: Path, undisturbed: Path, tmp_path: Path) -> None:
    output = tmp_path / "imdb"
    both = [start(sources, output) for _ in range(2)]
    for process in both:
        finish(process)
    assert_as_undisturbed(output, undisturbed)


def error_of(process: "subprocess.Popen[str]") -> str:
    _, said = process.communicate(timeout=300)
    assert process.returncode != 0
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in said, said
    return lines[0]


@pytest.mark.slow
def test_a_full_disk_is_one_sentence(sources: Path, undisturbed: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    for size in ("64k", "700k"):  # in the parts, and later
        mounted = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        if subprocess.run(mounted, capture_output=True).returncode:
            pytest.skip("a full disk needs a mount")
        try:
            sentence = error_of(start(sources, disk / "imdb"))
        finally:
            subprocess.run(["umount", str(disk)], check=True)
        assert "No space left on device" in sentence, sentence


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_one_sentence(sources: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("a read-only folder needs a mount")
    try:
        sentence = error_of(start(sources, disk / "imdb"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert str(disk) in sentence and "Read-only file system" in sentence
