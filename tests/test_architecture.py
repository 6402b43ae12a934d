"""The picture of the README, held against the code: who imports whom, and what starts without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "litmus"
HEAVY = ("torch", "pytorch_lightning", "torchmetrics", "transformers", "wandb", "sklearn", "numpy", "PIL")
BOXES = ("tasks", "models", "data", "prepare", "callbacks", "loggers")
MAY_IMPORT = {  # box -> other boxes of litmus
    "tasks": set(),
    "models": set(),
    "loggers": set(),
    "data": set(),
    "prepare": {"data"},  # what it writes is what data=shards reads
    "callbacks": {"data", "callbacks"},  # reseed shares the seeds of data.order
}
LIGHT = ("config.py", "errors.py", "folder.py", "snapshot.py", "run.py", "provenance.py", "cli.py")


def imports(path: Path, everywhere: bool = True) -> set[str]:
    """Names of the modules that a file imports; only at its top level if not `everywhere`."""
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if everywhere else tree.body
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("box", BOXES)
def test_boxes_meet_in_the_configuration_only(box: str) -> None:
    for path in (PACKAGE / box).rglob("*.py"):
        others = {name.split(".")[1] for name in imports(path) if name.startswith("litmus.")} & set(BOXES)
        assert others - {box} <= MAY_IMPORT[box], path


def test_models_know_torch_and_nothing_else_of_ours() -> None:
    for path in (PACKAGE / "models").glob("*.py"):
        roots = {name.split(".")[0] for name in imports(path)}
        allowed = {"torch", "jaxtyping", "litmus", *(["transformers"] if path.stem == "hf" else [])}
        assert roots - set(sys.stdlib_module_names) <= allowed, path
        own = {name for name in imports(path) if name.startswith("litmus")}
        assert all(name.startswith(("litmus.models", "litmus.limits")) for name in own), path


def test_init_files_are_empty() -> None:
    assert [path for path in PACKAGE.rglob("__init__.py") if path.read_text()] == []


@pytest.mark.parametrize("path", [ROOT / "train.py", *(PACKAGE / name for name in LIGHT)], ids=lambda path: path.name)
def test_what_every_command_starts_with_is_light(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path, everywhere=False)} & set(HEAVY)


@pytest.mark.parametrize(
    "command",
    [["train.py", "--help"], ["train.py", "--cfg", "job"], ["-m", "litmus.cli", "--help"]],
    ids=lambda command: " ".join(command),
)
def test_nothing_heavy_is_imported_to_answer(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-X", "importtime", *command], cwd=ROOT, capture_output=True, text=True)
    modules = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "import time" in line}
    assert done.returncode == 0 and done.stdout and "hydra" in modules and not modules & set(HEAVY)
