"""The HTTP interface: GET / says what the run is, GET /health that it lives, POST /predict what it predicts."""

import math
import threading
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field, create_model
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from litmus.inference import Predictor
from litmus.serve.inputs import SENTENCES, TYPES, read
from litmus.serve.limits import Limited, Limits

MOST_SAID = 300  # characters of what was wrong


def application(predictor: Predictor, name: str, limits: Limits, hosts: Sequence[str]) -> FastAPI:
    """The application of one run.

    Args:
        name: Of the run.
        hosts: Names that requests may call this machine by, or `*`: with its own alone, no web page that somebody else
            made can have a browser ask here.
    """
    data, lock = predictor.data, threading.Lock()
    facts = data.preprocessing()
    kind: str = facts["kind"]
    strict = ConfigDict(strict=True, extra="forbid", title="Examples")
    some: Any = (TYPES[kind], Field(min_length=1, max_length=limits.examples, description=SENTENCES[kind]))
    request_type = create_model("Examples", __config__=strict, examples=some)
    app = FastAPI(title=f"litmus serve {name}", docs_url="/docs", redoc_url=None)
    app.add_middleware(Limited, limits=limits)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(StarletteHTTPException, refused)
    app.add_exception_handler(Exception, failed)

    @app.get("/")
    def about() -> dict[str, Any]:
        return {
            "run": name,
            "model": predictor.config.model._target_,
            "input": {"kind": kind, "example": SENTENCES[kind], "columns": getattr(data, "columns", None)},
            "predictions": predictor.columns,
            "labels": getattr(data, "classes", None),
            "limits": vars(limits),
        }

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/predict")
    def predict(given: request_type) -> dict[str, Any]:  # type: ignore[valid-type]
        try:
            examples = read(given.examples, kind, data, limits)  # type: ignore[attr-defined]
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        with lock:  # one batch has all cores
            found = predictor.rows(examples)
        for number, rows in enumerate(found):
            if not all(math.isfinite(value) for row in rows for value in row if isinstance(value, float)):
                raise HTTPException(422, f"examples.{number}: the network finds no finite number for it")
        return {"predictions": [answer(predictor.columns, rows) for rows in found]}

    return app


def answer(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    """One example's row by its columns; all of them where there is one for each step."""
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return named if columns[0] == "step" else named[0]


async def invalid(request: Request, error: Exception) -> JSONResponse:
    """The first thing that is wrong with what was sent."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    reason = (first.get("ctx") or {}).get("error", "")
    return said(422, f"{where or 'the body'}: {first['msg']}{f' ({reason})' if reason else ''}")


async def refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    return said(error.status_code, str(error.detail))


async def failed(request: Request, error: Exception) -> JSONResponse:
    return said(500, "this is a fault of the server: its own output has the reason")


def said(status: int, sentence: str) -> JSONResponse:
    """An error in one sentence."""
    return JSONResponse({"error": sentence[:MOST_SAID].encode("utf-8", "replace").decode()}, status)
