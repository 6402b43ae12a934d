"""`litmus serve`: a run that predicts over HTTP, until it is told to stop."""

import ipaddress
import signal
import socket
import sys
from pathlib import Path

from litmus.extras import need
from litmus.serve.limits import Limits

CONNECTIONS = 100  # at once; more are told to come again
PATIENCE = 10  # seconds that requests may take to end after a signal


def serve(folder: Path, host: str, port: int, most: int, megabytes: float) -> None:
    """Prints the address and answers requests; Ctrl-C and SIGTERM end it after those that it has.

    Args:
        folder: Of the run.
        host: Address to listen on.
        port: 0 for any that is free.
        most: Examples in a request.
        megabytes: Of a request.

    Raises:
        ValueError: If it can't listen there, or the run predicts nothing.
    """
    need("litmus serve", ("fastapi", "uvicorn"), "serve")
    limits = Limits(most, megabytes)
    with listening(host, port) as listener:
        import uvicorn

        from litmus.inference import of_examples
        from litmus.serve.app import application

        address, port = listener.getsockname()[:2]
        own = ["127.0.0.1", "localhost", "[::1]", "::1", host] if is_loopback(address) else ["*"]
        app = application(of_examples(folder), folder.name, limits, own)
        if own == ["*"]:
            print(
                f"warning: whoever reaches {address} may send requests, without a password or encryption: "
                "leave --host out, or put a proxy before it that has both",
                file=sys.stderr,
            )
        config = uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=PATIENCE,
            server_header=False,
        )
        for signum in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again when it has ended
            signal.signal(signum, lambda *_: None)
        print(f"{folder.name} answers at http://{f'[{address}]' if ':' in address else address}:{port}", flush=True)
        uvicorn.Server(config).run(sockets=[listener])


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens, so that whoever comes early waits.

    Raises:
        ValueError: If there is no such address, or the port is in use.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"--port {port} is not from 0 to 65535")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else an answer waits 40 ms for its second part
        return listener
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"--host {host} --port {port} can't be listened on ({reason}): give another port, or 0 for any that is free"
        ) from error


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
