"""W&B's server: whether it takes the key, and how to do without it when it does not answer."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from litmus.redact import redact

PATIENCE = 3.0  # seconds for the server to say whose key it is

Result = TypeVar("Result")


def has_key() -> bool:
    """Whether there is a key, and the server knows whose it is.

    Raises:
        ValueError: If there is one, and the server does not take it or does not answer.
    """
    import wandb
    from wandb.apis.public.service_api import ServiceApi
    from wandb.sdk.lib import wbauth

    settings = wandb.setup(wandb.Settings(silent=True)).settings.model_copy()
    settings.x_graphql_retry_max = 1
    try:
        auth = wbauth.authenticate_session(host=settings.base_url, source="litmus", prompt=False, update_session=False)
        if auth is None:
            return False
        wbauth.set_auth_settings(settings, auth)
        ServiceApi(settings, timeout=PATIENCE).authenticate()
    except Exception as error:
        silence = getattr(error, "response", error) is None
        said = f"no answer within {PATIENCE:g} seconds" if silence else reason(error)
        raise ValueError(f"{settings.base_url}: {said}") from error
    return True


def within(seconds: float, action: Callable[[], Result]) -> Result:
    """Does it in a thread, which is left to itself when the time is up.

    Raises:
        TimeoutError: If it is up.
        Exception: What the action raises.
    """
    done: Future[Result] = Future()

    def run() -> None:
        try:
            done.set_result(action())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done.result(seconds)


def let_go(failed: bool) -> None:
    """Of the run and of W&B's helper process, which may be dead; the next run starts another."""
    import wandb

    with suppress(Exception, SystemExit):
        within(PATIENCE, lambda: wandb.teardown(exit_code=int(failed)))
    wandb.run = None  # a dead helper leaves it there


def reason(error: Exception) -> str:
    """The last line, where W&B tells what the server or the system said."""
    return redact(str(error) or type(error).__name__).splitlines()[-1].removeprefix("while retrying: ")
