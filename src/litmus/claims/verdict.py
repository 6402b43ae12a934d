"""Whether the runs of a claim reproduce it."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litmus.claims.recipes import Recipe
from litmus.config import Claim

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """Of a claim's values over the seeds.

    Attributes:
        half: Of the 95 % interval of the mean, by Student's t; None for fewer than two values.
    """

    n: int
    mean: float
    half: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """On a claim.

    Attributes:
        word: reproduced, deviates, not run, not runnable here, or reported, of a proxy.
        why: What the word leaves open; may be empty.
    """

    word: str
    why: str
    summary: Summary | None

    def __str__(self) -> str:
        return f"{self.word} ({self.why})" if self.why else self.word


def summarize(values: Sequence[float]) -> Summary:
    """Of at least one value."""
    n, mean = len(values), statistics.fmean(values)
    half = None
    if n > 1:
        from scipy.stats import t

        half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * statistics.stdev(values) / math.sqrt(n)
    return Summary(n, mean, half, min(values), max(values))


def judge(recipe: Recipe, runs: Sequence[dict[str, Any]], has_gpu: bool) -> Verdict:
    """By the mean of the values and the tolerance.

    Args:
        runs: Records of results.py.
        has_gpu: Of this machine.
    """
    claim = recipe.claim
    missed = [run for run in runs if run.get("value") is None and run.get("done")]
    values = [float(run["value"]) for run in runs if run.get("value") is not None]
    failed = [run for run in runs if run.get("value") is None]
    if missed:
        why = f"seed {missed[0]['seed']}: {missed[0]['error']}"
        return Verdict("deviates", why, summarize(values) if values else None)
    if not values:
        if failed:
            return Verdict("not run", f"seed {failed[0]['seed']}: {failed[0]['error']}", None)
        if claim.gpu and not has_gpu:
            return Verdict("not runnable here", "it takes a GPU", None)
        return Verdict("not run", f"a seed takes {claim.cost}", None)
    summary = summarize(values)
    if claim.fidelity == "proxy":
        return Verdict("reported", "other data than the paper's", summary)
    if failed:
        return Verdict("not run", f"seed {failed[0]['seed']}: {failed[0]['error']}", summary)
    if summary.n < claim.seeds:
        return Verdict("not run", f"{summary.n} of {claim.seeds} seeds", summary)
    return Verdict("reproduced" if is_within(claim, summary.mean) else "deviates", "", summary)


def is_within(claim: Claim, mean: float) -> bool:
    """Whether a mean is as near to the value as the claim allows."""
    off, tolerance = mean - claim.value, claim.tolerance
    too_low = off < -tolerance.below and claim.direction != "at_most"
    too_high = off > tolerance.above and claim.direction != "at_least"
    return not (too_low or too_high)
