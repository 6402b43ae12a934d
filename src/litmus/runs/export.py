"""`litmus runs export csv`: what programs for statistics take."""

from collections.abc import Sequence
from typing import Any

from litmus.runs.find import Run, flat

FACTS = ("id", "name", "status", "seed", "started", "seconds", "parameters", "device", "sweep")


def table(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A row a run: facts, metrics, and those values of the configuration in which the runs differ."""
    configs = [flat(run.config) for run in runs]
    keys = dict.fromkeys(key for config in configs for key in config)
    varied = [key for key in keys if len({str(config.get(key)) for config in configs}) > 1 and key not in FACTS]
    return [
        {
            **{name: run.record.get(name) for name in FACTS},
            "commit": (run.record.get("git") or {}).get("commit"),
            **{key: config.get(key) for key in varied},
            **(run.record.get("metrics") or {}),
        }
        for run, config in zip(runs, configs, strict=True)
    ]


def columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    """All that some row has, in the order in which they come."""
    return list(dict.fromkeys(key for row in rows for key in row))
