"""Fully sharded data parallel training (Zhao et al. 2023) with torch's `fully_shard`, which works on CPUs, too: each
rank keeps some rows of every weight, of its gradient and of its state in the optimizer, and writes them itself."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from lightning_fabric.utilities.optimizer import _optimizers_to_device
from pytorch_lightning import Trainer
from pytorch_lightning.overrides.distributed import _sync_module_states
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.trainer.states import TrainerFn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from litmus.blocks import blocks
from litmus.checkpoint import OLD, SHARD, read_shard, remove, shard_name
from litmus.folder import beside, flush
from litmus.ranks import gather


class Sharded(DDPStrategy):
    """Shards every block of the network by itself, so that no more than one is whole at a time, and then the rest.

    A checkpoint is a folder with a file of each rank. Statistics of normalisation are rank 0's, as under DDP.
    """

    strategy_name = "fsdp"

    @property
    def restore_checkpoint_after_setup(self) -> bool:
        return True

    def setup(self, trainer: Trainer) -> None:
        module: Any = self.lightning_module
        assert self.accelerator is not None and module is not None
        self.accelerator.setup(trainer)
        is_fitting = trainer.state.fn == TrainerFn.FITTING
        if is_fitting and self._layer_sync:
            self._layer_sync.apply(module)
        self.precision_plugin.convert_module(module)
        if not isinstance(module.net, FSDPModule):
            self.model_to_device()
            module.to(memory_format=torch.contiguous_format)  # it shards no other
            _sync_module_states(module)
            mesh = init_device_mesh(self.root_device.type, (self.world_size,))
            for part in (*blocks(module.net), module.net):
                fully_shard(part, mesh=mesh)
        if is_fitting:
            self.setup_optimizers(trainer)
        self.setup_precision_plugin()
        if is_fitting:
            _optimizers_to_device(self.optimizers, self.root_device)

    def on_validation_start(self) -> None:
        self._share_buffers()

    def on_test_start(self) -> None:
        self._share_buffers()

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any | None = None
    ) -> None:
        """All shards, or an error on every rank and the checkpoint as it was."""
        path = Path(filepath)
        partial = beside(path)
        if self.is_global_zero:
            remove(partial)
            partial.mkdir(parents=True)
        self.barrier()
        error: OSError | None = None
        try:
            name = shard_name(self.global_rank, self.world_size)
            self.checkpoint_io.save_checkpoint(_packed(checkpoint), partial / name)
        except OSError as failure:
            error = failure
        failures = gather(str(error) if error else None)
        if any(failures):
            if self.is_global_zero:
                remove(partial)
            raise error or OSError(next(filter(None, failures)))
        if self.is_global_zero:
            for other in map(Path, storage_options or ()):
                remove(beside(other))
                shutil.copytree(partial, beside(other), copy_function=_link)
                _put(beside(other), other)
            _put(partial, path)

    def load_checkpoint(self, checkpoint_path: str | Path, weights_only: bool | None = None) -> dict[str, Any]:
        return read_shard(Path(checkpoint_path), self.global_rank, self.world_size)

    def load_model_state_dict(self, checkpoint: Any, strict: bool = True) -> None:
        module: Any = self.lightning_module
        own = module.state_dict()
        found = {name: _like(own.get(name), value) for name, value in checkpoint["state_dict"].items()}
        module.load_state_dict(found, strict=strict)

    def load_optimizer_state_dict(self, checkpoint: Any) -> None:
        for optimizer, saved in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            state = {
                index: {key: _like(weights[index], value) for key, value in facts.items()}
                for index, facts in saved["state"].items()
            }
            optimizer.load_state_dict({**saved, "state": state})

    def _share_buffers(self) -> None:
        """DDP does so before every step; until they are used or kept, once will do."""
        assert self.lightning_module is not None
        for buffer in self.lightning_module.buffers():
            dist.broadcast(buffer, 0)


def _packed(node: Any) -> Any:
    """Plain values and tensors; of a sharded one this rank's rows, with a mark."""
    if isinstance(node, DTensor):
        return {SHARD: node.to_local().detach().cpu()}
    if isinstance(node, dict):
        return {key: _packed(value) for key, value in node.items()}
    return [_packed(value) for value in node] if isinstance(node, list) else node


def _like(weight: Any, value: Any) -> Any:
    """A value of a checkpoint, sharded as the weight that it belongs to; a count of steps, say, as it is."""
    if not isinstance(weight, DTensor):
        return value
    if isinstance(value, dict):
        local = value[SHARD].to(weight.device)
        return DTensor.from_local(
            local, weight.device_mesh, weight.placements, shape=weight.shape, stride=weight.stride()
        )
    if isinstance(value, torch.Tensor) and value.shape == weight.shape and value.ndim:
        return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements)
    return value


def _put(partial: Path, path: Path) -> None:
    """A folder in the place of another: a kill leaves the old one, if under another name, or the new one."""
    flush(partial)
    old = path.with_name(path.name + OLD)
    if path.exists():
        remove(old)
        path.rename(old)
    partial.rename(path)
    remove(old)
    flush(path.parent)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # not every file system has links
        shutil.copyfile(source, target)
        flush(Path(target))
