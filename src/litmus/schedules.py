"""Learning-rate schedules: the factor on the optimizer's rate at a step. Positions are shares of the run's steps, so a
recipe keeps its shape when the run gets longer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


def check_shares(**shares: float) -> None:
    """Refuses a number of steps or epochs where a share of the run is meant."""
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"schedule.{name}={share} is not a share of the run's steps, from 0 to 1")


def climb(step: int, total: int, warmup: float) -> float:
    """Linear warm-up to 1; the first step is not wasted on a rate of 0."""
    return min(1.0, (step + 1) / (warmup * total + 1))


@dataclass(frozen=True)
class Constant:
    """The full rate, after the warm-up."""

    warmup: float

    def __post_init__(self) -> None:
        check_shares(warmup=self.warmup)

    def __call__(self, step: int, total: int) -> float:
        return climb(step, total, self.warmup)


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from 1 to `final`, after the warm-up (Loshchilov & Hutter 2017)."""

    warmup: float
    final: float

    def __post_init__(self) -> None:
        check_shares(warmup=self.warmup)

    def __call__(self, step: int, total: int) -> float:
        start = self.warmup * total
        if step < start:
            return climb(step, total, self.warmup)
        progress = min(1.0, (step - start) / max(1.0, total - start))
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class Exponential:
    """The same share of the rate lost in every step, from 1 to `final`, after the warm-up."""

    warmup: float
    final: float

    def __post_init__(self) -> None:
        check_shares(warmup=self.warmup)
        if not 0 < self.final <= 1:
            raise ValueError(
                f"schedule.final={self.final} is not above 0 and at most 1: a rate of 0 is never reached so"
            )

    def __call__(self, step: int, total: int) -> float:
        start = self.warmup * total
        if step < start:
            return climb(step, total, self.warmup)
        progress = min(1.0, (step - start) / max(1.0, total - start))
        return float(self.final**progress)


@dataclass(frozen=True)
class MultiStep:
    """Times `gamma` at every milestone (He et al. 2016)."""

    warmup: float
    milestones: Sequence[float]
    gamma: float

    def __post_init__(self) -> None:
        check_shares(warmup=self.warmup)
        for milestone in self.milestones:
            check_shares(milestones=milestone)

    def __call__(self, step: int, total: int) -> float:
        passed = sum(step >= milestone * total for milestone in self.milestones)
        return climb(step, total, self.warmup) * float(self.gamma**passed)


@dataclass(frozen=True)
class Staircase:
    """Times `gamma` after every part of the run but the first ones (Zaremba et al. 2014).

    Args:
        parts: Of the run, all alike, such as its epochs.
        held: How many of them have the full rate.
    """

    parts: int
    held: int
    gamma: float

    def __post_init__(self) -> None:
        if self.parts < 1 or self.held < 0:
            raise ValueError(f"schedule.parts={self.parts} is at least 1, and schedule.held={self.held} at least 0")

    def __call__(self, step: int, total: int) -> float:
        part = step * self.parts // max(total, 1)
        return float(self.gamma ** max(0, part - self.held + 1))


@dataclass(frozen=True)
class Peaked:
    """Up to the full rate at `peak`, a share of the run, and down; from `start` and to `final`, shares of the rate."""

    peak: float
    start: float
    final: float

    def __post_init__(self) -> None:
        check_shares(peak=self.peak)

    def __call__(self, step: int, total: int) -> float:
        top = self.peak * total
        if step < top:
            low, progress = self.start, 1 - step / top
        else:
            low, progress = self.final, min(1.0, (step - top) / max(1.0, total - top))
        return low + (1 - low) * self.left(progress)

    def left(self, progress: float) -> float:
        """What is left of the way between both ends of a side, from 1 at the peak to 0."""
        raise NotImplementedError


class Triangle(Peaked):
    """A line up to the full rate, a line down (Smith 2017)."""

    def left(self, progress: float) -> float:
        return 1 - progress


class OneCycle(Peaked):
    """Half a cosine up to the full rate, half a cosine down (Smith & Topin 2018; the momentum stays)."""

    def left(self, progress: float) -> float:
        return (1 + math.cos(math.pi * progress)) / 2
