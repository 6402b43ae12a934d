"""A stand-in for the W&B server on this machine, which can also refuse, hang, fail and answer rubbish."""

import base64
import json
import random
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal

import yaml

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
SWEEP = {"name": "sweep0", "project": {"id": "p", "name": "litmus", "entity": {"id": "e", "name": "me"}}}


class WandbServer:
    """Serves in threads while its context lasts; `mode` can be set at any time.

    Attributes:
        rows: What arrived of the history, one dict a row.
        exit_codes: What runs said that they ended with.
        requests: Method, path and body of each.
        runs: What runs said of themselves, by their ids.
        summaries: The last of each run, by its id.
        sweep: The last that was made.
    """

    def __init__(self, mode: Mode = "works") -> None:
        self.rows: list[dict[str, Any]] = []
        self.exit_codes: list[int] = []
        self.requests: list[str] = []
        self.runs: dict[str, dict[str, Any]] = {}
        self.summaries: dict[str, dict[str, Any]] = {}
        self.sweep: Sweep | None = None
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


class Sweep:
    """Gives its agents runs, one at a time each, until there are `run_cap` of them.

    Attributes:
        config: What it was made of.
        given: Of each run that an agent was given, its values, by its id.
        agents: What each agent is running.
        stopped: Ids of runs that agents are told to stop.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.given: dict[str, dict[str, Any]] = {}
        self.agents: dict[str, list[str]] = {}
        self.stopped: set[str] = set()
        self.random = random.Random(0)

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """To the agents' GraphQL."""
        if "SweepWithRuns" in query:
            sweep = {"id": "s", "name": "sweep0", "state": "RUNNING", "config": yaml.safe_dump(self.config)}
            return {"project": {"sweep": {**sweep, "runs": {"edges": []}}}}
        if "CreateAgent" in query:
            self.agents[name := f"agent{len(self.agents)}"] = []
            return {"createAgent": {"agent": {"id": name}}}
        running = list(json.loads(variables["runState"]))
        commands = [{"type": "stop", "run_id": name} for name in running if name in self.stopped]
        if not running:
            commands.append(self._next())
        return {"agentHeartbeat": {"agent": {"id": variables["id"]}, "commands": json.dumps(commands)}}

    def _next(self) -> dict[str, Any]:
        if len(self.given) == self.config["run_cap"]:
            return {"type": "exit"}
        name = f"trial{len(self.given)}"
        self.given[name] = {key: self._draw(values) for key, values in self.config["parameters"].items()}
        arguments = {key: {"value": value} for key, value in self.given[name].items()}
        return {"type": "run", "run_id": name, "args": arguments, "program": self.config["program"]}

    def _draw(self, values: dict[str, Any]) -> Any:
        if "values" in values:
            return self.random.choice(values["values"])
        return self.random.uniform(values["min"], values["max"])


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
            query, variables = asked["query"], asked.get("variables", {})
            run = variables.get("name") or "run"
            if "UpsertSweep" in query:
                server.sweep = Sweep(yaml.safe_load(variables["config"]))
                answer = {"upsertSweep": {"sweep": SWEEP, "configValidationWarnings": []}}
            elif any(name in query for name in ("SweepWithRuns", "CreateAgent", "agentHeartbeat")):
                assert server.sweep is not None
                answer = server.sweep.answer(query, variables)
            else:
                answer = next((answer for name, answer in ANSWERS.items() if name in query), None)
            if "UpsertBucket" in query:
                told = {name: value for name, value in variables.items() if value is not None}
                server.runs[run] = server.runs.get(run, {}) | told
            text = json.dumps({"data": answer} if answer else {"errors": [{"message": "unknown"}]})
            self._send(200, json.loads(text.replace("RUN", run)))
        elif self.path.endswith("/file_stream"):
            self._take(server, self.path.split("/")[-2], json.loads(body))
            self._send(200, {})
        else:
            self._send(404, {})

    do_GET = do_POST  # noqa: N815
    do_PUT = do_POST  # noqa: N815

    def _has_key(self) -> bool:
        return self.headers.get("Authorization") == "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()

    def _take(self, server: WandbServer, run: str, stream: dict[str, Any]) -> None:
        files = stream.get("files") or {}
        server.rows += [json.loads(line) for line in files.get("wandb-history.jsonl", {}).get("content", [])]
        for line in files.get("wandb-summary.json", {}).get("content", []):
            server.summaries[run] = json.loads(line)
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
