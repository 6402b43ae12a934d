"""A stand-in for the W&B server on this machine, which can also refuse, hang, fail and answer rubbish."""

import base64
import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal

KEY = "k3y" * 14
Mode = Literal["works", "refuses", "hangs", "fails", "wants another key", "rubbish", "redirects"]
ANSWERS = {  # of GraphQL, by what stands in the query
    "UpsertBucket": {
        "upsertBucket": {
            "inserted": True,
            "bucket": {
                "id": "b",
                "name": "RUN",
                "displayName": "RUN",
                "project": {"name": "litmus", "entity": {"name": "me"}},
            },
        }
    },
    "RunResumeStatus": {"model": None},
    "CreateRunFiles": {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": []}},
    "viewer": {"viewer": {"id": "v", "entity": "me", "username": "me", "email": "", "flags": "{}", "teams": None}},
    "ServerFeatures": {"serverInfo": {"features": []}},
}


class WandbServer:
    """Serves in threads while its context lasts; `mode` can be set at any time.

    Attributes:
        rows: What arrived of the history, one dict a row.
        exit_codes: What runs said that they ended with.
        requests: Method, path and body of each.
    """

    def __init__(self, mode: Mode = "works") -> None:
        self.rows: list[dict[str, Any]] = []
        self.exit_codes: list[int] = []
        self.requests: list[str] = []
        self.changed = threading.Condition()
        self._listen(port=0)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.mode = mode

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        with self.changed:
            self._mode = mode
            self.changed.notify_all()
        if mode == "refuses":
            self._close()
        elif self._http is None:
            self._listen(int(self.url.rpartition(":")[2]))

    def __enter__(self) -> "WandbServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.mode = "refuses"

    def _listen(self, port: int) -> None:
        self._http: ThreadingHTTPServer | None = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.stand_in = self
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def _close(self) -> None:
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_POST(self) -> None:
        server: WandbServer = self.server.stand_in
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server.requests.append(f"{self.command} {self.path} {body!r}")
        with server.changed:
            server.changed.wait_for(lambda: server.mode != "hangs")
        if server.mode == "refuses":
            self.close_connection = True
        elif server.mode == "fails":
            self._send(500, {})
        elif server.mode == "rubbish":
            self._send(200, "<html>")
        elif server.mode == "redirects":
            self._send(307, {}, location=server.url + "/elsewhere")
        elif not self._has_key() or server.mode == "wants another key":
            self._send(401, {"errors": [{"message": "user is not logged in"}]})
        elif self.path == "/graphql":
            asked = json.loads(body)
            answer = next((answer for name, answer in ANSWERS.items() if name in asked["query"]), None)
            run = asked.get("variables", {}).get("name") or "run"
            text = json.dumps({"data": answer} if answer else {"errors": [{"message": "unknown"}]})
            self._send(200, json.loads(text.replace("RUN", run)))
        elif self.path.endswith("/file_stream"):
            self._take(server, json.loads(body))
            self._send(200, {})
        else:
            self._send(404, {})

    do_GET = do_POST  # noqa: N815
    do_PUT = do_POST  # noqa: N815

    def _has_key(self) -> bool:
        return self.headers.get("Authorization") == "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()

    def _take(self, server: WandbServer, stream: dict[str, Any]) -> None:
        history = (stream.get("files") or {}).get("wandb-history.jsonl", {})
        server.rows += [json.loads(line) for line in history.get("content", [])]
        if stream.get("complete"):
            server.exit_codes.append(stream["exitcode"])

    def _send(self, status: int, answer: object, location: str | None = None) -> None:
        payload = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        if location:
            self.send_header("Location", location)
        with suppress(BrokenPipeError, ConnectionResetError):  # of who did not wait
            self.end_headers()
            self.wfile.write(payload)

    def log_message(self, *args: object) -> None:
        """Nothing on the terminal."""
