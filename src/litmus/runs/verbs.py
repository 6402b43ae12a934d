"""`litmus runs ...`: the command line of what has been tried."""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

from litmus.folder import find_run, read_metrics, read_record
from litmus.runs.find import Run, find
from litmus.runs.output import show

RUN = "a run's folder, its id, or `last`"
CONDITIONS = "such as status=done model.hidden>=64 test/accuracy>0.9 name~cnn"
POLL = 0.5  # seconds


def add(verbs: Any) -> None:
    """The verb with its own verbs."""
    all_runs = verbs.add_parser("runs", help="what has been tried")
    all_runs.set_defaults(
        function=show_runs, conditions=(), sort=None, reverse=False, columns=None, last=None, json=False
    )
    runs = all_runs.add_subparsers(metavar="list|best|...")

    def verb(name: str, function: Callable[[argparse.Namespace], None], help_text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = runs.add_parser(name, help=help_text)
        parser.set_defaults(function=function)
        return parser

    parser = verb("list", show_runs, "a line a run, oldest first")
    parser.add_argument("conditions", nargs="*", help=CONDITIONS)
    parser.add_argument("--sort", metavar="KEY", help="by a key of the record, the metrics or the configuration")
    parser.add_argument("-r", "--reverse", action="store_true", help="the largest first")
    parser.add_argument("--columns", metavar="KEY,KEY", help="to show besides")
    parser.add_argument("--last", type=int, metavar="N", help="only so many, the last ones")
    _json(parser)
    parser = verb("best", show_best, "means over seeds, the best first")
    parser.add_argument("metric", nargs="?", help="such as val/loss (default: the first of test)")
    _json(parser)
    parser = verb("show", show_run, "a run's record")
    parser.add_argument("run", help=RUN)
    parser = verb("diff", show_differences, "in what two runs differ")
    parser.add_argument("first", help=RUN)
    parser.add_argument("second", help=RUN)
    _json(parser)
    parser = verb("tail", tail, "the last that a run logged")
    parser.add_argument("run", nargs="?", default="last", help=f"{RUN} (default: %(default)s)")
    parser.add_argument("-n", type=int, default=10, help="rows (default: %(default)s)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    parser = verb("rerun", rerun, "the same again, from the same code")
    parser.add_argument("run", help=RUN)
    parser.add_argument("--anyway", action="store_true", help="also from other code")
    parser = verb("rm", remove, "delete runs")
    parser.add_argument("runs", nargs="+", help=RUN)
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser = verb("export", export, "a table of runs for other programs: csv")
    parser.add_argument("format", choices=("csv",))
    parser.add_argument("conditions", nargs="*", help=CONDITIONS)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def show_runs(options: argparse.Namespace) -> None:
    """Prints id, status, seconds, objective, the first test metric, and what is asked for, of every run."""
    runs = find(options.root, options.conditions, options.sort, options.reverse)
    more = options.columns.split(",") if options.columns else []
    show([_row(run, more) for run in runs[-options.last if options.last else None :]], options.json)


def _row(run: Run, more: list[str]) -> dict[str, Any]:
    facts = {"id": run.folder.name, "status": run["status"], "seconds": run.record.get("seconds")}
    told = {"objective": _told(run.objective), "test": _told(run.tested)}
    return {**facts, **told, **{key: run[key] for key in more}}


def _told(metric: tuple[str, float] | None) -> str | None:
    return None if metric is None or metric[1] is None else f"{metric[0]} {metric[1]:.4f}"


def show_best(options: argparse.Namespace) -> None:
    """Prints a line for all runs that differ only in their seeds."""
    from litmus.runs.best import best, rows

    show(rows(*best(options.root, options.metric)), options.json)


def show_run(options: argparse.Namespace) -> None:
    """Prints the record of a run as JSON, without the patch of its uncommitted changes."""
    folder = find_run(options.run, options.root)
    record = read_record(folder)
    if record.get("git"):
        record["git"].pop("patch", None)
    print(json.dumps({**record, "folder": str(folder)}, indent=2))


def show_differences(options: argparse.Namespace) -> None:
    """Prints a row for each value that differs."""
    from litmus.runs.differences import differences

    folders = [find_run(name, options.root) for name in (options.first, options.second)]
    show(differences(*(Run(folder, read_record(folder)) for folder in folders)), options.json)


def tail(options: argparse.Namespace) -> None:
    """Prints the last rows of metrics.csv, and those to come if asked for, until the run has ended."""
    folder = find_run(options.run, options.root)
    rows = read_metrics(folder / "metrics.csv")
    seen = max(0, len(rows) - options.n)
    while True:
        for row in rows[seen:]:
            print("\t".join(row.values()), flush=True)
        seen = len(rows)
        if not options.follow or read_record(folder)["status"] != "running":
            return
        time.sleep(POLL)
        rows = read_metrics(folder / "metrics.csv")


def rerun(options: argparse.Namespace) -> None:
    """Becomes train.py with the run's own overrides."""
    from litmus.runs.again import command

    words = command(find_run(options.run, options.root), options.anyway)
    os.execv(words[0], words)


def remove(options: argparse.Namespace) -> None:
    """Deletes folders, after a question in a terminal; one that is running stays."""
    from litmus.lock import lock, unlock

    folders = [find_run(name, options.root) for name in options.runs]
    for folder in folders:
        unlock(lock(folder))
    if not options.yes:
        if not sys.stdin.isatty():
            raise ValueError("there is nobody to ask: give --yes")
        if input(f"delete {', '.join(folder.name for folder in folders)}? [y/N] ").strip().lower() not in ("y", "yes"):
            return
    for folder in folders:
        shutil.rmtree(folder)
        print(folder)


def export(options: argparse.Namespace) -> None:
    """Prints CSV: a row a run, with its facts, what was asked of it and its metrics."""
    import csv

    from litmus.runs.export import columns, table

    rows = table(find(options.root, options.conditions))
    writer = csv.DictWriter(sys.stdout, columns(rows), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
