"""The user's own long series: a table with a row a step."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litmus.data.series.forecast_data import ForecastData
from litmus.data.series.numbers import read_numbers


def forecast_data(path: str, columns: Sequence[str], **forecasts: Any) -> ForecastData:
    """A table as a series to forecast.

    Args:
        columns: Its channels.
        forecasts: The other arguments of `ForecastData`.
    """
    return ForecastData(source=SeriesFile(path, columns), columns=columns, **forecasts)


class SeriesFile:
    """Numbers in named columns."""

    def __init__(self, path: str, columns: Sequence[str]) -> None:
        self.path, self.columns = Path(path), list(columns)

    def prepare(self, root: Path) -> None:
        """Nothing to do: the table is the user's own."""

    def load(self, root: Path) -> NDArray[np.float32]:
        """The series [rows, columns]."""
        return read_numbers(self.path, self.columns, gaps=True)
