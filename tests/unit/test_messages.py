import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from burstlens.messages import (
    ErrorCode,
    Failure,
    MalformedMessage,
    Request,
    Result,
    Score,
    UnknownVersion,
)

WHEN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def a_request(**changes: object) -> Request:
    values: dict[str, object] = {"id": "request-1", "filename": "cat.jpg", "image": b"\xff\xd8", "submitted_at": WHEN}
    return Request.model_validate(values | changes)


@given(image=st.binary(min_size=1), filename=st.text(max_size=255), top_k=st.integers(1, 100))
def test_a_request_survives_the_wire(image: bytes, filename: str, top_k: int) -> None:
    request = a_request(image=image, filename=filename, top_k=top_k, reply_to="responses-web-1")
    assert Request.parse(request.to_json()) == request


def test_the_image_travels_as_standard_base64() -> None:
    assert json.loads(a_request(image=b"\xfb\xff\xfe").to_json())["image"] == "+//+"


def test_a_claim_check_carries_no_image() -> None:
    request = a_request(image=None, input_key="request-1")
    assert "image" not in json.loads(request.to_json())
    assert Request.parse(request.to_json()) == request


def test_fields_of_a_later_minor_version_are_ignored() -> None:
    wire = json.loads(a_request().to_json()) | {"lane": "private", "trace": {"a": 1}}
    assert Request.parse(json.dumps(wire)) == a_request()


def test_an_unknown_major_version_still_tells_whom_to_answer() -> None:
    wire = {"version": 2, "id": "request-1", "reply_to": "responses-web-1", "picture": "elsewhere"}
    with pytest.raises(UnknownVersion, match="version 2") as caught:
        Request.parse(json.dumps(wire))
    assert (caught.value.request_id, caught.value.reply_to) == ("request-1", "responses-web-1")


def test_an_unknown_version_that_looks_like_ours_is_refused_too() -> None:
    wire = json.loads(a_request().to_json()) | {"version": 7}
    with pytest.raises(UnknownVersion):
        Request.parse(json.dumps(wire))


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ("", "JSON"),
        ("[]", "object"),
        ('{"version": 1}', "id"),
        ('{"version": "two", "id": "request-1"}', "version"),
        (a_request().to_json().replace("/9g=", "%%%"), "base64"),
        (a_request().to_json().replace("request-1", "../../etc"), "id"),
        (a_request().to_json()[:-1] + ',"input_key":"k"}', "either an image or an input key"),
        (a_request().to_json()[:-1] + ',"reply_to":"requests"}', "reply_to"),
        (a_request().to_json()[:-1] + ',"top_k":0}', "top_k"),
    ],
)
def test_what_is_no_request_is_malformed(wire: str, reason: str) -> None:
    with pytest.raises(MalformedMessage, match=reason):
        Request.parse(wire)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        a_request(submitted_at=datetime(2026, 11, 24))  # noqa: DTZ001 - the point of the test


def test_a_result_survives_the_wire() -> None:
    result = Result(
        id="request-1",
        filename="cat.jpg",
        label="tabby",
        class_index=281,
        score=0.75,
        top=(Score(label="tabby", class_index=281, score=0.75), Score(label="lynx", score=0.1)),
        instance="app-tier-1",
        completed_at=WHEN,
    )
    assert Result.parse(result.to_json()) == result


def test_an_error_result_names_its_code() -> None:
    failure = Failure(code=ErrorCode.NOT_AN_IMAGE, message="the picture is cut off")
    wire = json.loads(Result(id="request-1", filename="x", error=failure, completed_at=WHEN).to_json())
    assert wire["error"] == {"code": "not-an-image", "message": "the picture is cut off"}
    assert "label" not in wire


@pytest.mark.parametrize(
    "wire", ["", "{}", '{"version":2,"id":"request-1","filename":"","completed_at":"2026-11-24T12:00:00Z"}']
)
def test_what_is_no_result_is_malformed(wire: str) -> None:
    with pytest.raises(MalformedMessage):
        Result.parse(wire)
