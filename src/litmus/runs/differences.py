"""`litmus runs diff A B`: in what two runs differ, of what was asked and of what came of it."""

from typing import Any

from litmus.runs.find import Run, flat

FACTS = ("status", "seed", "parameters", "seconds", "examples_per_second", "device_name", "world_size")


def differences(first: Run, second: Run) -> list[dict[str, Any]]:
    """A row for each value that differs: of the configuration, commit, versions and data, and then the metrics."""
    rows = []
    for what in ("configuration", "origin", "result"):
        a, b = _values(first, what), _values(second, what)
        for key in dict.fromkeys([*a, *b]):
            if a.get(key) != b.get(key):
                rows.append({"of": what, "key": key, first.folder.name: a.get(key), second.folder.name: b.get(key)})
    return rows


def _values(run: Run, what: str) -> dict[str, Any]:
    record = run.record
    if what == "configuration":
        return flat(run.config)
    if what == "origin":
        git = record.get("git") or {}
        kept = {name: record.get(name) for name in ("versions", "data")}
        return {"commit": git.get("commit"), "uncommitted changes": git.get("dirty"), **flat(kept)}
    return {**{name: record.get(name) for name in FACTS}, **(record.get("metrics") or {})}
