"""What came of a search: a line on the terminal, files in its folder, and a run of its own in W&B."""

import csv
import json
import math
import shlex
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, TrialState

from litmus.folder import read_record, write_whole
from litmus.sweeps.job import Job
from litmus.sweeps.plan import Plan
from litmus.sweeps.report import write_report
from litmus.sweeps.search import REASON, RUN, Search
from litmus.sweeps.space import overrides_of
from litmus.sweeps.trials import Trial

STATES = {TrialState.COMPLETE: "done", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}  # of those that are over
FEWEST = 4  # different values, below which nothing is said of importance


def summarize(search: Search, plan: Plan, confirmed: Sequence[Job]) -> None:
    """Prints the best trial with the command that trains it, and writes summary.json, trials.csv and report.html."""
    rows = [_row(search, trial) for trial in search.ended()]
    best = [_row(search, trial) for trial in search.best()]
    tested = _tested(confirmed)
    summary = {
        "sweep": search.folder.name,
        "objectives": dict(search.objectives),
        "trials": len(rows),
        **Counter(row["state"] for row in rows),
        "seconds": round(sum(row["seconds"] or 0 for row in rows), 1),
        "best": best,
        "tested": tested,
    }
    write_whole(search.folder / "summary.json", json.dumps(summary, indent=2) + "\n")
    with open(search.folder / "trials.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)
    commands = [
        f"python train.py {shlex.join([*plan.common, *overrides_of(search.point(one))])}" for one in search.best()
    ]
    report = write_report(
        search.folder,
        [_trial(search, trial) for trial in search.ended()],
        next(iter(search.objectives.items())),
        [shlex.join(["python", *sys.argv]), *commands],
        _importance(search),
        tested,
    )
    if tested:
        for metric, found in tested.items():
            print(f"tested with {found['n']} seeds: {metric} {found['mean']:.4g} ± {found['sd']:.2g}")
        return
    for command, row in zip(commands, best, strict=True):
        values = "  ".join(f"{metric} {row[metric]:.4g}" for metric in search.objectives)
        print(f"best: {values}  trial {row['number']}, run {row['run']}")
        print(f"  {command}")
    print(f"all trials: {search.folder}/trials.csv, and for people: {report}")


def log_summary(folder: Path, logger: DictConfig) -> None:
    """As a run of its own in W&B, by a process of its own: W&B's logger takes seconds to import."""
    settings = json.dumps(OmegaConf.to_container(logger))
    subprocess.run([sys.executable, "-m", "litmus.sweeps.log_summary", str(folder), settings], check=False)


def _row(search: Search, trial: FrozenTrial) -> dict[str, Any]:
    run = trial.user_attrs.get(RUN)
    record = read_record(search.root / run) if run and (search.root / run / "run.json").exists() else {}
    values = trial.values or [None] * len(search.objectives)
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        **dict(zip(search.objectives, values, strict=True)),
        "run": run,
        "seconds": record.get("seconds"),
        "reason": trial.user_attrs.get(REASON, ""),
        **search.point(trial),
    }


def _trial(search: Search, trial: FrozenTrial) -> Trial:
    """For the report; the value is that of the first objective."""
    run = trial.user_attrs.get(RUN)
    folder = search.root / run if run and (search.root / run / "run.json").exists() else None
    value = trial.values[0] if trial.values else None
    return Trial(
        trial.number,
        search.point(trial),
        STATES[trial.state],
        value if value is not None and math.isfinite(value) else None,
        folder,
        read_record(folder) if folder else {},
        trial.user_attrs.get(REASON, ""),
    )


def _importance(search: Search) -> dict[str, float]:
    """The share of the variance of the first objective that each parameter explains (Hutter et al. 2014, "An efficient
    approach for assessing hyperparameter importance"), the largest first; none if too few trials tell."""
    complete = search.study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    if len({trial.values[0] for trial in complete}) < FEWEST:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(
        search.study, evaluator=evaluator, target=lambda trial: trial.values[0]
    )


def _tested(jobs: Sequence[Job]) -> dict[str, Mapping[str, float]]:
    """Mean and standard deviation of each test metric over the jobs' seeds."""
    records = [read_record(job.run).get("metrics", {}) for job in jobs if job.run is not None]
    found: dict[str, Mapping[str, float]] = {}
    for metric in sorted({name for record in records for name in record if name.startswith("test/")}):
        values = [record[metric] for record in records if record.get(metric) is not None]
        if values:
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            found[metric] = {"mean": statistics.mean(values), "sd": spread, "n": len(values)}
    return found
