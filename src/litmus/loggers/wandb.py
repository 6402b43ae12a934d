"""Weights & Biases: online where there is a key and a server, offline otherwise, and never in the way."""

import logging
import netrc
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pytorch_lightning.loggers import WandbLogger

log = logging.getLogger(__name__)

SERVER = "https://api.wandb.ai"
PATIENCE = 3  # seconds for the server to answer a connection


def open_wandb(
    project: str,
    entity: str | None,
    group: str | None,
    name: str,
    tags: Sequence[str],
    run_dir: str,
    init_timeout: float,
    finish_timeout: float,
) -> WandbLogger:
    """A logger for the run with the folder's id, so that a resumed run goes on as the same one.

    Args:
        run_dir: The run's folder; its name is the id, and offline data go to its wandb/.
        init_timeout: Seconds.
        finish_timeout: Seconds.
    """
    import wandb

    logger = WandbLogger(
        project=project,
        entity=entity,
        group=group,
        name=name,
        tags=list(tags),
        save_dir=run_dir,
        id=Path(run_dir).name,
        resume="allow",
        mode=os.environ.get("WANDB_MODE") or ("online" if _reachable() else "offline"),
        settings=wandb.Settings(init_timeout=init_timeout, finish_timeout=finish_timeout, silent=True),
    )
    logger._wandb_init.pop("anonymous")  # W&B 0.31 warns of Lightning's default
    return logger


def _reachable() -> bool:
    """Whether there is a key, and a server that takes a connection: a start without one hangs for 100 seconds."""
    url = urlsplit(os.environ.get("WANDB_BASE_URL", SERVER))
    host = url.hostname or ""
    if not (os.environ.get("WANDB_API_KEY") or _has_netrc_entry(host)):
        return False
    try:
        socket.create_connection((host, url.port or (443 if url.scheme == "https" else 80)), PATIENCE).close()
    except OSError as error:
        log.warning(f"W&B is offline for this run: {host} does not answer ({error}); `wandb sync` uploads it later")
        return False
    return True


def _has_netrc_entry(host: str) -> bool:
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
