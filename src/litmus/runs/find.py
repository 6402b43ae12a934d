"""Runs by what was asked of them and what came of it: `status=done model.hidden>=64 test/accuracy>0.9`."""

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from litmus.config import did_you_mean
from litmus.folder import list_records

TERM = re.compile(r"(?P<key>[\w./@-]+?)(?P<sign>>=|<=|!=|=|>|<|~)(?P<value>.*)")
SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
PART = re.compile(r"^([\w-]+):.*\n(?:(?:[ #-].*)?\n)*", re.MULTILINE)  # of YAML: a key with what is its own
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Run:
    """A run folder, of which no more is read than is asked for."""

    folder: Path
    record: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        """A fact of the record, a metric, or a value of the configuration by its dotted key; None if there is none."""
        if key in self.record:
            return self.record[key]
        if key in (metrics := self.record.get("metrics") or {}):
            return metrics[key]
        first, *names = key.split(".")
        value = self._part(first)
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def _part(self, name: str) -> Any:
        """What stands under a key of the configuration, for which the rest of it is not parsed."""
        if name not in self._values:
            part = _parsed(self._parts.get(name, ""))
            self._values[name] = (part or self.config).get(name)
        return self._values[name]

    @cached_property
    def _values(self) -> dict[str, Any]:
        """What was asked for."""
        return {}

    @cached_property
    def _parts(self) -> dict[str, str]:
        return {part[1]: part[0] for part in PART.finditer(f"{self._text}\n")}

    @cached_property
    def _text(self) -> str:
        try:
            return (self.folder / "config.yaml").read_text()
        except OSError:
            return ""

    @cached_property
    def config(self) -> dict[str, Any]:
        """As it was resolved; empty if it can't be read."""
        return _parsed(self._text)

    @property
    def objective(self) -> tuple[str, float] | None:
        """What it was best at, and how good."""
        found = self.record.get("objective") or {}
        return (found["metric"], found["value"]) if "value" in found else None

    @property
    def tested(self) -> tuple[str, float] | None:
        """The first metric of test, but for the loss if there is another."""
        metrics = self.record.get("metrics") or {}
        name = first_tested(metrics)
        return (name, metrics[name]) if name else None


def first_tested(metrics: Iterable[str]) -> str | None:
    """The first metric of test, but for the loss if there is another."""
    return next(iter(sorted((each for each in metrics if each.startswith("test/")), key="test/loss".__eq__)), None)


@dataclass(frozen=True)
class Term:
    """A condition on a run."""

    key: str
    sign: str
    value: str

    @classmethod
    def parse(cls, word: str) -> "Term":
        """Of a word such as seed>=2.

        Raises:
            ValueError: If it is none.
        """
        found = TERM.fullmatch(word)
        if found is None:
            raise ValueError(
                f"{word} is no condition: give KEY=VALUE, or one of != > >= < <= and ~ for a part of a text"
            )
        return cls(found["key"], found["sign"], found["value"])

    def holds(self, run: Run) -> bool:
        """As numbers where both are; a run without the key meets no condition but !=."""
        there = run[self.key]
        if self.sign == "~":
            return there is not None and self.value in str(there)
        if there is None:
            return self.sign == "!=" or self.value in ("null", "None")
        a, b = _number(there), _number(self.value)
        if a is not None and b is not None:
            return SIGNS[self.sign](a, b)
        return SIGNS[self.sign](_plain(there), self.value)


def find(root: Path, words: Sequence[str], sort: str | None = None, largest_first: bool = False) -> list[Run]:
    """The runs under a folder that meet all conditions, oldest first, or by a key, those without it last.

    Raises:
        ValueError: If a condition is none, or no run has the key.
    """
    terms = [Term.parse(word) for word in words]
    runs = [Run(folder, record) for folder, record in list_records(root)]
    for key in (*(term.key for term in terms), *([sort] if sort else [])):
        if runs and all(run[key] is None for run in runs):
            raise ValueError(f"no run has {key}: {did_you_mean(key, _keys(runs))}")
    found = [run for run in runs if all(term.holds(run) for term in terms)]
    if sort is None:
        return found
    have = [run for run in found if run[sort] is not None]
    have.sort(key=lambda run: (_number(run[sort]) or 0.0, str(run[sort])), reverse=largest_first)
    return [*have, *(run for run in found if run[sort] is None)]


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """The values of a configuration by dotted key; lists are values."""
    if not isinstance(node, dict):
        return {prefix[:-1]: node}
    return {key: value for name, child in node.items() for key, value in flat(child, f"{prefix}{name}.").items()}


def _parsed(text: str) -> dict[str, Any]:
    """A mapping; empty if it is none."""
    try:
        found = yaml.load(text, LOADER)
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def _keys(runs: Sequence[Run]) -> set[str]:
    newest = runs[-1]
    return {*newest.record, *(newest.record.get("metrics") or {}), *flat(newest.config)}


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _plain(value: Any) -> str:
    """As it is written on a command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)
