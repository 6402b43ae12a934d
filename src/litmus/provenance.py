"""Where a run came from: commit, versions, machine."""

import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from litmus.config import CONF

PACKAGES = ("litmus", "torch", "pytorch-lightning", "hydra-core", "torchmetrics", "numpy", "transformers", "wandb")
LONGEST_PATCH = 1_000_000  # characters


def origin() -> dict[str, Any]:
    """What a start of a run is remembered by."""
    command = shlex.join(["python", *sys.argv])
    return {"command": command, "git": git_state(), "versions": versions(), "hardware": machine()}


def git_state() -> dict[str, Any] | None:
    """Commit and uncommitted changes of the project; None outside a git checkout."""
    commit, patch = _git("rev-parse", "HEAD"), _git("diff", "HEAD", "--no-color")
    if commit is None:
        return None
    untracked = (_git("ls-files", "--others", "--exclude-standard") or "").splitlines()
    return {
        "commit": commit.strip(),
        "dirty": bool(patch or untracked),
        "patch": (patch or "")[:LONGEST_PATCH],
        "patch_is_whole": len(patch or "") <= LONGEST_PATCH,
        "untracked": untracked,
    }


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=CONF.parent, capture_output=True, text=True, errors="replace")
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def versions() -> dict[str, str]:
    """Python's and the packages' that decide on a result."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Host, processor and memory; the devices of a run are added when torch is there."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "cpu": _cpu_name(),
        "cores": cores(),
        "memory_gib": round(memory / 2**30, 1) if memory else None,
    }


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
