"""`litmus runs rerun RUN`: the same configuration again, from the same code."""

import sys
from pathlib import Path

from litmus.config import CONF
from litmus.folder import read_record
from litmus.provenance import git_state
from litmus.snapshot import read_overrides

TRAIN = CONF.parent / "train.py"


def command(run: Path, anyway: bool) -> list[str]:
    """What starts it.

    Args:
        anyway: Whether other code will do.

    Raises:
        ValueError: If the code is not that of the run.
    """
    if not anyway and (why := other_code(run)):
        raise ValueError(f"{why}: --anyway runs it with what is there")
    return [sys.executable, str(TRAIN), *read_overrides(run)]


def other_code(run: Path) -> str:
    """In what the code differs from that of a run; empty if it does not."""
    then, now = read_record(run).get("git"), git_state()
    if not then or not now:
        return f"it is not known which code {run.name} was run with" if not then else "this is no git checkout"
    if then["commit"] != now["commit"]:
        return f"{run.name} was run at commit {then['commit'][:10]}, and this is {now['commit'][:10]}: git checkout it"
    if then.get("patch") != now["patch"] or then.get("untracked") != now["untracked"]:
        return f"{run.name} was run with other changes to commit {then['commit'][:10]} than are here"
    return ""
