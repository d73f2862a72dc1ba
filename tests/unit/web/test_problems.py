import json

import pytest

from burstlens.messages import ErrorCode, Failure
from burstlens.web.problems import Kind, Problem, kind_of


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_error_of_a_result_has_a_status(code: ErrorCode) -> None:
    assert kind_of(code).type == f"/problems/{code}"
    assert 400 <= kind_of(code).status < 600


def test_types_are_unique() -> None:
    assert len({kind.type for kind in Kind}) == len(Kind)


def test_document_is_rfc_9457_and_its_detail_a_sentence() -> None:
    failure = Failure(code=ErrorCode.NOT_AN_IMAGE, message="the JPEG is damaged")
    response = Problem.of_failure(failure, "a" * 32).response()
    assert response.media_type == "application/problem+json"
    assert json.loads(bytes(response.body)) == {
        "type": "/problems/not-an-image",
        "title": "Not an image",
        "status": 400,
        "detail": "The JPEG is damaged.",
        "id": "a" * 32,
    }
