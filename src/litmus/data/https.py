"""Connections that are encrypted, whatever address a server sends on to: https, or http with this machine itself."""

from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


class _Encrypted(HTTPAdapter):
    """Sees every request, those that follow a redirect too."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        url = urlsplit(request.url or "")
        if not (url.scheme == "https" or (url.scheme == "http" and url.hostname in THIS_MACHINE)):
            raise ValueError(f"{request.url} is not fetched: downloads are over https, so give an https address")
        return super().send(request, *args, **kwargs)


def encrypted_session() -> Session:
    """A session that refuses everything else.

    It asks for bytes as they are: a server's compression would change sizes and places.
    """
    session = Session()
    session.adapters.clear()
    session.mount("", _Encrypted())
    session.headers["Accept-Encoding"] = "identity"
    return session
