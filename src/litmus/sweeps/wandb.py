"""A search as W&B's server runs it: conf/sweep/NAME.yaml in W&B's words."""

import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import FloatDistribution, IntDistribution

from litmus.config import CONF
from litmus.redact import redact
from litmus.snapshot import resolve
from litmus.sweeps.compose import composed
from litmus.sweeps.space import Parameter, Point, Space, overrides_of

log = logging.getLogger(__name__)

METHODS = {  # of W&B, by Optuna's sampler
    "TPESampler": "bayes",
    "CmaEs": "bayes",
    "RandomSampler": "random",
    "Grid": "grid",
}
HYPERBAND = ("HyperbandPruner", "SuccessiveHalvingPruner")
NO_PRUNING = "NopPruner"
GOALS = {"max": "maximize", "min": "minimize"}
ITSELF = ("sweep", "sweep.", "sweep/")  # what changes the search, and not its runs


def sweep_config(name: str, overrides: Sequence[str], method: str | None, hyperband: bool) -> dict[str, Any]:
    """What `wandb sweep` would be given.

    Args:
        name: Of a file in conf/sweep.
        overrides: Those of `sweep.` change the search; a sweep in Hydra's syntax is searched, too; every run has the
            others, and what is given a value here is not searched.
        method: bayes, random or grid; by default what the sampler is.
        hyperband: Whether W&B stops runs early, whatever the pruner is.

    Raises:
        ValueError: For what W&B can't do, a key that is not in the configuration, or a secret in an override.
        HydraException: For a key that is not in the configuration, too.
    """
    lines = list(OverridesParser.create().parse_overrides(list(overrides)))
    own = [line for line in lines if line.key_or_group == "sweep" or line.key_or_group.startswith(ITSELF[1:])]
    swept = {line.key_or_group: str(line.input_line).partition("=")[2] for line in lines if line.is_sweep_override()}
    asked: Any = OmegaConf.to_container(composed([f"sweep={name}", *_texts(own)]).sweep, resolve=True)
    given = [line for line in lines if line not in own and not line.is_sweep_override()]
    fixed = [*OverridesParser.create().parse_overrides(asked["fixed"]), *given]
    _refuse(asked, name)
    space = Space(_free(asked["space"] | swept, {line.key_or_group: line.value() for line in fixed}, name))
    run = _checked(_texts(fixed), space)
    (objective,) = asked["objectives"] or [run.objective]
    metric, mode = objective["metric"], objective["mode"]
    if mode not in GOALS:
        raise ValueError(f"sweep.objectives: {metric} is to be {mode}: give max or min")
    if metric.startswith("test/"):
        raise ValueError(f"sweep.objectives: a search never sees {metric}: give one of validation, such as val/loss")
    never_tested = ["test=false", f"objective.metric={metric}", f"objective.mode={mode}"]
    chosen = method or _method(asked["sampler"])
    config = {
        "name": name,
        "project": run.logger.wandb.project,
        "entity": run.logger.wandb.entity,
        "program": "train.py",
        "method": chosen,
        "metric": {"name": metric, "goal": GOALS[mode]},
        "parameters": {parameter.key: in_words(parameter, chosen == "grid") for parameter in space.parameters},
        "run_cap": asked["trials"],
        "command": ["${env}", "${interpreter}", "${program}", *_texts(fixed), *never_tested, "${args_no_hyphens}"],
        "early_terminate": _early_terminate(asked["pruner"], hyperband),
    }
    if redact(text := str(config)) != text:
        raise ValueError("an override holds a secret, which W&B would show: give ${oc.env:NAME} with its variable")
    return {key: value for key, value in config.items() if value is not None}


def _refuse(asked: Mapping[str, Any], name: str) -> None:
    """What only Optuna can do."""
    for key, there in (
        ("objectives", len(asked["objectives"]) > 1),
        ("first", asked["first"]),
        ("confirm", asked["confirm"]),
    ):
        if there:
            few = "more than one of sweep.objectives" if key == "objectives" else f"sweep.{key}={asked[key]}"
            raise ValueError(f"W&B has no counterpart of {few}: python train.py -m sweep={name} has")
    if asked["trials"] < 1:
        raise ValueError(f"sweep.trials={asked['trials']} is less than 1")


def _free(declared: Mapping[str, Any], fixed: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What is left to search, without conditions: those on a value that is fixed are met, or their key is left out."""
    free = {}
    for key, given in declared.items():
        conditions = given.get("when", {}) if isinstance(given, Mapping) else {}
        accepted = {other: value if isinstance(value, list) else [value] for other, value in conditions.items()}
        if key in fixed or any(fixed[other] not in values for other, values in accepted.items() if other in fixed):
            continue
        for other, values in accepted.items():
            if other not in fixed:
                raise ValueError(
                    f"{key} is searched when {other}={values[0]}, which W&B has no counterpart of: give "
                    f"{other}={values[0]}, too, or search with python train.py -m sweep={name}"
                )
        free[key] = given["values"] if isinstance(given, Mapping) else given
    return free


def _checked(fixed: Sequence[str], space: Space) -> DictConfig:
    """The configuration of a run; every key has a place in it, whichever files of conf/ the search chooses."""
    folders = [parameter for parameter in space.parameters if (CONF / parameter.key).is_dir()]
    some: Point = {parameter.key: parameter.example() for parameter in space.parameters}
    for choices in itertools.product(*(parameter.points() for parameter in folders)):
        point = some | dict(zip((parameter.key for parameter in folders), choices, strict=True))
        run = composed([*fixed, *overrides_of(point)])
        resolved = resolve(run)
        if "wandb" not in run.logger:
            raise ValueError("W&B sees nothing of a run without logger=wandb, which is there if logger= is left out")
    return resolved


def _texts(lines: Iterable[Override]) -> list[str]:
    return [str(line.input_line) for line in lines]


def _method(sampler: Mapping[str, Any]) -> str:
    name = str(sampler["_target_"]).rpartition(".")[2]
    if name not in METHODS:
        raise ValueError(f"W&B has no counterpart of {name}: give --method bayes, random or grid")
    return METHODS[name]


def _early_terminate(pruner: Mapping[str, Any] | None, hyperband: bool) -> dict[str, Any] | None:
    """Hyperband, with the pruner's own numbers where it is one; W&B counts how often a run logged the metric: once an
    epoch."""
    name = str(pruner["_target_"]).rpartition(".")[2] if pruner else None
    if name not in HYPERBAND and not hyperband:
        if name not in (None, NO_PRUNING):
            log.warning(f"W&B has no counterpart of {name}: no run is stopped early; --hyperband stops some")
        return None
    known = pruner if pruner and name in HYPERBAND else {}
    least = known.get("min_resource", 1)
    return {
        "type": "hyperband",
        "min_iter": least if isinstance(least, int) else 1,  # Optuna's "auto"
        "eta": known.get("reduction_factor", 3),
    }


def in_words(parameter: Parameter, grid: bool) -> dict[str, Any]:
    """In W&B's words. What has a step is given value by value: W&B's q_ distributions round to multiples of it."""
    match parameter.values:
        case FloatDistribution(low=low, high=high, log=log, step=None) if not grid:
            return {"distribution": "log_uniform_values" if log else "uniform", "min": low, "max": high}
        case IntDistribution(low=low, high=high, log=True) if not grid:
            return {"distribution": "q_log_uniform_values", "min": low, "max": high, "q": 1}
        case IntDistribution(low=low, high=high, step=1) if not grid:
            return {"distribution": "int_uniform", "min": low, "max": high}
    return {"values": parameter.points()}
