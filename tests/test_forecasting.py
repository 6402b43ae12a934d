"""Forecasting: where the windows lie, what they are standardised by, and the scores on them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import on_cpu
from fakes import fake, write_csv
from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning import Trainer
from torch import Tensor, nn

from litmus.build import build_data, build_module
from litmus.data.series.ett import Ett
from litmus.data.series.forecast_data import ForecastData, Windows
from litmus.tasks.forecasting import Forecasting
from litmus.trust import check

Compose = Callable[..., DictConfig]


def own(composed: Compose, root: Path, rows: Sequence[Sequence[object]], *overrides: str) -> DictConfig:
    """A table of the user's own, of which 4 steps are seen and 2 forecast."""
    write_csv(root / "own.csv", [("date", "x", "y"), *rows])
    return composed(
        "data=series_file",
        f"data.path={root}/own.csv",
        "data.length=4",
        "data.horizon=2",
        "data.batch_size=3",
        *overrides,
    )


def counted(rows: int = 40) -> list[tuple[object, ...]]:
    """x is the number of the row, y a thousand more."""
    return [(f"day {row}", row, 1000 + row) for row in range(rows)]


def set_up(config: DictConfig) -> ForecastData:
    check(config.data, "data")
    data: ForecastData = on_cpu(instantiate(config.data, _convert_="all"))
    return data


def everything(part: Windows) -> tuple[Tensor, Tensor]:
    return part[torch.arange(len(part))]


def test_ett_has_the_windows_of_the_benchmark(composed: Compose, tmp_path: Path) -> None:
    columns = ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]
    write_csv(tmp_path / "ett" / "ETTh1.csv", [columns, *([row] * 7 for row in range(17420))])
    data = set_up(composed("data=etth1", f"data.root={tmp_path}", "data.source.sha256=null"))
    assert data.train_set is not None
    assert (len(data.train_set), len(data.val_set), len(data.test_set)) == (8209, 2785, 2785)
    seen, following = everything(data.test_set)
    assert seen.shape == (2785, 336, 7) and following.shape == (2785, 96, 7)
    assert seen[0, [0, -1], 0].tolist() == [11520 - 336, 11519] and following[[0, -1], [0, -1], 0].tolist() == [
        11520,
        14399,
    ]
    quarters = composed("data=ettm2", f"data.root={tmp_path}").data
    assert (quarters.train, quarters.validation, quarters.test) == (34560, 11520, 11520)
    assert quarters.source.file == "ett/ETTm2.csv" and quarters.source.url.endswith("ETTm2.csv")


def test_what_follows_is_what_comes_next_and_parts_share_no_horizon(composed: Compose, tmp_path: Path) -> None:
    data = set_up(own(composed, tmp_path, counted()))
    assert data.train_set is not None
    horizons = []
    for part, first, last in ((data.train_set, 4, 27), (data.val_set, 28, 31), (data.test_set, 32, 39)):
        seen, following = everything(part)
        rows = torch.cat([seen, following], 1)
        assert (rows.diff(dim=1) == 1).all() and (rows[..., 1] - rows[..., 0] == 1000).all()
        horizons.append(set(following[..., 0].flatten().int().tolist()))
        assert horizons[-1] == set(range(first, last + 1)) and len(part) == last - first
    assert not set.intersection(*horizons)


def test_no_window_is_copied(composed: Compose, tmp_path: Path) -> None:
    data = set_up(own(composed, tmp_path, counted()))
    assert data.train_set is not None
    assert data.train_set.series.shape == (40, 2)
    assert data.train_set.series.data_ptr() == data.val_set.series.data_ptr() == data.test_set.series.data_ptr()


def test_training_windows_are_shuffled_by_the_epoch_and_the_others_come_in_order(
    composed: Compose, tmp_path: Path
) -> None:
    data = set_up(own(composed, tmp_path, counted()))

    def firsts(loader: Any) -> list[int]:
        assert data.scale is not None
        return [round(float(row)) for seen, _ in loader for row in data.scale.undo(seen)[:, 0, 0]]

    train = firsts(data.train_dataloader())
    assert len(set(train)) == len(train) == 21 and train != sorted(train)
    assert firsts(data.train_dataloader()) == train
    assert firsts(data.test_dataloader()) == list(range(28, 35))


def test_the_scale_is_that_of_the_training_rows(composed: Compose, tmp_path: Path) -> None:
    data = set_up(own(composed, tmp_path, counted()))
    assert data.scale is not None
    torch.testing.assert_close(data.scale.mean, torch.tensor([13.5, 1013.5]))
    torch.testing.assert_close(data.scale.std, torch.full((2,), float(np.std(np.arange(28)))))
    seen, following = next(iter(data.val_dataloader()))
    raw, next_raw = data.val_set[torch.arange(3)]
    torch.testing.assert_close(seen, data.scale(raw))
    torch.testing.assert_close(following, data.scale(next_raw))


def test_another_table_is_tested_on_with_the_scale_of_the_run(composed: Compose, tmp_path: Path) -> None:
    state = set_up(own(composed, tmp_path, counted())).state_dict()
    config = own(composed, tmp_path, [(day, 10 * x, y) for day, x, y in counted()])  # type: ignore[operator]
    data: ForecastData = instantiate(config.data, _convert_="all")
    data.load_state_dict(state)
    on_cpu(data, "test")
    assert torch.equal(data.state_dict()["mean"], state["mean"])


