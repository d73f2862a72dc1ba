"""Every exception that ends a request, turned into the problem that its client gets to see."""

import math
from http import HTTPStatus

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from burstlens.errors import BurstlensError, Throttled
from burstlens.messages import MalformedMessage
from burstlens.web.problems import Kind, Problem
from burstlens.web.routes_compat import PATHS as TEXT_PATHS
from burstlens.web.tier import tier_of

_log = structlog.get_logger(__name__)


def register(app: FastAPI) -> None:
    """Make the app answer every error with a problem, in text on the compatibility routes."""
    for kind in (Problem, HTTPException, RequestValidationError, BurstlensError, Exception):
        app.add_exception_handler(kind, _refuse)
    app.add_exception_handler(ClientDisconnect, _forget)


async def _refuse(http: Request, error: Exception) -> Response:
    problem = _problem_of(http, error)
    return problem.text_response() if http.url.path in TEXT_PATHS else problem.response()


async def _forget(http: Request, error: Exception) -> Response:
    """The client left in the middle of its upload: nobody will read this."""
    del error
    tier_of(http).metrics.clients_gone.inc()
    return Response(status_code=400)


def _problem_of(http: Request, error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case HTTPException(status_code=HTTPStatus.METHOD_NOT_ALLOWED):
            allowed = (error.headers or {}).get("Allow", "").replace("GET", "GET, HEAD")
            detail = f"{http.method} is not possible here; {allowed} is."
            return Problem(Kind.METHOD_NOT_ALLOWED, detail, headers={"Allow": allowed})
        case HTTPException(status_code=HTTPStatus.NOT_FOUND):
            return Problem(Kind.NOT_FOUND, "There is nothing at this path.")
        case RequestValidationError():
            return _bad_request(error)
        case BurstlensError() if not isinstance(error, MalformedMessage):
            return _unavailable(http, error)
        case _:
            _log.error("request failed", path=http.url.path, kind=type(error).__name__, error=str(error))
            return Problem(Kind.INTERNAL, "Something went wrong here; the log tells more.")


def _bad_request(error: RequestValidationError) -> Problem:
    if any(reason["loc"][0] == "path" for reason in error.errors()):  # nobody was ever given such an id
        return Problem(Kind.NOT_FOUND, "There is no such request.")
    reasons = [f"{reason['loc'][-1]}: {reason['msg']}" for reason in error.errors()]
    return Problem(Kind.BAD_PARAMETER, f"{'; '.join(reasons)}.")


def _unavailable(http: Request, error: BurstlensError) -> Problem:
    """The queue or a bucket refused or did not answer: the operator is told why; the client, when to come again."""
    tier = tier_of(http)
    tier.metrics.failures.labels("request").inc()
    _log.warning("request refused", path=http.url.path, kind=type(error).__name__, error=str(error))
    seconds = tier.options.retry_after_seconds
    if isinstance(error, Throttled):
        seconds = max(1, math.ceil(error.retry_after_seconds))
    return Problem.retry(Kind.UNAVAILABLE, "The queue or a bucket does not answer.", seconds)
