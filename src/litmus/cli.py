"""The `litmus` command: what can be done with a run once it is there. A run needs nothing but its folder."""

import argparse
import csv
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import litmus.claims.verbs
import litmus.project.verbs
import litmus.runs.verbs
from litmus.errors import say
from litmus.folder import find_run
from litmus.runs.verbs import RUN as RUN_HELP

DEFAULT_ROOT = "outputs"
WORDS = ("names", "overrides", "conditions")  # arguments of which there may be any number
FORMATS = ("ckpt", "onnx", "torch", "safetensors", "hf")


def parser() -> argparse.ArgumentParser:
    """The verbs and what they take."""
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

    verb = verbs.add_parser("explain", help="each value of a run to be, and the line that it comes from")
    verb.add_argument("overrides", nargs="*", help="as for train.py")
    verb.add_argument("--key", help="of a value, or of a part, such as optimizer")
    verb.add_argument("--json", action="store_true", help="for programs")
    verb.set_defaults(function=explain)

    verb = verbs.add_parser("prepare", help="a training set out of raw sources: clean, integrate, mine, shard")
    verb.add_argument("name", nargs="?", help="of a file in conf/prepare; without it they are listed")
    verb.add_argument("overrides", nargs="*", help="such as memory=4GB output=DIR split.test=0.2")
    verb.set_defaults(function=prepare)

    litmus.claims.verbs.add(verbs)
    verb = verbs.add_parser("export", help="a run's best weights in one file, or its network for other programs")
    verb.add_argument("run", help=RUN_HELP)
    verb.add_argument("overrides", nargs="*", help="such as data.root=DIR, for the check")
    verb.add_argument(
        "--format", choices=FORMATS, default="ckpt", help="model.ckpt joins shards (default: %(default)s)"
    )
    verb.add_argument("--output", type=Path, metavar="DIR", help="a new folder (default: export/FORMAT in the run's)")
    verb.add_argument(
        "--check",
        type=int,
        default=1000,
        metavar="N",
        help="test examples to compare on (default: %(default)s; 0: none)",
    )
    verb.set_defaults(function=export)

    verb = verbs.add_parser("serve", help="predict over HTTP, for other programs on this machine")
    verb.add_argument("run", help=RUN_HELP)
    verb.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine)")
    verb.add_argument("--port", type=int, default=8000, help="(default: %(default)s; 0: any that is free)")
    verb.add_argument("--most", type=int, default=256, help="examples in a request (default: %(default)s)")
    verb.add_argument("--megabytes", type=float, default=16.0, help="of a request (default: %(default)s)")
    verb.set_defaults(function=serve)

    sweep = verbs.add_parser("sweep", help="a search by a server").add_subparsers(required=True, metavar="wandb")
    verb = sweep.add_parser("wandb", help="a file of conf/sweep as a sweep of W&B's, and agents that run it here")
    verb.add_argument("name", help="of a file in conf/sweep")
    verb.add_argument("overrides", nargs="*", help="sweep.KEY=VALUE is of the search, the others are of every run")
    verb.add_argument("--agents", type=int, default=1, help="processes that run it (default: %(default)s)")
    verb.add_argument("--count", type=int, help="runs that each starts (default: until the search is over)")
    verb.add_argument("--method", choices=("bayes", "random", "grid"), help="(default: what the sampler is)")
    verb.add_argument("--hyperband", action="store_true", help="stop runs early that do worse than the others")
    verb.set_defaults(function=sweep_wandb)

    litmus.runs.verbs.add(verbs)
    litmus.project.verbs.add(verbs)

    verb = verbs.add_parser("completion", help="what makes the shell complete litmus and train.py")
    verb.add_argument(
        "shell", choices=("bash", "zsh", "fish"), help='eval "$(litmus completion bash)" in its start-up file'
    )
    verb.set_defaults(function=completion)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line and runs one verb; a mistake is one sentence and exit code 1."""
    verbs = parser()
    if "_ARGCOMPLETE" in os.environ:
        from litmus.completion import complete

        complete(verbs)
    options = parse(verbs, arguments)
    try:
        options.function(options)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        say(error)
        sys.exit(1)


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """As argparse does, but words may follow options: `litmus reproduce NAME --jobs 2 logger=csv`."""
    options, rest = parser.parse_known_args(arguments)
    words = next((found for name in WORDS if isinstance(found := getattr(options, name, None), list)), None)
    if rest and (words is None or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if words is not None:
        words.extend(rest)
    return options


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


def explain(options: argparse.Namespace) -> None:
    """Prints a row a value."""
    from litmus.explain import explain
    from litmus.runs.output import show

    rows = explain(options.overrides, options.key)
    if not options.json:  # null and 0.00133043 are values
        for row in rows:
            row["value"] = row["value"] if isinstance(row["value"], str) else json.dumps(row["value"])
    show(rows, options.json)


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


def export(options: argparse.Namespace) -> None:
    """Writes a file or a folder, says how far its predictions are from the run's, and prints its path."""
    run = find_run(options.run, options.root)
    if options.format == "ckpt":
        from litmus.export.checkpoint import join

        if options.output is not None or options.overrides:
            raise ValueError("--format ckpt writes model.ckpt into the run's own folder: it takes no --output, no data")
        print(join(run))
        return
    from litmus.export.export import export

    if options.check < 0:
        raise ValueError(f"--check {options.check} is below 0")
    folder, check = export(run, options.format, options.output, options.check, options.overrides)
    if check:
        print(f"{check['examples']} test examples: largest difference {check['largest_difference']:.1e}")
    print(folder)


def serve(options: argparse.Namespace) -> None:
    """Prints the address, and answers until it is stopped."""
    from litmus.serve.server import serve

    serve(find_run(options.run, options.root), options.host, options.port, options.most, options.megabytes)


def completion(options: argparse.Namespace) -> None:
    """Prints a script."""
    from litmus.completion import script

    print(script(options.shell))


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


if __name__ == "__main__":
    main()
