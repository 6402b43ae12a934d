"""Spark: the same steps on a cluster, or on this machine where nobody says otherwise."""

import os
import pickle
import re
import shutil
import socket
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from litmus.prepare.engine import R, T, full_disk
from litmus.prepare.groups import BATCH_ROWS, GroupWriter, each_group
from litmus.provenance import cores

SQL = {  # what makes a query mean what it means to DuckDB; and batches that fit into memory
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
    "spark.sql.parquet.columnarReaderBatchSize": "512",
}
LEAST = 512  # megabytes that a driver starts with
UNITS = {f"{letter}{i}B": (1024 if i else 1000) ** power for power, letter in enumerate("KMGT", 1) for i in ("", "i")}


class Spark:
    """The session that is there, or the master of spark-submit, MASTER or spark-defaults.conf, or this machine.

    Args:
        folder: For tables, and pairs of texts; it is emptied. All machines must see it, and the result beside it, under
            the same path.
        memory: Such as 1GB, for the driver; what the executors may take is Spark's own setting.
        workers: Cores, if Spark runs on this machine; None for all.
    """

    def __init__(self, folder: Path, memory: str, workers: int | None) -> None:
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.session, self.own = _session(folder, memory, workers)
        for name, value in SQL.items():
            self.session.conf.set(name, value)

    def map(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        """A job a task, so that results and errors come as soon as they are there."""
        context, folder = self.session.sparkContext, str(self.folder)

        def run(task: T) -> bytes:
            with full_disk(self.folder):
                rdd = context.parallelize([task], 1).map(lambda each: carried(folder, lambda: function(each)))
                return bytes(rdd.collect()[0])

        remaining = iter(tasks)
        with ThreadPoolExecutor(max(1, len(tasks))) as pool:
            running: set[Any] = set()
            try:
                while True:
                    free = max(0, 2 * context.defaultParallelism - len(running))
                    running |= {pool.submit(run, task) for task in islice(remaining, free)}
                    if not running:
                        return
                    done = next(as_completed(running))
                    running.remove(done)
                    yield unpacked(done.result())
            finally:
                pool.shutdown(cancel_futures=True)

    def read(self, name: str, paths: Sequence[Path]) -> None:
        with full_disk(self.folder):
            self.session.read.parquet(*map(address, paths)).createOrReplaceTempView(name)

    def view(self, name: str, query: str) -> None:
        self.session.sql(query).createOrReplaceTempView(name)

    def create(self, name: str, query: str) -> None:
        path = self.folder / "tables" / name
        with full_disk(self.folder):
            self.session.sql(query).write.mode("overwrite").parquet(f"file://{path}")
        self.read(name, [path])

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with full_disk(self.folder):
            return [tuple(row) for row in self.session.sql(query).collect()]

    def write(
        self, query: str, groups: Sequence[str], order: Sequence[str], writer: GroupWriter
    ) -> list[dict[str, Any]]:
        folder = str(self.folder)
        with full_disk(self.folder):
            rows = self.session.sql(query).repartition(*groups).sortWithinPartitions(*groups, *order)
            parts = rows.mapInArrow(lambda batches: written(folder, groups, writer, batches), "found binary").collect()
        found = [item for part in parts for item in unpacked(bytes(part.found))]
        return [item["result"] for item in sorted(found, key=lambda item: item["group"])]

    def close(self) -> None:
        if self.own:
            self.session.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def carried(folder: str, function: Callable[[], Any]) -> bytes:
    """On a worker: a result, or the error, which is the same one on the driver and is not tried again."""
    try:
        if not Path(folder).is_dir():
            raise ValueError(
                f"{socket.gethostname()} does not see {folder}: engine=spark needs the sources and the output in a "
                "folder that all machines share, under the same path"
            )
        return pickle.dumps((function(), None))
    except Exception as error:
        return pickle.dumps((None, error))


def written(
    folder: str, groups: Sequence[str], writer: GroupWriter, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """On a worker: one row, which carries a list of groups and their results."""

    def of_group(group: tuple[Any, ...], rows: Iterator[pa.RecordBatch]) -> dict[str, Any]:
        return {"group": group, "result": writer(group, rows)}

    found = carried(folder, lambda: list(each_group(batches, groups, of_group)))
    for _ in batches:  # Spark waits until all is taken, after an error too
        pass
    yield pa.RecordBatch.from_pydict({"found": pa.array([found], pa.binary())})


def unpacked(content: bytes) -> Any:
    """What was carried."""
    result, error = pickle.loads(content)
    if error is not None:
        raise error
    return result


def address(path: Path) -> str:
    """A path on a file system that is mounted, whatever Spark's default is; its brackets are no globs."""
    return "file://" + re.sub(r"([\\{}\[\]*?])", r"\\\1", str(path))


def _session(folder: Path, memory: str, workers: int | None) -> tuple[Any, bool]:
    """A session of its own, and whether Spark was started for it."""
    try:
        from pyspark import SparkConf, SparkContext, java_gateway
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ValueError("engine=spark needs PySpark: pip install 'litmus[spark]'") from error
    if found := SparkSession.getActiveSession():
        return found.newSession(), False
    conf = SparkConf().setAppName("litmus prepare").set("spark.driver.memory", f"{_megabytes(memory)}m")
    conf.set("spark.log.level", "ERROR").set("spark.ui.showConsoleProgress", "false")
    if not is_told_where():
        many = workers or cores()
        conf.setMaster(f"local[{many}]").set("spark.ui.enabled", "false").set("spark.local.dir", str(folder / "local"))
        conf.set("spark.driver.bindAddress", "127.0.0.1").set("spark.driver.host", "127.0.0.1")
        conf.set("spark.sql.shuffle.partitions", str(4 * many))
    conf.set("spark.sql.warehouse.dir", str(folder / "warehouse"))
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if "PYSPARK_GATEWAY_PORT" not in os.environ and not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise ValueError("engine=spark needs Java 17 or newer: install it, or set JAVA_HOME")
    launch: Any = java_gateway.launch_gateway
    log = folder / "spark.log"
    try:
        with log.open("w") as stderr:
            gateway = None if SparkContext._gateway else launch(conf, {"stderr": stderr})
            return SparkSession(SparkContext(conf=conf, gateway=gateway)), True
    except Exception as error:
        said = [line for line in log.read_text().splitlines() if "Error" in line or "Exception" in line]
        raise ValueError(f"Spark, which needs Java 17 or newer, did not start: {(said or [str(error)])[0]}") from error


def is_told_where() -> bool:
    """Whether spark-submit, MASTER or spark-defaults.conf say on which machines Spark runs."""
    if {"PYSPARK_GATEWAY_PORT", "MASTER"} & os.environ.keys() or "--master" in os.environ.get(
        "PYSPARK_SUBMIT_ARGS", ""
    ):
        return True
    home = os.environ.get("SPARK_HOME")
    folder = os.environ.get("SPARK_CONF_DIR") or (home and f"{home}/conf")
    defaults = Path(folder or "", "spark-defaults.conf")
    return bool(folder) and defaults.exists() and bool(re.search(r"(?m)^\s*spark\.master\b", defaults.read_text()))


def _megabytes(memory: str) -> int:
    number, unit = re.findall(r"[\d.]+|[A-Za-z]+", memory)
    found = int(float(number) * UNITS[unit] / 2**20)
    if found < LEAST:
        raise ValueError(f"memory={memory}: a driver of engine=spark needs {LEAST}MiB at least")
    return found
