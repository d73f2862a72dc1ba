"""The API of its own: recognitions, waited for or fetched later."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from burstlens.messages import MAX_TOP_K, RequestId, Result
from burstlens.web.form import BINARY, documented_form
from burstlens.web.lookup import Known, look_up
from burstlens.web.preference import Preference
from burstlens.web.problems import Kind, Problem, documented
from burstlens.web.submission import Submission, Submitter, id_of_key
from burstlens.web.tier import WebTier, tier_of
from burstlens.web.waiters import Ending

FIELDS = ("image", "file", "myfile", "inputFile")

_BODY = {
    "requestBody": {
        "required": True,
        "content": documented_form(FIELDS) | {"image/*": BINARY, "application/octet-stream": BINARY},
    }
}


class Waiting(BaseModel):
    """A request whose result is still to come."""

    id: str
    status: str = Known.WAITING.value


_WAITING: dict[str, Any] = {
    "model": Waiting,
    "description": "Accepted; the result is not there yet.",
    "headers": {
        "Location": {"description": "Where the result will be.", "schema": {"type": "string"}},
        "Retry-After": {"description": "Seconds to wait before looking.", "schema": {"type": "integer"}},
    },
}

_FETCH_PROBLEMS = (
    Kind.NOT_FOUND,
    Kind.METHOD_NOT_ALLOWED,
    Kind.BAD_PARAMETER,
    Kind.UNAVAILABLE,
    Kind.INTERNAL,
)

RequestIdInPath = Annotated[RequestId, Path(description="As told in the 202.")]

router = APIRouter(prefix="/v1/recognitions", tags=["recognitions"])


@router.post(
    "",
    summary="Recognise one image",
    response_model=None,
    responses={
        200: {"model": Result, "description": "The result."},
        202: _WAITING,
        **documented(*(kind for kind in Kind if kind not in {Kind.NOT_FOUND, Kind.TIMED_OUT, Kind.STOPPING})),
    },
    openapi_extra=_BODY,
)
async def recognise(
    http: Request,
    top_k: Annotated[int, Query(ge=1, le=MAX_TOP_K, description="How many labels.")] = 5,
    filename: Annotated[str, Query(description="Name of the image, when it is the body itself.")] = "",
    prefer: Annotated[list[str] | None, Header(description="`wait=N` (seconds) or `respond-async` (RFC 7240).")] = None,
    idempotency_key: Annotated[str | None, Header(description="Makes repeating the request harmless.")] = None,
) -> Response:
    """Send one image, as a form's only file or as the body, and get its result, or a place to fetch it from.

    Waits as long as `Prefer` says (60 seconds when it says nothing) and then answers 202. A request with an
    `Idempotency-Key` that was seen before is not recognised again: it gets the same result. The key belongs to the
    image, and stays with its result for as long as that is kept.
    """
    tier = tier_of(http)
    preference = Preference.parse(prefer or (), tier.options)
    request_id = uuid4().hex if idempotency_key is None else id_of_key(idempotency_key)
    await tier.admission.enter()
    with tier.admission.holding() as held:
        upload = await tier.uploads.read(http, FIELDS, filename, held)
        name = upload.filename or request_id
        submission = Submission(request_id, name, upload.content_type, top_k, upload.data)
        del upload  # the submission lets go of the image as soon as it is kept elsewhere
        send = _way(tier.submitter, preference, idempotency_key)
        outcome = await tier.exchange(submission, send, preference.wait_seconds, http, held)
    headers = {"Preference-Applied": preference.applied} if preference.applied else {}
    if not isinstance(outcome, Result):
        return _waiting(request_id, headers)
    if outcome.error is not None:
        raise Problem.of_failure(outcome.error, request_id)
    return _result(outcome, headers)


@router.get(
    "/{request_id}",
    summary="The result of a request",
    response_model=None,
    responses={
        200: {"model": Result, "description": "The result; where recognition failed, it holds an `error`."},
        202: _WAITING,
        **documented(*_FETCH_PROBLEMS),
    },
)
async def fetch(http: Request, request_id: RequestIdInPath) -> Response:
    """Fetch the result, or learn that it is still to come; any replica can be asked."""
    known = await look_up(tier_of(http), request_id)
    return _result(known, {}) if isinstance(known, Result) else _waiting(request_id, {})


@router.get(
    "/{request_id}/events",
    summary="Wait for the result of a request",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: `waiting` now and then, at last `result`, whose data is the result.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **documented(*_FETCH_PROBLEMS),
    },
)
async def events(http: Request, request_id: RequestIdInPath) -> Response:
    """Stream until the result is there; a stream that ends without one was cut off: come again."""
    tier = tier_of(http)
    await look_up(tier, request_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(tier, request_id), headers=headers, media_type="text/event-stream")


def _way(
    submitter: Submitter, preference: Preference, idempotency_key: str | None
) -> Callable[[Submission], Awaitable[Result | None]]:
    """How to send: by what the client is going to know of the request afterwards."""
    if idempotency_key is not None:
        return submitter.send_once
    return submitter.send if preference.wait_seconds > 0 else submitter.send_kept


async def _events(tier: WebTier, request_id: str) -> AsyncIterator[str]:
    with tier.waiters.expect(request_id) as waiter:
        # It may have come before the wait began.
        known: Result | Known | Ending = await look_up(tier, request_id)
        while not isinstance(known, Result):
            yield f"event: waiting\ndata: {_waiting_json(request_id)}\n\n"
            known = await waiter.wait(tier.options.keep_alive_seconds)
            if known is Ending.STOPPING:
                return
        yield f"event: result\ndata: {known.to_json()}\n\n"


def _result(result: Result, headers: dict[str, str]) -> Response:
    return Response(result.to_json(), 200, headers, "application/json")


def _waiting(request_id: str, headers: dict[str, str]) -> Response:
    place = {"Location": f"/v1/recognitions/{request_id}", "Retry-After": "1", "Cache-Control": "no-store"}
    return Response(_waiting_json(request_id), 202, place | headers, "application/json")


def _waiting_json(request_id: str) -> str:
    return json.dumps({"id": request_id, "status": Known.WAITING.value})
