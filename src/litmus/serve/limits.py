"""What a request may hold."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class Limits:
    """Of one request.

    Attributes:
        examples: At most.
        megabytes: Of 1,000,000 bytes, of the body.
        megapixels: Of all its images together, which a small file may hold many of.
        characters: Of a text.
    """

    examples: int
    megabytes: float
    megapixels: int = 64
    characters: int = 100_000

    def __post_init__(self) -> None:
        if not 1 <= self.examples <= 100_000:
            raise ValueError(f"--most {self.examples} is not from 1 to 100000")
        if not 0 < self.megabytes <= 1000:
            raise ValueError(f"--megabytes {self.megabytes} is not above 0 and up to 1000")


class Limited:
    """An ASGI application whose requests have a limit, whether they say how long they are or not."""

    def __init__(self, app: Any, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Any) -> None:
        from starlette.exceptions import HTTPException

        most, seen = int(self.limits.megabytes * 1e6), 0
        said = dict(scope.get("headers", ())).get(b"content-length", b"0")
        too_long = said.isdigit() and int(said[:20]) > most

        async def counted() -> dict[str, Any]:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most or too_long:
                raise HTTPException(413, f"the request has more than {self.limits.megabytes:g} MB: send fewer examples")
            return message

        await self.app(scope, counted, send)
