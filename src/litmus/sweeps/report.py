"""The report.html of a sweep, in its own folder: trials, what they hung on, the best, and what they cost."""

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from litmus.claims.verdict import summarize
from litmus.folder import write_whole
from litmus.page import command, details, inline, judged, link, long_table, page, sections, svg, table
from litmus.runs.find import first_tested
from litmus.sweeps.figures import history, importance, parallel_coordinates, varied
from litmus.sweeps.trials import Trial, cost_of

SHOWN = 10  # trials that are seen at once
CLASSES = {"done": "good", "failed": "bad"}


def write_report(
    folder: Path,
    trials: Sequence[Trial],
    objective: tuple[str, str],
    commands: Sequence[str],
    shares: Mapping[str, float] | None = None,
    tested: Mapping[str, Mapping[str, float]] | None = None,
) -> Path:
    """The page, in the place of the one before.

    Args:
        folder: Of the sweep.
        objective: A metric, and min or max.
        commands: What trains the best, or runs the sweep again.
        shares: Of the variance that each parameter explains.
        tested: Means, standard deviations and numbers of what was trained again and tested.
    """
    metric, mode = objective
    figures = {
        "history": history(trials, metric, mode),
        "parallel coordinates": parallel_coordinates(trials, metric, mode),
        "importance": importance(shares or {}),
    }
    parts: dict[str, str] = {"means over seeds": seeds(trials, metric, mode, folder)}
    parts |= {title: inline(svg(figure)) for title, figure in figures.items() if figure is not None}
    parts["trials, the best first"] = best(trials, metric, mode, folder)
    if tested:
        rows = [(name, found["mean"], found["sd"], found["n"]) for name, found in tested.items()]
        parts["the best, trained again and tested"] = table(("metric", "mean", "sd", "n"), rows)
    parts["cost"] = cost(trials)
    parts["run it"] = command("\n".join(commands))
    path = folder / "report.html"
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, page(folder.name, f"<p>{_counts(trials)}; {metric}, {mode}</p>\n{sections(parts)}"))
    return path


def _counts(trials: Sequence[Trial]) -> str:
    counts = Counter(trial.state for trial in trials)
    return f"{len(trials)} trials: {', '.join(f'{count} {state}' for state, count in counts.items())}"


def best(trials: Sequence[Trial], metric: str, mode: str, folder: Path) -> str:
    """A table of all trials, with the pages of their runs, and the reasons of failures."""
    sign = -1 if mode == "max" else 1
    ranks = {"done": 0, "pruned": 1}
    ordered = sorted(
        trials, key=lambda trial: (ranks.get(trial.state, 2), sign * trial.value if trial.value is not None else 0.0)
    )
    keys = varied(trials) or list(dict.fromkeys(key for trial in trials for key in trial.point))
    tests = {trial.number: first_tested(trial.record.get("metrics") or {}) for trial in trials}
    test = next(filter(None, tests.values()), None)
    rows = []
    for trial in ordered:
        state = judged(trial.state, CLASSES.get(trial.state))
        tested = [(trial.record.get("metrics") or {}).get(test)] if test else []
        point = [trial.point.get(key) for key in keys]
        rows.append((_run(trial, folder), state, trial.value, *tested, *point, trial.record.get("seconds")))
    shown = long_table(("trial", "", metric, *([test] if test else []), *keys, "seconds"), rows, SHOWN)
    reasons = [(trial.number, trial.reason) for trial in trials if trial.reason]
    return shown + (details(f"{len(reasons)} that failed", table(("trial", "reason"), reasons)) if reasons else "")


def _run(trial: Trial, folder: Path) -> object:
    """Its number, which leads to its page if it has one."""
    if trial.run is None or not (trial.run / "report.html").exists():
        return trial.number
    return link(os.path.relpath(trial.run / "report.html", folder), str(trial.number))


def seeds(trials: Sequence[Trial], metric: str, mode: str, folder: Path) -> str:
    """Mean and 95 % interval of runs that differ in nothing but their seeds; nothing if no two do."""
    groups: dict[tuple[tuple[str, Any], ...], list[Trial]] = defaultdict(list)
    for trial in trials:
        if trial.state == "done" and "seed" in trial.point:
            groups[tuple((key, value) for key, value in trial.point.items() if key != "seed")].append(trial)
    if all(len(group) < 2 for group in groups.values()):
        return ""
    keys = list(dict.fromkeys(key for point in groups for key, _ in point))
    test = first_tested(name for trial in trials for name in trial.record.get("metrics") or {})
    rows = []
    for point, group in groups.items():
        found = []
        for name in filter(None, (metric, test)):
            values = [t.value if name == metric else t.record["metrics"].get(name) for t in group]
            there = [float(value) for value in values if value is not None]
            summary = summarize(there) if there else None
            found += [summary.mean if summary else None, summary.half if summary else None]
        rows.append((*(dict(point).get(key) for key in keys), len(group), *found))
    place, sign = len(keys) + 1, -1 if mode == "max" else 1
    rows.sort(key=lambda row: sign * float(row[place] or 0))
    head = [column for name in filter(None, (metric, test)) for column in (name, "± 95 %")]
    return table((*keys, "n", *head), rows)


def cost(trials: Sequence[Trial]) -> str:
    """Seconds by how runs ended, their sum, and from the first start to the last end."""
    spent = cost_of(trials)
    counts = Counter(trial.state for trial in trials)
    rows = [(state, counts[state], round(spent[state], 1)) for state in counts]
    rows.append(("all", len(trials), round(sum(spent[state] for state in counts), 1)))
    whole = spent.get("from start to end")
    said = f"<p>{whole:,.0f} s from the first start to the last end.</p>" if whole is not None else ""
    return table(("runs", "how many", "seconds"), rows) + said
