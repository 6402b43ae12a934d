"""Every file of conf/, found by looking: it composes, and what it describes can be built."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fakes import available, fake
from hydra.utils import instantiate
from omegaconf import DictConfig

from litmus.build import build_module
from litmus.command import first_comment, help_text
from litmus.config import NOT_OF_A_RUN
from litmus.trust import check

CONF = Path(__file__).parents[1] / "conf"
GROUPS = (
    "callbacks", "data", "experiment", "logger", "model", "optimizer", "schedule", "stem", "task", "tokenizer",
    "sweep", "trainer",
)  # fmt: skip
ELSEWHERE = ("model", "stem", "sweep")  # built by tests/test_pairs.py with every data set, and by tests/test_search.py
FITTING = {  # a data set and a model for each task
    "classification": ("digits", "cnn"),
    "regression": ("table", "mlp"),
    "forecasting": ("series_file", "lstm"),
    "language_modelling": ("ptb", "gpt"),
}
CHECKPOINT = {"pretrained": ["tokenizer.checkpoint=somewhere"]}
FILES = sorted((group, path.stem) for group in GROUPS for path in (CONF / group).glob("*.yaml"))
NEEDS_EXTRA = {"tensorboard": "tensorboard"}
Compose = Callable[..., DictConfig]


def test_every_folder_of_conf_is_looked_at() -> None:
    assert {path.name for path in CONF.iterdir() if path.is_dir()} == {*GROUPS, *NOT_OF_A_RUN}
    assert len(FILES) >= 30


def test_help_names_every_choice_with_the_line_that_its_file_opens_with() -> None:
    text = help_text()
    for group, name in FILES:
        comment = first_comment(CONF / group / f"{name}.yaml")
        assert len(comment) > 10 and any(line.split()[:1] == [name] and comment in line for line in text.splitlines())


@pytest.mark.parametrize(("group", "name"), [file for file in FILES if file[0] not in ELSEWHERE])
def test_what_a_file_describes_can_be_built(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, name: str
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    if name in NEEDS_EXTRA:
        pytest.importorskip(NEEDS_EXTRA[name])
    if group == "data":
        config = fake(composed, tmp_path, name)
    elif group in ("callbacks", "logger"):
        (tmp_path / "vectors.txt").write_text("the 1 2 3\n")
        given = [f"callbacks.word_vectors.path={tmp_path}/vectors.txt"] if name == "word_vectors" else []
        config = composed(f"{group}=[{name}]", *given)
    elif group == "task":
        data, model = FITTING[name]
        if not available(f"data={data}", f"model={model}"):
            pytest.skip("this project has no data for it")
        config = fake(composed, tmp_path, data, f"task={name}", f"model={model}")
    elif group == "tokenizer":
        config = fake(composed, tmp_path, "text_files", "model=lstm", f"tokenizer={name}", *CHECKPOINT.get(name, ()))
    else:
        config = composed(f"{group}={name}")
    config.run_dir = str(tmp_path)
    if group in ("callbacks", "logger"):
        for key in config[group]:
            check(config[group][key], f"{group}.{key}")
            instantiate(config[group][key], _convert_="all")
    elif group in ("data", "tokenizer", "trainer"):
        check(config[group], group)
        if name != "gpu" or torch.cuda.is_available():
            instantiate(config[group], _convert_="all")
    else:
        assert build_module(config).configure_optimizers is not None


@pytest.mark.parametrize("schedule", [name for group, name in FILES if group == "schedule"])
@pytest.mark.parametrize("optimizer", [name for group, name in FILES if group == "optimizer"])
def test_every_optimizer_follows_every_schedule(composed: Compose, optimizer: str, schedule: str) -> None:
    config = composed(f"optimizer={optimizer}", f"schedule={schedule}")
    module = build_module(config)
    module.trainer = FiniteTrainer()
    parts = module.configure_optimizers()
    rates = []
    for _ in range(100):
        rates.append(parts["optimizer"].param_groups[0]["lr"])
        parts["optimizer"].step()
        parts["lr_scheduler"]["scheduler"].step()
    assert max(rates) == pytest.approx(config.optimizer.lr, rel=0.05) and min(rates) > 0


class FiniteTrainer:
    estimated_stepping_batches = 100
