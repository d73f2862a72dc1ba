"""What OpenStack's answers mean."""

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
import requests
from keystoneauth1 import exceptions as auth
from openstack import exceptions as sdk

from burstlens.errors import (
    BurstlensError,
    CapacityUnavailable,
    Misconfigured,
    NotAuthorized,
    NotFound,
    QuotaExceeded,
    Throttled,
    Unavailable,
)
from burstlens.openstack.errors import Conflict, is_no_capacity, meaning, translated

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "Invalid input for field/attribute imageRef.", Misconfigured),
        (401, "The request you have made requires authentication.", NotAuthorized),
        (403, "Policy doesn't allow os_compute_api:servers:create to be performed.", NotAuthorized),
        (403, "Quota exceeded for cores, ram: Requested 8, 8192, but already used 16 of 20 cores", QuotaExceeded),
        (403, "Maximum number of ports exceeded", QuotaExceeded),
        (404, "Instance could not be found.", NotFound),
        (406, "Version 2.52 is not supported by the API.", Misconfigured),
        (408, "", Unavailable),
        (409, "Cannot 'stop' instance while it is in vm_state stopped", Conflict),
        (409, "Quota exceeded for resources: ['port'].", QuotaExceeded),
        (413, "Quota exceeded, too many servers.", QuotaExceeded),
        (413, "This request was rate-limited.", Throttled),
        (429, "", Throttled),
        (500, "Unexpected API Error.", Unavailable),
        (500, "No valid host was found. There are not enough hosts available.", CapacityUnavailable),
        (504, "", Unavailable),
        (302, "", Unavailable),
    ],
)
def test_r12_each_refusal_says_what_to_do_next(status: int, text: str, kind: type[BurstlensError]) -> None:
    error = meaning(status, text, "nova: POST /servers")

    assert type(error) is kind
    assert str(error) == f"nova: POST /servers: {text or f'status {status}'}"


def test_a_conflict_is_asked_again_by_whoever_does_not_know_better() -> None:
    assert issubclass(Conflict, Unavailable)


@pytest.mark.parametrize(("header", "seconds"), [("17", 17.0), (" 5 ", 5.0), (None, 1.0), ("soon", 1.0), ("", 1.0)])
def test_r12_a_pause_is_as_long_as_the_service_says(header: str | None, seconds: float) -> None:
    error = meaning(429, "", "nova", header)

    assert isinstance(error, Throttled)
    assert error.retry_after_seconds == seconds


def test_r12_a_pause_may_end_at_a_date() -> None:
    error = meaning(429, "", "nova", formatdate(time.time() + 60, usegmt=True))

    assert isinstance(error, Throttled)
    assert 50 < error.retry_after_seconds <= 60


def test_r12_a_date_that_is_past_is_no_pause() -> None:
    error = meaning(429, "", "nova", "Wed, 21 Oct 2015 07:28:00 GMT")

    assert isinstance(error, Throttled)
    assert error.retry_after_seconds == 0.0


@pytest.mark.parametrize(
    ("text", "so"),
    [
        ("No valid host was found. ", True),
        ("Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures", True),
        ("Build of instance 1 aborted: Flavor's disk is too small for requested image.", False),
    ],
)
def test_r11_nova_s_words_tell_whether_there_was_no_room(text: str, so: bool) -> None:
    assert is_no_capacity(text) is so


def response(status: int, headers: "Mapping[str, str] | None" = None) -> requests.Response:
    answer = requests.Response()
    answer.status_code = status
    answer.headers.update(headers or {})
    return answer


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sdk.ConflictException("no", response=response(409)), Conflict),
        (sdk.NotFoundException("no", response=response(404)), NotFound),
        (sdk.ConfigException("no"), Misconfigured),
        (sdk.ResourceTimeout("no"), Unavailable),
        (auth.Unauthorized("no"), NotAuthorized),
        (auth.ServiceUnavailable("no"), Unavailable),
        (auth.ConnectFailure("no"), Unavailable),
        (auth.ConnectTimeout("no"), Unavailable),
        (auth.DiscoveryFailure("no"), Unavailable),
        (auth.EndpointNotFound("no"), Misconfigured),
        (auth.NoMatchingPlugin("no"), Misconfigured),
        (auth.AuthorizationFailure("no"), NotAuthorized),
        (auth.SSLError("certificate verify failed: self-signed certificate"), Misconfigured),
        (auth.SSLError("EOF occurred in violation of protocol"), Unavailable),
    ],
)
def test_errors_of_the_sdk_are_translated(error: Exception, kind: type[BurstlensError]) -> None:
    with pytest.raises(BurstlensError) as caught, translated("here"):
        raise error

    assert type(caught.value) is kind
    assert str(caught.value).startswith("here: ")
    assert "\n" not in str(caught.value)


def test_r12_the_sdk_s_throttling_keeps_its_pause() -> None:
    with pytest.raises(Throttled) as caught, translated("here"):
        raise sdk.HttpException("no", response=response(429, {"Retry-After": "9"}))

    assert caught.value.retry_after_seconds == 9.0


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(ZeroDivisionError), translated("here"):
        raise ZeroDivisionError
