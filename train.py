"""Trains one model on one data set: `python train.py model=cnn data=cifar10`. The page to read first."""

import hydra
from omegaconf import DictConfig

from litmus.command import command
from litmus.config import register
from litmus.run import Run

register()


def train(config: DictConfig) -> float | None:
    """From what Hydra composed: builds, fits, tests, and leaves a record; returns the objective, for a sweep."""
    with Run.open(config) as run:
        from litmus.build import build  # imports torch, which `--help` must not wait for

        data, module, trainer = build(run)
        trainer.fit(module, data, ckpt_path=run.last_checkpoint)
        if run.config.test:
            trainer.test(module, data, ckpt_path=run.best_checkpoint, verbose=False)
        return run.objective


if __name__ == "__main__":
    command(hydra.main(config_path="conf", config_name="config", version_base="1.3"), train)