def test_rows_and_shares_are_both_understood(composed: Compose, tmp_path: Path) -> None:
    rows = set_up(own(composed, tmp_path, counted(), "data.train=28", "data.validation=4", "data.test=8"))
    shares = set_up(own(composed, tmp_path, counted()))
    assert rows.train_set is not None and shares.train_set is not None
    assert [len(rows.train_set), len(rows.test_set)] == [len(shares.train_set), len(shares.test_set)] == [23, 7]
    fewer = set_up(own(composed, tmp_path, counted(), "data.train_size=5"))
    assert fewer.train_set is not None and len(fewer.train_set) == 5 and len(fewer.val_set) == len(shares.val_set)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data.train=39"], r"data.train, validation and test are \[39, 4, 8\] rows, and there are 40"),
        (["data.train=5"], "data.train=5 is 5 rows, too few for a window: it takes 6"),
        (["data.test=0.01"], "data.test=0.01 is 0 rows, too few for a window: it takes 2"),
        (["data.train=1.5"], "data.train=1.5 is neither a number of rows nor a share"),
        (["data.horizon=0"], "data.length=4 and data.horizon=0 are steps, at least 1"),
        (["data.channels=3"], "data.columns names 2 columns and data.channels is 3"),
        (["data.columns=[z]"], "own.csv has no column z: there is date, x, y"),
        (["data.columns=[date]"], "own.csv:2: date is 'day 0', not a number"),
    ],
)
def test_a_series_that_does_not_match_is_refused(
    composed: Compose, tmp_path: Path, overrides: list[str], sentence: str
) -> None:
    with pytest.raises(Exception, match=sentence):
        set_up(own(composed, tmp_path, counted(), *overrides))


def test_a_gap_is_named_or_filled_within_its_part(composed: Compose, tmp_path: Path) -> None:
    rows: list[Any] = counted()
    rows[2], rows[27], rows[28] = ("day 2", "", 1002), ("day 27", "", 1027), ("day 28", "nan", 1028)
    with pytest.raises(ValueError, match=r"data row 3: x is nan: .*data.missing=interpolate"):
        set_up(own(composed, tmp_path, rows))
    data = set_up(own(composed, tmp_path, rows, "data.missing=interpolate"))
    assert data.train_set is not None
    assert data.train_set.series[[2, 27, 28], 0].tolist() == [2, 26, 29]


def test_the_last_steps_of_a_table_are_an_example(composed: Compose, tmp_path: Path) -> None:
    data = set_up(own(composed, tmp_path, counted()))
    write_csv(tmp_path / "new.csv", [("y", "x"), *((row, -row) for row in range(9))])
    ((name, seen),) = data.examples(tmp_path / "new.csv")
    assert name == f"{tmp_path}/new.csv row 9"
    torch.testing.assert_close(seen[:, 0], torch.tensor([-5.0, -6, -7, -8]))
    write_csv(tmp_path / "new.csv", [("y", "x"), (1, 2)])
    with pytest.raises(ValueError, match=r"new.csv has 1 rows, and this network sees 4"):
        list(data.examples(tmp_path / "new.csv"))


def test_a_file_that_is_not_the_published_one_is_refused(composed: Compose, tmp_path: Path) -> None:
    fake(composed, tmp_path, "etth1")
    source: Ett = instantiate(composed("data=etth1").data.source)
    with pytest.raises(ValueError, match=r"ETTh1.csv is not the published file: its SHA-256 differs"):
        source.load(tmp_path)


class LastValue(nn.Module):
    """Forecasts that nothing changes, plus a learned constant."""

    def __init__(self, horizon: int) -> None:
        super().__init__()
        self.horizon, self.more = horizon, nn.Parameter(torch.zeros(1))

    def forward(self, series: Tensor) -> Tensor:
        return (series[:, -1:].expand(-1, self.horizon, -1) + self.more).flatten(1)


def test_scores_are_those_of_all_windows_on_standardised_values(composed: Compose, tmp_path: Path) -> None:
    config = own(composed, tmp_path, [(day, np.sin(x), x) for day, x, _ in counted()])  # type: ignore[call-overload]
    data = set_up(config)
    module = Forecasting(LastValue(2), instantiate(config.optimizer), instantiate(config.schedule), 2, 2)
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.test(module, data, verbose=False)
    assert data.scale is not None
    seen, following = (data.scale(part) for part in everything(data.test_set))
    error = seen[:, -1:] - following
    assert trainer.callback_metrics["test/mse"] == pytest.approx(error.square().mean().item(), rel=1e-5)
    assert trainer.callback_metrics["test/mae"] == pytest.approx(error.abs().mean().item(), rel=1e-5)
    assert trainer.callback_metrics["test/loss"] == pytest.approx(error.square().mean().item(), rel=1e-5)


def test_a_forecast_is_told_step_by_step_in_the_units_of_the_series(composed: Compose, tmp_path: Path) -> None:
    config = own(composed, tmp_path, counted())
    data = set_up(config)
    module = Forecasting(LastValue(2), instantiate(config.optimizer), instantiate(config.schedule), 2, 2)
    ((_, seen),) = data.examples(tmp_path / "own.csv")
    forecast = module(data.batch([seen]))
    assert forecast.shape == (1, 2, 2)
    assert module.columns(data) == ["step", "x", "y"]
    assert module.rows(forecast[0].detach(), data) == [[1, 39, 1039], [2, 39, 1039]]


def test_a_linear_model_learns_waves(composed: Compose, tmp_path: Path) -> None:
    config = fake(composed, tmp_path, "etth1", "model=dlinear", "schedule=constant", "optimizer.lr=0.01")
    torch.manual_seed(0)
    data, module = build_data(config), build_module(config)
    trainer = Trainer(
        accelerator="cpu", max_epochs=5, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(module, data)
    assert trainer.callback_metrics["val/mse"] < 0.2  # of 1
