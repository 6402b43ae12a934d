"""From configuration to objects: data, module and trainer of a run."""

import logging
import os
import warnings
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from litmus import launch
from litmus.run import Run, in_sweep
from litmus.trust import check

MOST_THREADS = 1024  # OpenMP ends the process where there is no memory for them


def build(run: Run) -> tuple[Any, Any, Any]:
    """Data, module and trainer of a run, after everything is seeded."""
    import torch
    from pytorch_lightning import seed_everything

    from litmus.callbacks.record import Record
    from litmus.callbacks.resume import Resume
    from litmus.callbacks.watch import Watch
    from litmus.loggers.csv import MetricsFile

    quieten_lightning()
    config = run.config
    _check_trainer(config)
    seed_everything(config.seed, verbose=False)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
        os.environ["OMP_NUM_THREADS"] = str(config.threads)  # or Lightning shares the cores out over its processes
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")
    loggers = _instantiate_all(config, "logger")
    try:
        data, module = build_data(config), build_module(config)
    except Exception:
        if "sweep" in run.record or in_sweep():  # W&B has every trial, also one that can't be built
            for logger in loggers:
                logger.log_hyperparams(OmegaConf.to_container(config))
        raise
    if config.compile:
        module.net.compile()  # in place: names of weights stay, so checkpoints load with and without
    callbacks = _instantiate_all(config, "callbacks")
    always, ours = MetricsFile(run.folder / "metrics.csv"), [Record(run), Resume(), Watch(run)]
    trainer = _instantiate(config, "trainer", callbacks=[*ours, *callbacks], logger=[always, *loggers])
    launch.check_world(trainer.world_size)
    trainer._signal_connector.register_signal_handlers = leave_signals_to_us
    run.save_config()
    return data, module, trainer


def build_data(config: DictConfig) -> Any:
    """The LightningDataModule of a run."""
    return _instantiate(config, "data")


def build_module(config: DictConfig) -> Any:
    """The LightningModule of a run: the task around its network, optimizer and schedule."""
    import torch

    from litmus.blocks import recompute
    from litmus.rate import scaled_rate

    for part in ("model", "optimizer", "schedule"):
        _check(config, part)
    optimizer = config.optimizer
    if config.lr_scaling.rule is not None:
        optimizer = OmegaConf.merge(optimizer, {"lr": scaled_rate(config)})
    module = _instantiate(config, "task", net=config.model, optimizer=optimizer, schedule=config.schedule)
    if config.activation_checkpointing:
        recompute(module.net, str(config.model._target_))
    return module.to(memory_format=torch.channels_last)


def _instantiate_all(config: DictConfig, group: str) -> list[Any]:
    """Everything in a group that is not switched off with null."""
    named: DictConfig = config[group]
    return [_instantiate(named, str(name), group) for name in named or () if named[name] is not None]


def _instantiate(config: DictConfig, name: str, group: str = "", **more: Any) -> Any:
    import hydra.utils

    _check(config, name, group)
    return hydra.utils.instantiate(config[name], **more, _convert_="all")


def _check(config: DictConfig, name: str, group: str = "") -> None:
    key = f"{group}.{name}" if group else name
    if not (isinstance(config[name], DictConfig) and "_target_" in config[name]):
        where = f"conf/{group or name}"
        raise ValueError(f"{key}={config[name]} can't be built: give a _target_, as the files of {where} do")
    check(config[name], key)


def _check_trainer(config: DictConfig) -> None:
    """What Lightning would find out late, or not at all."""
    import torch

    _check(config, "trainer")
    trainer, precision = config.trainer, str(config.trainer.precision)
    has_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    if config.threads is not None and not 1 <= config.threads <= MOST_THREADS:
        raise ValueError(f"threads={config.threads} is not from 1 to {MOST_THREADS}; null leaves it to torch")
    for name in ("accumulate_grad_batches", "check_val_every_n_epoch", "val_check_interval"):
        if isinstance(trainer[name], int | float) and trainer[name] <= 0:
            raise ValueError(f"trainer.{name}={trainer[name]} is not above 0")
    if "AtomicCheckpointIO" not in str(trainer.plugins):
        raise ValueError("trainer.plugins lacks litmus.checkpoint.AtomicCheckpointIO, which writes checkpoints: add it")
    if trainer.accelerator == "gpu" and not has_gpu:
        raise ValueError("trainer.accelerator=gpu, and torch finds no GPU here: trainer=cpu or trainer=default does")
    is_cuda = trainer.accelerator != "cpu" and torch.cuda.is_available()
    if trainer.sync_batchnorm and trainer.devices != 1 and not is_cuda:
        raise ValueError("trainer.sync_batchnorm=true, and torch has it on CUDA GPUs only: leave it false")
    if "Sharded" in str(trainer.strategy) and OmegaConf.select(config, "callbacks.ema"):
        raise ValueError("callbacks.ema keeps a whole network, and trainer=fsdp shards it: take trainer=ddp, or no ema")
    on_cpu = trainer.accelerator == "cpu" or not has_gpu
    half = precision.startswith("bf16") or precision in ("16", "16-mixed")  # on a CPU the latter is bf16, too
    if not on_cpu and precision in ("16", "16-mixed") and OmegaConf.select(config, "callbacks.finite.skip"):
        raise ValueError(
            f"callbacks.finite.skip and trainer.precision={precision} can't be had together: the scaler of its losses "
            "leaves out steps that are not finite by itself"
        )
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


def leave_signals_to_us() -> None:
    """In place of Lightning 2.6's handlers, which wait for the other ranks inside a signal handler, and hang."""


def quieten_lightning() -> None:
    """Leaves out its chatter about devices, and warnings that no user can do anything about."""
    logging.getLogger("lightning_fabric.utilities.distributed").setLevel(logging.WARNING)
    for chatty in ("utilities.rank_zero", "trainer.connectors.signal_connector"):
        logging.getLogger(f"pytorch_lightning.{chatty}").setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*",  # Lightning's use of torch, nothing to do with the user
        ".*smaller than the logging interval.*",  # the end of an epoch is always logged
        ".*sync_dist=True.*",  # torchmetrics' values are the same on all ranks
        ".*Total length of `list` across ranks is zero.*",  # nothing is held out
        ".*does not have many workers.*",  # data in memory need none
        ".*your dataloader is not resumable.*",  # callbacks/resume.py does that
        ".*`srun` command is available.*",  # wherever Slurm is installed, in a job of one task and outside of jobs
    ):
        warnings.filterwarnings("ignore", message)
