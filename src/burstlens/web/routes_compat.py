"""The two routes of the course's workload generators: plain text, and a connection held until the result is there."""

from pathlib import PurePosixPath
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from burstlens.messages import Result
from burstlens.web.form import documented_form
from burstlens.web.problems import Kind, Problem, documented_as_text
from burstlens.web.submission import Submission
from burstlens.web.tier import tier_of
from burstlens.web.waiters import Ending

LABEL_FIELD = "myfile"
"""Answered with the label."""
NAME_AND_LABEL_FIELD = "inputFile"
"""Answered with `name:label`."""

FIELDS = (LABEL_FIELD, NAME_AND_LABEL_FIELD)
PATHS = frozenset({"/", "/upload"})

_FORM = {"requestBody": {"required": True, "content": documented_form(FIELDS)}}

router = APIRouter(tags=["compatibility"], default_response_class=PlainTextResponse)


async def recognise(http: Request) -> Response:
    """Recognise one image and answer with its label alone (`myfile`) or with `name:label` (`inputFile`).

    The answer comes when the result is there, up to 15 minutes later. Errors are one sentence of plain text.
    """
    tier = tier_of(http)
    await tier.admission.enter()
    with tier.admission.holding() as held:
        upload = await tier.uploads.read_form(http, FIELDS, held)
        request_id = uuid4().hex
        name = upload.filename or request_id
        submission = Submission(request_id, name, upload.content_type, 1, upload.data)
        field = upload.field
        del upload  # the submission lets go of the image as soon as it is kept elsewhere
        outcome = await tier.exchange(submission, tier.submitter.send, tier.options.legacy_wait_seconds, http, held)
    if not isinstance(outcome, Result):
        raise _problem(outcome, request_id, tier.options.retry_after_seconds)
    if outcome.error is not None:
        raise Problem.of_failure(outcome.error, request_id)
    label = outcome.label or ""
    return PlainTextResponse(label if field == LABEL_FIELD else f"{PurePosixPath(name).stem}:{label}")


def _problem(ending: Ending, request_id: str, retry_after_seconds: int) -> Problem:
    if ending is Ending.STOPPING:
        detail = f"The server shuts down; the result will be at /v1/recognitions/{request_id}."
        return Problem.retry(Kind.STOPPING, detail, retry_after_seconds)
    return Problem(Kind.TIMED_OUT, f"There is no result yet; it will be at /v1/recognitions/{request_id}.", request_id)


for _path in sorted(PATHS):
    router.add_api_route(
        _path,
        recognise,
        methods=["POST"],
        summary="Recognise one image, as the course's workload generators ask for it",
        response_description="The label, or `name:label`.",
        responses=documented_as_text(
            *(
                kind
                for kind in Kind
                if kind
                not in {Kind.NOT_FOUND, Kind.BAD_PARAMETER, Kind.BAD_IDEMPOTENCY_KEY, Kind.IDEMPOTENCY_KEY_REUSED}
            )
        ),
        openapi_extra=_FORM,
    )
