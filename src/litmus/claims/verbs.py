"""`litmus reproduce`, `paper` and `compare`: the command line of the claims."""

import argparse
import sys
from pathlib import Path
from typing import Any

from litmus.config import CONF

PAPER = CONF.parent / "experiments" / "paper"  # what is drawn of the results; git keeps only these


def add(verbs: Any) -> None:
    """The verbs."""
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
    verb.add_argument("--output", type=Path, default=PAPER, help="folder (default: experiments/paper of the project)")
    verb.set_defaults(function=paper)

    verb = verbs.add_parser("compare", help="two recipes or sweeps, seed by seed")
    verb.add_argument("first", help="a recipe with results, or a sweep or name of runs")
    verb.add_argument("second", help="another one")
    verb.add_argument("--metric", help="(default: the first of test that both have)")
    verb.set_defaults(function=compare)


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
    from litmus.claims.page import write_page

    report = write_page(committed(), PAPER)
    rows = rows_of(recipes, bool(visible_gpus()))
    for row in rows:
        claim, summary = row.recipe.claim, row.verdict.summary
        found = f"{summary.mean:.4g} (n={summary.n})" if summary else "-"
        print(f"{row.recipe.name}: {claim.metric} {found}, {claim.paper} {claim.value:.4g}: {row.verdict}")
    print(f"report: {report}")
    sys.exit(0 if all(row.verdict.word in ("reproduced", "reported") for row in rows) else 1)


def paper(options: argparse.Namespace) -> None:
    """Prints the files that it writes."""
    from litmus.claims.check import committed
    from litmus.claims.page import write_page
    from litmus.claims.paper import write

    rows = committed()
    for path in (*write(rows, options.output), write_page(rows, options.output)):
        print(path)


def compare(options: argparse.Namespace) -> None:
    """Prints means, their difference over the seeds that both have, and what can be said of it."""
    from litmus.claims.compare import compare, values_of

    first, second = (values_of(name, options.metric, options.root) for name in (options.first, options.second))
    print(compare(first, second))
