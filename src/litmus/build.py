"""From configuration to objects: data, module and trainer of a run."""

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from litmus.run import Run
from litmus.trust import check


def build(run: Run) -> tuple[Any, Any, Any]:
    """Data, module and trainer of a run, after everything is seeded."""
    import torch
    from pytorch_lightning import seed_everything

    from litmus.callbacks.record import Record
    from litmus.loggers.csv import MetricsFile

    quieten_lightning()
    config = run.config
    _check_devices(config)
    seed_everything(config.seed, verbose=False)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")
    data, module = build_data(config), build_module(config)
    callbacks = [_instantiate(config.callbacks, name, "callbacks") for name in config.callbacks]
    loggers = [_instantiate(config.logger, name, "logger") for name in config.logger]
    always = MetricsFile(run.folder / "metrics.csv")
    trainer = _instantiate(config, "trainer", callbacks=[Record(run), *callbacks], logger=[always, *loggers])
    run.save_config()
    return data, module, trainer


def build_data(config: DictConfig) -> Any:
    """The LightningDataModule of a run."""
    return _instantiate(config, "data")


def build_module(config: DictConfig) -> Any:
    """The LightningModule of a run: the task around its network, optimizer and schedule."""
    import torch

    for part in ("model", "optimizer", "schedule"):
        check(config[part], part)
    module = _instantiate(config, "task", net=config.model, optimizer=config.optimizer, schedule=config.schedule)
    return module.to(memory_format=torch.channels_last)


def _instantiate(config: DictConfig, name: str, group: str = "", **more: Any) -> Any:
    import hydra.utils

    check(config[name], f"{group}.{name}" if group else name)
    return hydra.utils.instantiate(config[name], **more, _convert_="all")


def _check_devices(config: DictConfig) -> None:
    """What Lightning would find out late, or not at all."""
    import torch

    trainer, precision = config.trainer, str(config.trainer.precision)
    has_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    if config.threads is not None and config.threads < 1:
        raise ValueError(f"threads={config.threads} is not at least 1; null leaves it to torch")
    if trainer.accelerator == "gpu" and not has_gpu:
        raise ValueError("trainer.accelerator=gpu, and torch finds no GPU here: trainer=cpu or trainer=default does")
    on_cpu = trainer.accelerator == "cpu" or not has_gpu
    half = precision.startswith("bf16") or precision in ("16", "16-mixed")  # on a CPU the latter is bf16, too
    if on_cpu and half and not has_bf16_units(torch.cpu.get_capabilities()):
        raise ValueError(
            f"trainer.precision={precision} is 10 to 50 times slower than 32-true on this CPU, which has no bf16 "
            "units: take trainer.precision=32-true, or a GPU"
        )
    if not on_cpu and precision in ("16", "16-mixed") and trainer.gradient_clip_val and config.optimizer.fused:
        raise ValueError(
            f"trainer.precision={precision} and trainer.gradient_clip_val can't be had with a fused optimizer: add "
            "optimizer.fused=false, or take trainer.precision=bf16-mixed"
        )


def has_bf16_units(capabilities: Mapping[str, Any]) -> bool:
    """Whether a CPU multiplies in bf16, by torch.cpu.get_capabilities(); only of x86 is it known that some do not."""
    if capabilities.get("architecture") != "x86_64":
        return True
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def quieten_lightning() -> None:
    """Leaves out its chatter about devices, and warnings that no user can do anything about."""
    for chatty in ("utilities.rank_zero", "trainer.connectors.signal_connector"):
        logging.getLogger(f"pytorch_lightning.{chatty}").setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*",  # Lightning's use of torch, nothing to do with the user
        ".*smaller than the logging interval.*",  # the end of an epoch is always logged
        ".*sync_dist=True.*",  # torchmetrics' values are the same on all ranks
        ".*does not have many workers.*",  # data in memory need none
        ".*checkpoints exists and is not empty.*",  # a run that goes on
    ):
        warnings.filterwarnings("ignore", message)
