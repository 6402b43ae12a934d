"""Weights & Biases: online where there is a key and a server that takes it, offline otherwise, and never in the way."""

import json
import logging
import os
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from litmus.folder import read_metrics
from litmus.redact import redact

log = logging.getLogger(__name__)

PATIENCE = 3.0  # seconds for the server to say whose key it is


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
    """A logger for the run with the folder's id, so that a resumed run goes on as the same one.

    Args:
        run_dir: The run's folder; its name is the id, and W&B's data go to its wandb/.
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
        x_disable_meta=any(word != redact(word) for word in sys.argv),  # they would be part of it
    )
    logger = NeverInTheWay(
        project=project,
        entity=entity,
        group=group,
        name=redact(name),
        tags=[redact(tag) for tag in tags],
        save_dir=run_dir,
        id=Path(run_dir).name,
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

    def _finish(self, failed: bool) -> None:
        import wandb

        self._catch_up()
        folder, limit = Path(self.experiment.dir).parent, self._wandb_init["settings"].finish_timeout + PATIENCE

        def finish() -> None:
            try:
                wandb.finish(exit_code=int(failed))
            except TimeoutError:
                log.warning(f"W&B's server does not have everything: `wandb sync --no-skip-online {folder}` uploads it")

        _within(limit, finish)  # a helper that hangs never answers

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
                log.warning(f"W&B is {mode} from here on: {_reason(error)}")
                _let_go(failed=True)
                self._experiment = None
                self._wandb_init["mode"] = mode
        return action()


def close_wandb(failed: bool) -> None:
    """Ends the W&B run, if there is one, within its `finish_timeout` and a few seconds."""
    if logger := NeverInTheWay.current:
        logger._carefully(lambda: logger._finish(failed))
        NeverInTheWay.current = None
    _let_go(failed)


def _let_go(failed: bool) -> None:
    """Of the run and of W&B's helper process, which may be dead; the next run starts another."""
    import wandb

    with suppress(Exception, SystemExit):
        _within(PATIENCE, lambda: wandb.teardown(exit_code=int(failed)))
    wandb.run = None  # a dead helper leaves it there


def _within(seconds: float, action: Callable[[], None]) -> None:
    """Does it in a thread, which is left to itself when the time is up.

    Raises:
        TimeoutError: If it is up.
        Exception: What the action raises.
    """
    done: Future[None] = Future()

    def run() -> None:
        try:
            action()
            done.set_result(None)
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    done.result(seconds)


def _mode() -> str:
    """Online if there is a key and the server knows whose it is."""
    import wandb
    from wandb.apis.public.service_api import ServiceApi
    from wandb.sdk.lib import wbauth

    settings = wandb.setup(wandb.Settings(silent=True)).settings.model_copy()
    settings.x_graphql_retry_max = 1
    try:
        auth = wbauth.authenticate_session(host=settings.base_url, source="litmus", prompt=False, update_session=False)
        if auth is None:
            return "offline"
        wbauth.set_auth_settings(settings, auth)
        ServiceApi(settings, timeout=PATIENCE).authenticate()
    except Exception as error:
        silence = getattr(error, "response", error) is None
        reason = f"no answer within {PATIENCE:g} seconds" if silence else _reason(error)
        log.warning(f"W&B is offline for this run: {settings.base_url}: {reason}; `wandb sync` uploads it later")
        return "offline"
    return "online"


def _reason(error: Exception) -> str:
    """The last line, where W&B tells what the server or the system said."""
    return redact(str(error) or type(error).__name__).splitlines()[-1].removeprefix("while retrying: ")
