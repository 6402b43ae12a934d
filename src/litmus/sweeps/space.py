"""What a search may vary, in Hydra's own syntax for sweeps; Optuna and W&B both read it from here."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, RangeSweep
from hydra.errors import HydraException
from optuna import Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from litmus.config import did_you_mean

Value = bool | int | float | str
Point = dict[str, Value]


@dataclass(frozen=True)
class Parameter:
    """One key of a run's configuration, what it is drawn from, and the values of others under which it is drawn."""

    key: str
    values: BaseDistribution
    when: Mapping[str, Sequence[Value]]

    def applies(self, chosen: Point) -> bool:
        """Whether it is drawn, given those that were drawn before it."""
        return all(chosen.get(key) in accepted for key, accepted in self.when.items())

    def draw(self, trial: Trial) -> Value:
        """From Optuna's sampler."""
        match self.values:
            case FloatDistribution(low=low, high=high, log=log, step=step):
                return trial.suggest_float(self.key, low, high, log=log, step=step)
            case IntDistribution(low=low, high=high, log=log, step=step):
                return trial.suggest_int(self.key, low, high, log=log, step=step)
            case CategoricalDistribution(choices=choices):
                return trial.suggest_categorical(self.key, choices)  # type: ignore[return-value]
        raise AssertionError(self.values)

    def example(self) -> Value:
        """One of its values."""
        match self.values:
            case CategoricalDistribution(choices=choices):
                return choices[0]  # type: ignore[return-value]
            case FloatDistribution(low=low) | IntDistribution(low=low):
                return low
        raise AssertionError(self.values)

    def contains(self, value: Any) -> bool:
        """Whether it may be drawn."""
        match self.values:
            case CategoricalDistribution(choices=choices):
                return value in choices
            case FloatDistribution(low=low, high=high) | IntDistribution(low=low, high=high):
                return isinstance(value, int | float) and low <= value <= high
        raise AssertionError(self.values)

    def points(self) -> list[Value]:
        """All its values.

        Raises:
            ValueError: If there is no end of them.
        """
        match self.values:
            case CategoricalDistribution(choices=choices):
                return list(choices)  # type: ignore[arg-type]
            case IntDistribution(low=low, high=high, log=False, step=step):
                return list(range(low, high + 1, step))
            case FloatDistribution(low=low, high=high, step=float(step)):
                return [low + index * step for index in range(round((high - low) / step) + 1)]
        raise ValueError(f"sweep.space: {self.key} is an interval, which has no grid: give choice(...) or range(...)")


class Space:
    """Parameters in the order in which they are drawn.

    Args:
        declared: From a key to a distribution, a sweep in Hydra's syntax, as `tag(log, interval(1e-4, 1e-1))`, or a
            mapping of `values`, such a sweep, and `when`, a mapping of other keys to a value or a list of values.

    Raises:
        ValueError: For what is no such sweep, or depends on a key that is not drawn before.
    """

    def __init__(self, declared: Mapping[str, Any]) -> None:
        self.parameters: list[Parameter] = []
        for key, given in declared.items():
            known = [parameter.key for parameter in self.parameters]
            values, when = (given["values"], given.get("when", {})) if isinstance(given, Mapping) else (given, {})
            for other in when:
                if other not in known:
                    raise ValueError(
                        f"sweep.space: {key} depends on {other}, not drawn before: {did_you_mean(other, known)}"
                    )
            accepted = {other: value if isinstance(value, list) else [value] for other, value in when.items()}
            drawn = values if isinstance(values, BaseDistribution) else _distribution(key, str(values))
            self.parameters.append(Parameter(key, drawn, accepted))
        if not self.parameters:
            raise ValueError(
                "sweep.space is empty: give the keys that are searched as conf/sweep/digits_quick.yaml does, or on the "
                "command line: optimizer.lr='tag(log,interval(1e-4,1e-1))'"
            )

    def draw(self, trial: Trial) -> Point:
        """A point for a trial."""
        chosen: Point = {}
        for parameter in self.parameters:
            if parameter.applies(chosen):
                chosen[parameter.key] = parameter.draw(trial)
        return chosen

    def check(self, point: Mapping[str, Any]) -> None:
        """Looks whether a point stands in the space; its other keys may have any value.

        Raises:
            ValueError: If it does not.
        """
        for parameter in self.parameters:
            if parameter.key in point and not parameter.contains(point[parameter.key]):
                raise ValueError(f"sweep.first: {parameter.key}={point[parameter.key]} is not in {parameter.values}")

    def examples(self) -> Iterator[Point]:
        """For each parameter a point that has it."""
        for wanted in self.parameters:
            point: Point = {}
            for parameter in self.parameters:
                if parameter.applies(point):
                    point[parameter.key] = wanted.when.get(parameter.key, [parameter.example()])[0]
            yield point

    def grid(self) -> Iterator[Point]:
        """Every point once."""
        seen = set()
        for values in itertools.product(*(parameter.points() for parameter in self.parameters)):
            chosen: Point = {}
            for parameter, value in zip(self.parameters, values, strict=True):
                if parameter.applies(chosen):
                    chosen[parameter.key] = value
            if (key := tuple(chosen.items())) not in seen:
                seen.add(key)
                yield chosen


def overrides_of(point: Mapping[str, Any]) -> list[str]:
    """A point on the command line of train.py."""
    return [f"{key}={_text(value)}" for key, value in point.items()]


def shown(point: Mapping[str, Any]) -> str:
    """A point for people: numbers with four digits."""
    rounded = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in point.items()}
    return " ".join(overrides_of(rounded))


def _text(value: Any) -> str:
    """Strings are overrides already, with what they need of quotes."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _distribution(key: str, text: str) -> BaseDistribution:
    where = f"sweep.space: {key}={text}"
    try:
        override = OverridesParser.create().parse_override(f"{key}={text}")
    except HydraException as error:
        raise ValueError(f"{where} is no sweep: {str(error).splitlines()[0]}") from error
    sweep, log = override.value(), "log" in getattr(override.value(), "tags", ())
    try:
        if isinstance(sweep, IntervalSweep):
            kind = IntDistribution if isinstance(sweep.start, int) else FloatDistribution
            return kind(sweep.start, sweep.end, log=log)  # type: ignore[arg-type]
        if isinstance(sweep, RangeSweep):
            assert sweep.start is not None and sweep.stop is not None
            last = sweep.start + sweep.step * (math.ceil((sweep.stop - sweep.start) / sweep.step) - 1)
            if all(isinstance(number, int) for number in (sweep.start, last, sweep.step)):
                return IntDistribution(int(sweep.start), int(last), step=int(sweep.step))
            return FloatDistribution(sweep.start, last, step=sweep.step)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if not override.is_discrete_sweep():
        raise ValueError(
            f"{where} is one value: give choice(...), range(...) or interval(...), or put it into sweep.fixed"
        )
    return CategoricalDistribution([category(text) for text in override.sweep_string_iterator()])


def category(text: str) -> Value:
    """Numbers as such, for a sampler to know their order; the rest as it stands on the command line."""
    value = OverridesParser.create().parse_override(f"key={text}").value()
    return value if isinstance(value, bool | int | float) else text
