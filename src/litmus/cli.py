"""The `litmus` command: what can be done with a run once it is there. A run needs nothing but its folder."""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from litmus.errors import say
from litmus.folder import find_run, list_runs, read_record

DEFAULT_ROOT = "outputs"
RUN_HELP = "a run's folder, its id, or `last`"


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line and runs one verb; a mistake is one sentence and exit code 1."""
    parser = argparse.ArgumentParser("litmus", description=__doc__)
    parser.add_argument("--root", default=DEFAULT_ROOT, type=Path, help="folder of the runs (default: %(default)s)")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    verb = verbs.add_parser("evaluate", help="test a run's best checkpoint again")
    verb.add_argument("run", help=RUN_HELP)
    verb.add_argument("overrides", nargs="*", help="such as data.root=DIR")
    verb.set_defaults(function=evaluate)

    verb = verbs.add_parser("predict", help="classes and probabilities of image files, as CSV")
    verb.add_argument("run", help=RUN_HELP)
    verb.add_argument("files", nargs="+", type=Path, metavar="FILE", help="PNG or JPEG")
    verb.set_defaults(function=predict)

    runs = verbs.add_parser("runs", help="what has been tried").add_subparsers(required=True, metavar="list|show")
    verb = runs.add_parser("list", help="a line a run, oldest first")
    verb.set_defaults(function=show_runs)
    verb = runs.add_parser("show", help="a run's record")
    verb.add_argument("run", help=RUN_HELP)
    verb.set_defaults(function=show_run)

    options = parser.parse_args(arguments)
    try:
        options.function(options)
    except Exception as error:
        say(error)
        sys.exit(1)


def evaluate(options: argparse.Namespace) -> None:
    """Prints the metrics of the best checkpoint on the test split, one a line."""
    from litmus.inference import evaluate

    for name, value in evaluate(find_run(options.run, options.root), options.overrides).items():
        print(f"{name}\t{value:.6g}")


def predict(options: argparse.Namespace) -> None:
    """Prints a table of file, class and probability."""
    from litmus.inference import predict

    rows = predict(find_run(options.run, options.root), options.files)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("file", "class", "probability"))
    writer.writerows((path, label, f"{probability:.6f}") for path, label, probability in rows)


def show_runs(options: argparse.Namespace) -> None:
    """Prints id, status, seconds, objective and the first test metric of every run."""
    rows = [("id", "status", "seconds", "objective", "test")]
    for folder in list_runs(options.root):
        record = read_record(folder)
        objective = record.get("objective") or {}
        tested = {name: value for name, value in record.get("metrics", {}).items() if name.startswith("test/")}
        name = next((name for name in tested if name != "test/loss"), "")
        seconds = f"{record.get('seconds', 0):.0f}"
        best, test = shown(objective.get("metric"), objective.get("value")), shown(name, tested.get(name))
        rows.append((folder.name, record["status"], seconds, best, test))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def shown(name: str | None, value: float | None) -> str:
    """A metric in a table."""
    return "-" if value is None else f"{name} {value:.4f}"


def show_run(options: argparse.Namespace) -> None:
    """Prints the record of a run as JSON, without the patch of its uncommitted changes."""
    folder = find_run(options.run, options.root)
    record = read_record(folder)
    if record.get("git"):
        record["git"].pop("patch", None)
    print(json.dumps({**record, "folder": str(folder)}, indent=2))


if __name__ == "__main__":
    main()
