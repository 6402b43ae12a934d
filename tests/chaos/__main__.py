"""`make chaos`: what is done to runs, how often, and what is lost of them, which must be nothing."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from chaos.cases import KILLS, ONCE, Case, Result
from chaos.trial import Reference, undisturbed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=120, help="at random moments, at least so many")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--jobs", type=int, default=min(8, os.cpu_count() or 1), help="runs at once")
    parser.add_argument("--only", default="", help="cases with this in their name")
    asked = parser.parse_args()
    kills, once = ([case for case in cases if asked.only in case.what] for cases in (KILLS, ONCE))
    start, work, results = time.monotonic(), Path(tempfile.mkdtemp(prefix="chaos-")), list[Result]()
    with ProcessPoolExecutor(asked.jobs, get_context("spawn")) as pool:
        references = leave_in_peace({case.undisturbed for case in [*kills, *once]}, work, pool)
        turn = 0
        while kills and sum(result.tried for result in results) < asked.kills:
            results += do(kills, references, work / f"kills-{turn}", f"{asked.seed} {turn}", pool)
            turn += 1
        results += do(once, references, work / "once", f"{asked.seed}", pool)
    show(results)
    print(f"{time.monotonic() - start:.0f} s on {os.cpu_count()} cores, --seed {asked.seed}")
    lost = [result.lost for result in results if result.lost]
    if not lost:
        shutil.rmtree(work)
    sys.exit("\n".join(lost) or 0)


def leave_in_peace(names: Iterable[tuple[str, str]], work: Path, pool: Executor) -> dict[tuple[str, str], Reference]:
    """Runs each once as it is."""
    started = {name: pool.submit(undisturbed, work / f"peace-{i}", *name) for i, name in enumerate(sorted(names))}
    return {name: future.result() for name, future in started.items()}


def do(
    cases: Sequence[Case], references: dict[tuple[str, str], Reference], work: Path, seed: str, pool: Executor
) -> list[Result]:
    """All of these cases, a few at once."""
    started = [
        pool.submit(case.result, work / f"{index}", references[case.undisturbed], f"{seed} {index}")
        for index, case in enumerate(cases)
    ]
    results = []
    for case, future in zip(cases, started, strict=True):
        results.append(result := future.result())
        said = result.skipped or f"{result.tried} times{', LOST' if result.lost else ''}"
        print(f"{case.what} ({case.scenario} {case.more}): {said}", file=sys.stderr, flush=True)
    return results


def show(results: Sequence[Result]) -> None:
    """The table of the README."""
    print("\n| what | tried | left a half-written checkpoint | lost |\n|---|---|---|---|")
    for what in dict.fromkeys(result.what for result in results):
        same = [result for result in results if result.what == what]
        tried, torn, lost = (sum(map(f, same)) for f in (lambda r: r.tried, lambda r: r.torn, lambda r: bool(r.lost)))
        print(f"| {what} | {same[0].skipped or tried} | {torn or ''} | {lost} |")


if __name__ == "__main__":
    main()
