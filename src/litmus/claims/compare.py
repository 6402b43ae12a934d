"""`litmus compare A B`: two ways to train, seed by seed."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litmus.claims.recipes import recipes
from litmus.claims.results import EXPERIMENTS, load
from litmus.config import did_you_mean
from litmus.folder import list_records
from litmus.runs.find import first_tested

FEW = 5  # pairs, below which nothing but a huge effect can be told from chance
LEVEL = 0.05


@dataclass(frozen=True)
class Values:
    """A metric of one way to train, by seed."""

    name: str
    metric: str
    by_seed: Mapping[int, float]


def values_of(name: str, metric: str | None, root: Path, folder: Path = EXPERIMENTS) -> Values:
    """Of a recipe with results, or of the runs of a sweep, or of a name, under `root`.

    Raises:
        ValueError: If there are none, or two of one seed.
    """
    known = recipes()
    if name in known and (runs := load(known[name], folder)) and metric in (None, known[name].claim.metric):
        found = {int(run["seed"]): float(run["value"]) for run in runs if run.get("value") is not None}
        return Values(name, known[name].claim.metric, found)
    records = [record for record in _records(root) if name in (record.get("sweep"), record.get("name"))]
    if not records:
        names = {*known, *(str(record.get("name")) for record in _records(root))}
        raise ValueError(f"there are no results of {name}, and no runs in {root}: {did_you_mean(name, names)}")
    metric = metric or first_tested(name for record in records for name in record.get("metrics", {})) or "test/loss"
    by_seed: dict[int, float] = {}
    for record in records:
        if (value := record.get("metrics", {}).get(metric)) is None:
            continue
        if record["seed"] in by_seed:
            raise ValueError(f"{name} has two runs of seed {record['seed']}: give the name of one sweep")
        by_seed[record["seed"]] = float(value)
    return Values(name, metric, by_seed)


def _records(root: Path) -> list[dict[str, Any]]:
    return [record for _, record in list_records(root) if record.get("status") == "done"]


def compare(first: Values, second: Values) -> str:
    """Means and their difference over the seeds that both have, its interval, the effect size, and a word on n.

    Raises:
        ValueError: If the metrics differ, or no seed is in both.
    """
    if first.metric != second.metric:
        raise ValueError(f"{first.name} has {first.metric} and {second.name} {second.metric}: give --metric")
    seeds = sorted(first.by_seed.keys() & second.by_seed.keys())
    if not seeds:
        raise ValueError(f"{first.name} and {second.name} have no seed in common: run both with the same ones")
    a, b = ([values.by_seed[seed] for seed in seeds] for values in (first, second))
    lines = [f"{first.metric} over {len(seeds)} seeds that both have ({', '.join(map(str, seeds))})"]
    width = max(len(first.name), len(second.name))
    for values, numbers in ((first, a), (second, b)):
        spread = f" ± {statistics.stdev(numbers):.2g}" if len(numbers) > 1 else ""
        lines.append(f"{values.name:<{width}}  {statistics.fmean(numbers):.4g}{spread}")
    return "\n".join([*lines, *_judged([x - y for x, y in zip(a, b, strict=True)])])


def _judged(differences: Sequence[float]) -> list[str]:
    n, mean = len(differences), statistics.fmean(differences)
    if n < 2:
        return [f"difference  {mean:+.4g}", "one seed says nothing of chance: run more"]
    from scipy.stats import nct, t

    spread = statistics.stdev(differences)
    half = float(t.ppf(1 - LEVEL / 2, n - 1)) * spread / math.sqrt(n)
    line = f"difference  {mean:+.4g}, 95 % interval {mean - half:+.4g} to {mean + half:+.4g} (paired t)"
    if spread == 0:
        return [line, "every seed differs by the same: chance has no part in it"]
    score = mean / spread * math.sqrt(n)
    p = 2 * float(t.sf(abs(score), n - 1))
    low, high = (_noncentrality(score, n, share, nct) / math.sqrt(n) for share in (1 - LEVEL / 2, LEVEL / 2))
    lines = [
        line,
        f"effect size {mean / spread:+.2f} (Cohen's d of the pairs), 95 % interval {low:+.2f} to {high:+.2f}",
    ]
    if p < LEVEL:
        lines.append(f"that is more than chance: p = {p:.2g}")
    else:
        lines.append(f"that may be chance: p = {p:.2g}")
    if n < FEW:
        lines.append(f"{n} pairs are few: a difference below {half:.2g} could not have been told from chance")
    return lines


def _noncentrality(score: float, n: int, share: float, nct: Any) -> float:
    """For which a t as large has this probability of being below."""
    from scipy.optimize import brentq

    def excess(delta: float) -> float:
        below = float(nct.cdf(score, n - 1, delta))
        return (float(delta < score) if math.isnan(below) else below) - share  # scipy has NaN for what is far away

    reach = abs(score) + 10 * math.sqrt(n) + 10
    return float(brentq(excess, -reach, reach))
