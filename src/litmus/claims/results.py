"""What the runs of a claim gave: experiments/results/NAME.json, a record a seed, with a checksum over all of it."""

import hashlib
import json
import re
import shlex
from collections import defaultdict
from pathlib import Path
from typing import Any

from litmus.claims.recipes import Recipe
from litmus.config import CONF
from litmus.folder import read_metrics, write_whole

EXPERIMENTS = CONF.parent / "experiments"
LONGEST_CURVE = 60  # points
CURVES = ("loss", "accuracy", "mse")
VERSIONS = ("torch", "pytorch-lightning", "python")


def path_of(name: str, folder: Path) -> Path:
    """Where the results of a claim stand under `folder`."""
    return folder / "results" / f"{name}.json"


def load(recipe: Recipe, folder: Path = EXPERIMENTS) -> list[dict[str, Any]]:
    """The records of a claim by seed; none if there are none, or if they are another recipe's.

    Raises:
        ValueError: If the file is damaged, or was changed by hand.
    """
    path = path_of(recipe.name, folder)
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text())
        runs: list[dict[str, Any]] = content["runs"]
        whole = content["checksum"] == _checksum(content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} can't be read ({error}): git has it, or litmus reproduce {recipe.name}") from error
    if not whole:
        raise ValueError(f"{path} was changed by hand: git has what the runs gave, or litmus reproduce --rerun")
    return runs if content["recipe"] == recipe.text else []


def save(recipe: Recipe, runs: list[dict[str, Any]], folder: Path = EXPERIMENTS) -> None:
    """Puts the records of a claim in the place of those before."""
    runs = sorted(runs, key=lambda run: int(run["seed"]))
    content = {"claim": recipe.name, "recipe": recipe.text, "runs": runs}
    head = "".join(f"{json.dumps(key)}: {json.dumps(content[key])},\n" for key in ("claim", "recipe"))
    lines = ",\n".join(map(json.dumps, runs))  # a line a run
    path = path_of(recipe.name, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, f'{{{head}"runs": [\n{lines}\n],\n"checksum": "{_checksum(content)}"}}\n')


def record_of(recipe: Recipe, seed: int, folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a run that is done.

    Args:
        folder: Of the run.
        record: Its run.json.
    """
    value = record.get("metrics", {}).get(recipe.claim.metric)
    git, hardware = record.get("git") or {}, record.get("hardware", {})
    return {
        "seed": seed,
        "value": value,
        **({} if value is not None else {"done": True, "error": f"{recipe.claim.metric} was never a number"}),
        "run": record["id"],
        "seconds": record.get("seconds"),
        "examples_per_second": record.get("examples_per_second"),
        "command": shlex.join(["python", "train.py", *recipe.overrides(seed)]),
        "commit": git.get("commit"),
        "dirty": _is_dirty(git),
        "versions": {name: record.get("versions", {}).get(name) for name in VERSIONS},
        "device": record.get("device_name"),
        "cpu": hardware.get("cpu"),
        "cores": hardware.get("cores"),
        "data": record.get("data"),
        "curves": curves_of(folder / "metrics.csv"),
    }


def _is_dirty(git: dict[str, Any]) -> bool | None:
    """Whether anything was not committed, besides results such as these; None outside a git checkout."""
    if not git:
        return None
    changed = re.findall(r"^diff --git a/(\S+)", git.get("patch", ""), re.MULTILINE)
    return any(not name.startswith(f"{EXPERIMENTS.name}/") for name in (*changed, *git.get("untracked", ())))


def curves_of(path: Path) -> dict[str, list[list[float]]]:
    """[step, value] of the curves of a run, thinned out."""
    curves: dict[str, list[list[float]]] = defaultdict(list)
    for row in read_metrics(path):
        stage, _, name = row["metric"].partition("/")
        if stage in ("train", "val") and name in CURVES:
            curves[row["metric"]].append([int(row["step"]), float(f"{float(row['value']):.5g}")])
    thinned = {}
    for name, points in curves.items():
        every = -(-len(points) // LONGEST_CURVE)
        thinned[name] = [*points[:-1:every], points[-1]]
    return thinned


def _checksum(content: dict[str, Any]) -> str:
    """Of everything else in the file."""
    kept = {key: value for key, value in content.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
