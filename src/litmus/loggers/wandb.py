"""Weights & Biases: online where there is a key and a server that takes it, offline otherwise, and never in the way."""

import json
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from litmus.folder import read_metrics
from litmus.loggers.server import PATIENCE, has_key, let_go, reason, within
from litmus.page import page
from litmus.redact import redact
from litmus.run import in_sweep

log = logging.getLogger(__name__)


def open_wandb(
    project: str,
    entity: str | None,
    group: str | None,
    name: str,
    tags: Sequence[str],
    run_dir: str,
    init_timeout: float,
    finish_timeout: float,
) -> "NeverInTheWay":
    """A logger for the run with the folder's id, or a sweep's, so that a resumed run goes on as the same one.

    Args:
        run_dir: The run's folder; W&B's data go to its wandb/.
        init_timeout: Seconds, after which the run is offline.
        finish_timeout: Seconds, after which what has not arrived is left for `wandb sync`.
    """
    import wandb

    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of every byte that a dead helper does not take
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # to a server that hangs, it takes 12 seconds
    settings = wandb.Settings(
        init_timeout=init_timeout,
        finish_timeout=finish_timeout,
        finish_timeout_raises=True,
        silent=True,
        stop_fn=(lambda: None) if in_sweep() else None,  # `wandb agent` is told, too, and sends a signal
        x_disable_meta=any(word != redact(word) for word in sys.argv),  # they would be part of it
    )
    logger = NeverInTheWay(
        project=project,
        entity=entity,
        group=group,
        name=redact(name),
        tags=[redact(tag) for tag in tags],
        save_dir=run_dir,
        id=_run_id(Path(run_dir)),
        resume="allow",
        settings=settings,
    )
    logger._wandb_init.pop("anonymous")  # W&B 0.31 warns of Lightning's default
    return logger


class NeverInTheWay(WandbLogger):
    """Goes offline instead of failing, and is switched off if that fails, too."""

    current: ClassVar["NeverInTheWay | None"] = None  # the one that is open: close_wandb knows no trainer
    caught_up = False

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        if self._experiment is None:
            self._carefully(self._open)
        return self._experiment

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        plain = params if isinstance(params, dict) else vars(params)
        self._wandb_init["config"] = json.loads(redact(json.dumps(plain, default=str)))  # for a second opening, too
        self._carefully(lambda: super(NeverInTheWay, self).log_hyperparams(self._wandb_init["config"]))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._carefully(lambda: self._log_metrics(metrics, step))

    @rank_zero_only
    def log_figures(self, figures: Mapping[str, str]) -> None:
        """What a report shows, in HTML, each as a page of its own."""
        self._carefully(lambda: self.experiment.log({f"report/{name}": shown(name, figures[name]) for name in figures}))

    def _log_metrics(self, metrics: Mapping[str, float], step: int | None) -> None:
        if not self._catch_up():
            super().log_metrics(metrics, step)

    def _catch_up(self) -> bool:
        """Logs what a run's earlier part, or a helper that died, did not leave to W&B; whether there was any.

        metrics.csv is written first, so what is being logged stands there, too.
        """
        if self.experiment.resumed or self.caught_up:
            return False
        self.caught_up = True
        rows = read_metrics(Path(self._wandb_init["dir"]) / "metrics.csv")
        for (step, epoch), values in groupby(rows, lambda row: (int(row["step"]), int(row["epoch"]))):
            super().log_metrics({row["metric"]: float(row["value"]) for row in values} | {"epoch": epoch}, step)
        return bool(rows)

    def _finish(self, failed: bool, status: str) -> None:
        import wandb

        self._catch_up()
        self.experiment.summary["status"] = status
        folder, limit = Path(self.experiment.dir).parent, self._wandb_init["settings"].finish_timeout + PATIENCE

        def finish() -> None:
            try:
                wandb.finish(exit_code=int(failed))
            except TimeoutError:
                log.warning(f"W&B's server does not have everything: `wandb sync --no-skip-online {folder}` uploads it")

        within(limit, finish)  # a helper that hangs never answers

    def _open(self) -> None:
        import wandb

        self.caught_up, NeverInTheWay.current = False, self
        if "mode" not in self._wandb_init:
            self._wandb_init["mode"] = os.environ.get("WANDB_MODE") or _mode()
        wandb.setup(wandb.Settings(silent=True))
        _ = super().experiment

    def _carefully(self, action: Callable[[], None]) -> None:
        for mode in ("offline", "disabled"):
            try:
                return action()
            except Exception as error:
                log.warning(f"W&B is {mode} from here on: {reason(error)}")
                let_go(failed=True)
                self._experiment = None
                self._wandb_init["mode"] = mode
        return action()


def shown(title: str, content: str) -> Any:
    """A page of W&B's."""
    import wandb

    return wandb.Html(page(title, content), inject=False)


def close_wandb(failed: bool, status: str | None = None) -> None:
    """Ends the W&B run, if there is one, within its `finish_timeout` and a few seconds.

    Args:
        status: That of the run's record, for the summary.
    """
    if logger := NeverInTheWay.current:
        logger._carefully(lambda: logger._finish(failed, status or ("failed" if failed else "done")))
        NeverInTheWay.current = None
    let_go(failed)


def _mode() -> str:
    try:
        return "online" if has_key() else "offline"
    except ValueError as error:
        log.warning(f"W&B is offline for this run: {error}; `wandb sync` uploads it later")
        return "offline"


def _run_id(folder: Path) -> str:
    """The folder's name, but the server's own id of a run that belongs to a sweep, when it is resumed, too."""
    if in_sweep() and "WANDB_RUN_ID" in os.environ:
        return os.environ["WANDB_RUN_ID"]
    before = sorted(folder.glob("wandb/*run-*-*/run-*.wandb"))  # W&B counts up the names of folders of one second
    return before[-1].stem.removeprefix("run-") if before else folder.name
