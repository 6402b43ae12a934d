"""What a recipe needs of an engine, and the one built in: DuckDB, which joins and sorts more than memory holds."""

import errno
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from litmus.prepare.groups import BATCH_ROWS, Group, GroupWriter, in_order, split
from litmus.provenance import cores

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
R = TypeVar("R")
SMALL = 50_000_000  # bytes, below which no process is worth its start


@runtime_checkable
class Engine(Protocol):
    """Runs functions over tasks, and SQL over tables of Parquet files. Both in the words that all engines know."""

    def map(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        """The results as they come, in any order; tasks and results can be pickled."""

    def read(self, name: str, paths: Sequence[Path]) -> None:
        """Makes a table of Parquet files of one schema."""

    def view(self, name: str, query: str) -> None:
        """Gives a query a name."""

    def create(self, name: str, query: str) -> None:
        """Makes a table of what a query gives now."""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """A small result."""

    def write(
        self, query: str, groups: Sequence[str], order: Sequence[str], writer: GroupWriter
    ) -> list[dict[str, Any]]:
        """Hands the rows of each group, sorted, to a function, and returns what these do, sorted by group.

        The columns of `groups` and `order` are not handed over, if their names begin with _by_.
        """

    def close(self) -> None:
        """Gives back what it holds."""


class DuckDB:
    """One machine.

    Args:
        folder: For tables and what does not fit into memory; it is emptied.
        memory: Such as 1GB.
        workers: Processes of `map`, and threads of SQL; None for one a core.
    """

    def __init__(self, folder: Path, memory: str, workers: int | None) -> None:
        self.workers, self.folder = workers or cores(), folder
        self.database = connect(folder, memory, self.workers)
        self.database.execute("SET preserve_insertion_order = false")

    def map(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        if self.workers == 1 or len(tasks) == 1:
            yield from map(function, tasks)
            return
        context, others = multiprocessing.get_context("spawn"), multiprocessing.active_children()
        with ProcessPoolExecutor(self.workers, context, end_with, (os.getpid(),)) as pool:
            remaining = iter(tasks)
            running = {pool.submit(function, task) for task in islice(remaining, 2 * self.workers)}
            try:
                while running:
                    done = next(as_completed(running))
                    running.remove(done)
                    running |= {pool.submit(function, task) for task in islice(remaining, 1)}
                    yield done.result()
            except BaseException:  # a worker may have minutes to go
                for process in set(multiprocessing.active_children()) - set(others):
                    process.kill()
                raise

    def read(self, name: str, paths: Sequence[Path]) -> None:
        self.view(name, f"SELECT * FROM {parquet(paths)}")

    def view(self, name: str, query: str) -> None:
        self._run(f"CREATE VIEW {name} AS {query}")

    def create(self, name: str, query: str) -> None:
        self._run(f"CREATE TABLE {name} AS {query}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return list(self._run(query).fetchall())

    def write(
        self, query: str, groups: Sequence[str], order: Sequence[str], writer: GroupWriter
    ) -> list[dict[str, Any]]:
        folder = self.folder / "groups"
        with full_disk(self.folder):
            found = split(self.database.sql(query).to_arrow_reader(BATCH_ROWS), groups, folder)
            tasks = [(tuple(order), writer, group) for group in found]
            small = sum(group.path.stat().st_size for group in found) < SMALL
            results = dict(map(write_group, tasks) if small else self.map(write_group, tasks))
        shutil.rmtree(folder)
        return [results[group.key] for group in found]

    def _run(self, query: str) -> Any:
        with full_disk(self.folder):
            return self.database.execute(query)

    def close(self) -> None:
        self.database.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def write_group(task: tuple[Sequence[str], GroupWriter, Group]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Has a function write a group; returns its key and what the function says."""
    order, writer, group = task
    found = writer(group.key, in_order(group, order))
    group.path.unlink()
    return group.key, found


def connect(folder: Path, memory: str, threads: int) -> "DuckDBPyConnection":
    """A database of DuckDB in a folder, which is emptied, and in which it puts what does not fit into memory."""
    import duckdb

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    database = duckdb.connect(str(folder / "tables.duckdb"))
    for name, value in (("temp_directory", str(folder)), ("memory_limit", memory)):
        database.execute(f"SET {name} = {quoted(value)}")
    database.execute(f"SET threads = {threads}")
    database.execute("SET enable_progress_bar = false")
    return database


def parquet(paths: Sequence[Path]) -> str:
    """Parquet files of one schema in DuckDB's SQL."""
    return f"read_parquet([{', '.join(quoted(str(path)) for path in paths)}])"


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """An error is the system's own one, in whatever language an engine says that there is no space left."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError) and os.strerror(errno.ENOSPC) in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from None
        raise


def end_with(parent: int) -> None:
    """Has a worker end with the process that started it, even if that is killed; and leaves Ctrl-C to it."""
    import signal

    from litmus.sweeps.orphan import kill_with

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kill_with(parent, signal.SIGKILL)


def quoted(value: str) -> str:
    """A text in SQL."""
    return "'" + value.replace("'", "''") + "'"


def double(value: float) -> str:
    """A number in SQL, to its last bit."""
    return f"CAST('{float(value)!r}' AS DOUBLE)"
