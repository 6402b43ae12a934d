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

    verb = verbs.add_parser("predict", help="what a run says of new examples, as CSV")
    verb.add_argument("run", help=RUN_HELP)
    verb.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an image; a text a line; numbers as CSV")
    verb.set_defaults(function=predict)

    verb = verbs.add_parser("generate", help="text from a language model")
    verb.add_argument("run", help=RUN_HELP)
    verb.add_argument("--prompt", required=True, help="what the text begins with")
    verb.add_argument("--tokens", type=int, default=500, help="how many to draw (default: %(default)s)")
    verb.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest (default: %(default)s)")
    verb.add_argument("--top-k", type=int, help="draw from the likeliest only")
    verb.add_argument("--seed", type=int, default=0, help="of the draw (default: %(default)s)")
    verb.set_defaults(function=generate)

    verb = verbs.add_parser("prepare", help="a training set out of raw sources: clean, integrate, mine, shard")
    verb.add_argument("name", nargs="?", help="of a file in conf/prepare; without it they are listed")
    verb.add_argument("overrides", nargs="*", help="such as memory=4GB output=DIR split.test=0.2")
    verb.set_defaults(function=prepare)

    verb = verbs.add_parser("reproduce", help="the papers' numbers: run what is missing, and judge")
    verb.add_argument(
        "names", nargs="*", help="of recipes with a claim (default: the daily ones); KEY=VALUE for the runs"
    )
    verb.add_argument("--all", action="store_true", help="all claims, also those that take hours")
    verb.add_argument("--seeds", type=int, help="of each claim, from 0 on (default: as many as its verdict takes)")
    verb.add_argument("--jobs", type=int, help="at the same time (default: one a GPU, or a few on CPUs)")
    verb.add_argument("--rerun", action="store_true", help="forget the results that are there")
    verb.add_argument("--check", action="store_true", help="run nothing; exit 1 if the committed table does not hold")
    verb.add_argument("--table", action="store_true", help="run nothing; write the table of the committed results")
    verb.set_defaults(function=reproduce)

    verb = verbs.add_parser("paper", help="tables and figures of the claims, for a paper")
    verb.add_argument("--output", type=Path, default=Path("experiments/paper"), help="folder (default: %(default)s)")
    verb.set_defaults(function=paper)

    verb = verbs.add_parser("compare", help="two recipes or sweeps, seed by seed")
    verb.add_argument("first", help="a recipe with results, or a sweep or name of runs")
    verb.add_argument("second", help="another one")
    verb.add_argument("--metric", help="(default: the first of test that both have)")
    verb.set_defaults(function=compare)

    verb = verbs.add_parser("export", help="a run's best weights in one file, of shards too")
    verb.add_argument("run", help=RUN_HELP)
    verb.set_defaults(function=export)

    sweep = verbs.add_parser("sweep", help="a search by a server").add_subparsers(required=True, metavar="wandb")
    verb = sweep.add_parser("wandb", help="a file of conf/sweep as a sweep of W&B's, and agents that run it here")
    verb.add_argument("name", help="of a file in conf/sweep")
    verb.add_argument("overrides", nargs="*", help="sweep.KEY=VALUE is of the search, the others are of every run")
    verb.add_argument("--agents", type=int, default=1, help="processes that run it (default: %(default)s)")
    verb.add_argument("--count", type=int, help="runs that each starts (default: until the search is over)")
    verb.add_argument("--method", choices=("bayes", "random", "grid"), help="(default: what the sampler is)")
    verb.add_argument("--hyperband", action="store_true", help="stop runs early that do worse than the others")
    verb.set_defaults(function=sweep_wandb)

    runs = verbs.add_parser("runs", help="what has been tried").add_subparsers(required=True, metavar="list|best|show")
    verb = runs.add_parser("list", help="a line a run, oldest first")
    verb.set_defaults(function=show_runs)
    verb = runs.add_parser("best", help="means over seeds, the best first")
    verb.add_argument("metric", nargs="?", help="such as val/loss (default: the first of test)")
    verb.set_defaults(function=show_best)
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
    """Prints a table: a line an example, or one for each of the steps that are forecast."""
    from litmus.inference import predict

    rows = predict(find_run(options.run, options.root), options.files)
    csv.writer(sys.stdout, lineterminator="\n").writerows(rows)


def generate(options: argparse.Namespace) -> None:
    """Prints the prompt and what the run makes of it, as it comes."""
    from litmus.generate import generate

    run = find_run(options.run, options.root)
    pieces = generate(run, options.prompt, options.tokens, options.temperature, options.top_k, options.seed)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()


