"""metrics.csv: every logged scalar, one a row, only ever appended to."""

import csv
import io
import os
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from litmus.folder import read_metrics, write_whole

COLUMNS = ("step", "epoch", "metric", "value")


class MetricsFile(Logger):
    """Long form: `pandas.read_csv(path).pivot_table(index="step", columns="metric", values="value")` makes it wide.

    A resumed run first drops the rows from the step at which it goes on, so that no step stands there twice.

    Args:
        path: The file; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.start: int | None = None  # where a run goes on; None: with what is logged first
        self.checked = False

    @property
    def name(self) -> str:
        return "csv"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """They stand in config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if not self.checked:
            first = step or 0
            self._drop_from(first if self.start is None else min(first, self.start))
            self.checked = True
        values = dict(metrics)
        epoch = int(values.pop("epoch", 0))
        with open(self.path, "a", newline="") as file:
            csv.writer(file).writerows((step, epoch, name, repr(float(value))) for name, value in values.items())

    def go_on_from(self, step: int) -> None:
        """What stands there from this step on will come again."""
        self.start = step

    @rank_zero_only
    def save(self) -> None:
        """Has the disk hold what a checkpoint, which is about to be written, will not repeat."""
        if self.path.exists():
            with open(self.path, "a") as file:
                os.fsync(file.fileno())

    def _drop_from(self, step: int) -> None:
        kept = io.StringIO(newline="")
        writer = csv.DictWriter(kept, COLUMNS)
        writer.writeheader()
        writer.writerows(row for row in read_metrics(self.path) if int(row["step"]) < step)
        write_whole(self.path, kept.getvalue())
