"""A run's report.html: its scores, its figures, its configuration, where it came from and how to have it again."""

import json
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from matplotlib.figure import Figure
from omegaconf.errors import OmegaConfBaseException

from litmus.explain import changes
from litmus.folder import read_record, resume_command, write_whole
from litmus.page import Raw, command, details, inline, judged, link, page, sections, svg, table
from litmus.redact import redact
from litmus.runs.find import Run, flat
from litmus.signals import Stopped
from litmus.snapshot import read_overrides

HEAD = ("", "")


def write_page(
    folder: Path, figures: Mapping[str, Figure | str], broken_by: BaseException | None = None
) -> dict[str, str]:
    """figures/*.svg and report.html in the run's folder.

    Args:
        figures: By title; a table is HTML.
        broken_by: What ended the run before its time.

    Returns:
        The figures in HTML.
    """
    (folder / "figures").mkdir(exist_ok=True)
    shown = {}
    for title, figure in figures.items():
        if isinstance(figure, str):
            shown[title] = figure
            continue
        picture = svg(figure)
        (folder / "figures" / f"{title.replace(' ', '_')}.svg").write_text(picture)
        shown[title] = inline(picture)
    record = read_record(folder)
    parts = {
        **shown,
        "configuration": configuration(folder, record),
        "provenance": provenance(record),
        "run it again": again(folder, record, broken_by is not None),
    }
    said = "" if broken_by is None else why(broken_by)
    write_whole(folder / "report.html", page(record["id"], f"{said}{scores(record)}\n{sections(parts)}"))
    return shown


def why(error: BaseException) -> str:
    """What ended a run before its time: a signal, or an error with its traceback."""
    if isinstance(error, Stopped):
        return f"<p>{judged(str(error), 'bad')}</p>\n"
    said = redact(f"{type(error).__name__}: {error}")
    trace = redact("".join(traceback.format_exception(error)))
    return f"<p>{judged(said, 'bad')}</p>\n{details('traceback', command(trace))}\n"


def scores(record: Mapping[str, Any]) -> str:
    """The last value of each metric of validation and test, side by side."""
    metrics: Mapping[str, float | None] = record.get("metrics", {})
    stages = [stage for stage in ("val", "test") if any(name.startswith(f"{stage}/") for name in metrics)]
    names = dict.fromkeys(name.partition("/")[2] for name in metrics if name.partition("/")[0] in stages)
    rows = [(name, *(_four(metrics.get(f"{stage}/{name}")) for stage in stages)) for name in names]
    best = record.get("objective")
    said = f"<p>best {best['metric']} {_four(best['value'])}</p>" if best else ""
    return table(("", *stages), rows) + said if rows else ""


def _four(value: float | None) -> Raw | None:
    """With four digits behind the point, as in a log; what was not finite is none."""
    return None if value is None else Raw(f"{value:.4f}")


def configuration(folder: Path, record: Mapping[str, Any]) -> str:
    """What was changed, with what it would have been; and all values, when they are asked for."""
    config = flat(Run(folder, dict(record)).config)
    overrides = read_overrides(folder)
    try:
        changed = [change for change in changes(overrides) if not change.key.startswith("claim.")]
        unknown = ""
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # conf/ is another one today
        changed, unknown = [], f"<p>What it would be otherwise is not known: {type(error).__name__}.</p>"
    rows = [
        (change.key, change.choice or _text(config.get(change.key)), _text(change.default), change.place)
        for change in changed
    ]
    said = table(("key", "value", "default", "from"), rows) if rows else "<p>All values are the defaults.</p>"
    every = table(("key", "value"), [(key, _text(value)) for key, value in config.items()])
    return f"{unknown or said}\n{details(f'all {len(config)} values', every)}"


def _text(value: Any) -> str:
    """A value as it stands in YAML."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, default=str)


def provenance(record: Mapping[str, Any]) -> str:
    """Commit, versions, machine, data and times."""
    git, hardware, versions = (record.get(key) or {} for key in ("git", "hardware", "versions"))
    changed = [*git.get("untracked", ()), *(["a patch, kept in run.json"] if git.get("patch") else [])]
    device = f"{record.get('world_size', 1)} x {record.get('device_name', 'unknown')}"
    facts: dict[str, object] = {
        "seed": str(record["seed"]),
        "parameters": f"{record.get('parameters', 0):,}",
        "commit": git.get("commit", "none")[:12],
        "uncommitted": ", ".join(changed) or "nothing",
        "device": f"{device}, precision {record.get('precision', 'unknown')}",
        "machine": f"{hardware.get('cores')} cores, {hardware.get('cpu')}, {hardware.get('memory_gib')} GiB",
        "system": hardware.get("system"),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "data": ", ".join(f"{split} {fingerprint}" for split, fingerprint in (record.get("data") or {}).items()),
        "started": record.get("started"),
        "resumed": len(record["resumed"]) if record.get("resumed") else None,
        "throughput": f"{record['examples_per_second']:,.0f} examples/s" if "examples_per_second" in record else None,
        "sweep": record.get("sweep"),
        "W&B": link(record["url"], record["url"]) if record.get("url") else None,
    }
    return table(HEAD, [(name, fact) for name, fact in facts.items() if fact not in (None, "")])


def again(folder: Path, record: Mapping[str, Any], broken: bool) -> str:
    """The command, that which runs the same code's configuration, that which goes on, and the record."""
    kept = {**record, "git": {**(record.get("git") or {}), "patch": "..."}}
    lines = [record["command"], f"litmus --root {folder.parent} runs rerun {folder.name}"]
    if broken:
        lines.insert(0, resume_command(folder))
    return command("\n".join(lines)) + details("run.json", command(json.dumps(kept, indent=2)))
