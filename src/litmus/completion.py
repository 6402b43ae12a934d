"""What the shell offers after Tab, by `eval "$(litmus completion bash)"`: Hydra does train.py, argcomplete litmus."""

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from litmus.config import CONF
from litmus.folder import list_runs

RUNS = ("run", "runs", "first", "second")  # arguments that are one, or several
FOLDERS = {"reproduce": "experiment", "prepare": "prepare", "wandb": "sweep"}  # of conf/: where names of a verb stand


def script(shell: str) -> str:
    """What bash, zsh or fish is to evaluate."""
    from argcomplete.shell_integration import shellcode

    train = [sys.executable, str(CONF.parent / "train.py"), "-sc", f"install={shell}"]
    own = shellcode(["litmus"], shell=shell)
    return f"{own}\n{subprocess.run(train, capture_output=True, text=True, check=True).stdout}"


def complete(parser: argparse.ArgumentParser) -> None:
    """Answers the shell and ends the process, if it is the shell that asks."""
    import argcomplete

    for verb, action in _arguments(parser):
        if action.dest in RUNS and verb != "compare":
            _offer(action, _run_ids)
        elif action.dest in ("name", "names") and verb in FOLDERS:
            _offer(action, _files(CONF / FOLDERS[verb]))
    argcomplete.autocomplete(parser, always_complete_options=False)


def _offer(action: Any, completer: Callable[..., list[str]]) -> None:
    action.completer = completer  # where argcomplete looks for it


def _arguments(parser: argparse.ArgumentParser, verb: str = "") -> Iterator[tuple[str, argparse.Action]]:
    """All arguments of all verbs, each with its verb."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from _arguments(inner, name)
        else:
            yield verb, action


def _run_ids(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return ["last", *(folder.name for folder in list_runs(Path(parsed_args.root)))]


def _files(folder: Path) -> Callable[..., list[str]]:
    return lambda **_: sorted(path.stem for path in folder.glob("*.yaml") if path.stem != "default")