def prepare(options: argparse.Namespace) -> None:
    """Prints what came of the records, and the folder of the result."""
    from litmus.command import first_comment
    from litmus.prepare.config import FOLDER, load, recipes

    if options.name is None:
        for name in recipes():
            print(f"{name}\t{first_comment(FOLDER / f'{name}.yaml')}")
        return
    recipe = load(options.name, options.overrides)
    from litmus.prepare.account import summary
    from litmus.prepare.prepare import MANIFEST, prepare

    folder = prepare(recipe)
    print(summary(json.loads((folder / MANIFEST).read_text())))
    print(folder)


def reproduce(options: argparse.Namespace) -> None:
    """Prints a verdict a claim; exits with 1 if one that was asked for is not reproduced."""
    from litmus.claims.check import committed, complaints, write_table
    from litmus.claims.recipes import chosen
    from litmus.signals import Stopped
    from litmus.sweeps.processes import visible_gpus

    if options.check:
        wrong = list(complaints(committed()))
        print("\n".join(wrong or ["the committed table is what the results give, and every claim that was run holds"]))
        sys.exit(1 if wrong else 0)
    if options.table:
        return write_table()
    for name in ("seeds", "jobs"):
        if (given := getattr(options, name)) is not None and given < 1:
            raise ValueError(f"--{name} {given} is less than 1")
    from litmus.claims.reproduce import reproduce
    from litmus.claims.table import rows_of

    overrides = [word for word in options.names if "=" in word]
    recipes = chosen([word for word in options.names if "=" not in word], options.all)
    try:
        reproduce(recipes, options.seeds, options.jobs, options.rerun, overrides, options.root)
    except Stopped as stopped:
        sys.exit(stopped.exit_code)
    finally:
        write_table()
    rows = rows_of(recipes, bool(visible_gpus()))
    for row in rows:
        claim, summary = row.recipe.claim, row.verdict.summary
        found = f"{summary.mean:.4g} (n={summary.n})" if summary else "-"
        print(f"{row.recipe.name}: {claim.metric} {found}, {claim.paper} {claim.value:.4g}: {row.verdict}")
    sys.exit(0 if all(row.verdict.word in ("reproduced", "reported") for row in rows) else 1)


def paper(options: argparse.Namespace) -> None:
    """Prints the files that it writes."""
    from litmus.claims.check import committed
    from litmus.claims.paper import write

    for path in write(committed(), options.output):
        print(path)


def compare(options: argparse.Namespace) -> None:
    """Prints means, their difference over the seeds that both have, and what can be said of it."""
    from litmus.claims.compare import compare, values_of

    first, second = (values_of(name, options.metric, options.root) for name in (options.first, options.second))
    print(compare(first, second))


def export(options: argparse.Namespace) -> None:
    """Writes the best weights into model.ckpt in the run's folder, and prints its path."""
    from litmus.export import export

    print(export(find_run(options.run, options.root)))


def sweep_wandb(options: argparse.Namespace) -> None:
    """Prints the sweep's address and id, and then whatever its runs print."""
    from litmus.sweeps.agents import create, run_agents
    from litmus.sweeps.wandb import sweep_config

    for name in ("agents", "count"):
        if (given := getattr(options, name)) is not None and given < 1:
            raise ValueError(f"--{name} {given} is less than 1")
    own_root = [f"output_root={options.root}"] if options.root != Path(DEFAULT_ROOT) else []
    sweep = create(sweep_config(options.name, [*own_root, *options.overrides], options.method, options.hyperband))
    sys.exit(run_agents(sweep, options.agents, options.count, options.root / ".sweeps" / sweep.rpartition("/")[2]))


def show_runs(options: argparse.Namespace) -> None:
    """Prints id, status, seconds, objective and the first test metric of every run."""
    rows = [("id", "status", "seconds", "objective", "test")]
    for folder in list_runs(options.root):
        try:
            record = read_record(folder)
        except ValueError:
            rows.append((folder.name, "damaged", "-", "-", "-"))
            continue
        objective = record.get("objective") or {}
        tested = {name: value for name, value in record.get("metrics", {}).items() if name.startswith("test/")}
        name = next((name for name in tested if name != "test/loss"), "")
        seconds = f"{record.get('seconds', 0):.0f}"
        best, test = shown(objective.get("metric"), objective.get("value")), shown(name, tested.get(name))
        rows.append((folder.name, record["status"], seconds, best, test))
    show_table(rows)


def show_best(options: argparse.Namespace) -> None:
    """Prints a line for all runs that differ only in their seeds."""
    from litmus.best import best, table

    show_table(list(table(*best(options.root, options.metric))))


def show_table(rows: Sequence[Sequence[str]]) -> None:
    """Prints rows in columns."""
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
