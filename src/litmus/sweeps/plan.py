"""What a search is: conf/sweep/NAME.yaml with what the command line says otherwise."""

import itertools
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import CategoricalDistribution

from litmus.sweeps.job import NOT_OF_THE_RESULT, digest
from litmus.sweeps.samplers import Grid
from litmus.sweeps.search import Search
from litmus.sweeps.space import Space, category, overrides_of
from litmus.trust import check


class Plan:
    """A search that was not begun yet.

    Args:
        sweep: The configuration of the group of this name.
        name: The file in conf/sweep.
        overrides: The command line. What it varies comes into the space, what it fixes is taken out of it.
        compose: From the overrides of a run to its configuration.
    """

    def __init__(
        self, sweep: DictConfig, name: str, overrides: Sequence[Override], compose: Callable[[list[str]], DictConfig]
    ) -> None:
        settings = OmegaConf.to_container(sweep, resolve=True, throw_on_missing=True)
        assert isinstance(settings, dict)
        self.name, self.settings = name, settings
        self.confirm: int = settings["confirm"]
        for key in ("sampler", "pruner"):
            check(sweep[key], f"sweep.{key}")
        for key, least in (("trials", 1), ("confirm", 0)):
            if settings[key] < least:
                raise ValueError(f"sweep.{key}={settings[key]} is not at least {least}")
        given = {each.get_key_element(): each for each in overrides if not each.key_or_group.startswith("sweep")}
        if "test" in given:
            raise ValueError("test= is not for a search, which never tests: sweep.confirm=3 tests 3 runs of the best")
        declared: dict[str, Any] = dict(settings["space"])
        for key, override in given.items():
            if override.is_sweep_override():
                declared[key] = str(override.input_line).partition("=")[2]
            elif key in declared:
                declared[key] = CategoricalDistribution([category(override.get_value_element_as_str())])
        self.space = Space(declared)
        for point in settings["first"]:
            self.space.check(point)
        own = [each for each in settings["fixed"] if _key(each) not in given]
        asked = [f"{key}={each.get_value_element_as_str()}" for key, each in given.items() if key not in declared]
        self.common = [*own, *asked]  # to trials and to the best again
        objectives = settings["objectives"] or [self._own_objective(compose)]
        self.objectives: dict[str, str] = {each["metric"]: each["mode"] for each in objectives}
        if set(self.objectives.values()) - {"min", "max"}:
            raise ValueError(f"sweep.objectives={objectives} has a mode that is neither min nor max")
        if hidden := [metric for metric in self.objectives if metric.startswith("test/")]:
            raise ValueError(f"sweep.objectives: a search never sees {hidden[0]}: give one of validation, as val/loss")
        metric, mode = next(iter(self.objectives.items()))
        self.fixed = [*self.common, f"objective.metric={metric}", f"objective.mode={mode}", "test=false"]
        kept = sorted(word for word in self.fixed if _key(word) not in NOT_OF_THE_RESULT)
        parts = [declared, kept, self.objectives, settings["sampler"], settings["pruner"], settings["first"]]
        self.id = f"{name}-{digest(json.dumps(parts, sort_keys=True, default=str))[:6]}"

    def _own_objective(self, compose: Callable[[list[str]], DictConfig]) -> Any:
        return compose([*self.common, *overrides_of(next(self.space.examples()))]).objective

    def examples(self) -> Iterator[list[str]]:
        """Overrides of trials that could be, every parameter in one of them."""
        for point in self.space.examples():
            yield [*self.fixed, *overrides_of(point)]

    def open(self, root: Path) -> Search:
        """The search, with all that was done of it."""
        optuna.logging.set_verbosity(logging.WARNING)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        sampler = instantiate(self.settings["sampler"], _convert_="all")
        first: list[Mapping[str, Any]] = list(self.settings["first"])
        trials: int = self.settings["trials"]
        if isinstance(sampler, Grid):
            first += itertools.islice(self.space.grid(), max(0, trials - len(first)))
            trials = len(first)
        search = Search(
            self.space,
            folder=root / ".sweeps" / self.id,
            root=root,
            fixed=self.fixed,
            objectives=self.objectives,
            trials=trials,
            sampler=sampler,
            pruner=instantiate(self.settings["pruner"], _convert_="all"),
            storage=self.settings["storage"],
        )
        search.try_first(first)
        return search

    def confirmations(self, search: Search) -> list[list[str]]:
        """The best point with seeds that the search has not seen."""
        (best, *_) = search.best()
        words = [*self.common, *overrides_of(search.point(best))]
        seen = {word for word in words if _key(word) == "seed"}
        point = [word for word in words if word not in seen]
        seeds = (seed for seed in itertools.count(1) if f"seed={seed}" not in seen)
        return [[*point, f"seed={seed}"] for seed in itertools.islice(seeds, self.confirm)]


def _key(override: str) -> str:
    return OverridesParser.create().parse_override(override).get_key_element()
