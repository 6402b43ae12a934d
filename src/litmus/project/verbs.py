"""`litmus new`, `add` and `schema`: the command line of a project of your own."""

import argparse
from pathlib import Path
from typing import Any


def add(verbs: Any) -> None:
    """The verbs."""
    verb = verbs.add_parser("new", help="a project of your own: a copy with another name, and its tests")
    verb.add_argument("name", help="of its package and its command, such as my_lab")
    verb.add_argument("folder", type=Path, help="that is to be made")
    verb.add_argument("--minimal", action="store_true", help="without the example models, data sets and recipes")
    verb.set_defaults(function=new_project)

    verb = verbs.add_parser("add", help="the files to fill in for a model, a data set or a recipe of your own")
    verb.add_argument("what", choices=("model", "data", "experiment"))
    verb.add_argument("name", help="in small letters, such as my_net")
    verb.add_argument("--kind", choices=("images", "series"), default="images", help="of data (default: %(default)s)")
    verb.set_defaults(function=add_files)

    verb = verbs.add_parser("schema", help="JSON schemas of conf/, for an editor that completes YAML and complains")
    verb.set_defaults(function=schema)


def new_project(options: argparse.Namespace) -> None:
    """Prints what to do next."""
    from litmus.project.new import new

    new(options.name, options.folder, options.minimal)
    print(f"cd {options.folder} && make test && make train")


def add_files(options: argparse.Namespace) -> None:
    """Prints the paths, and how to try them."""
    from litmus.project.add import add

    for path in add(options.kind if options.what == "data" else options.what, options.name):
        print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    print(f"python train.py {options.what}={options.name}; make test ARGS='-k {options.name}'")


def schema(options: argparse.Namespace) -> None:
    """Prints the paths."""
    from litmus.project.schema import write

    for path in write():
        print(path)
