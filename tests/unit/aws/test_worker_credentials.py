"""Credentials for workers outside AWS: how long they are good for, and when STS is asked. Nothing here reaches it."""

import asyncio
import datetime as dt
import functools
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from botocore.stub import ANY, Stubber

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession
from burstlens.aws.worker_credentials import ENDS_AT, MARGIN_SECONDS, Order, WorkerCredentials
from burstlens.aws.worker_policy import Reach, session_policy
from burstlens.clock import ManualClock
from burstlens.clouds.user_data import MAX_BYTES, worker_user_data
from burstlens.errors import BurstlensError, Misconfigured, NotAuthorized, Throttled, Unavailable
from burstlens.settings.model import BucketSettings, QueueSettings, Settings
from support.aws_doubles import REGION

if TYPE_CHECKING:
    from botocore.client import BaseClient

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("aws_credentials")]

HOUR = 3600
REACH = Reach(
    requests="cams-requests",
    dead_letters="cams-requests-dead",
    responses="cams-responses-*",
    inputs="s3://cams-inputs",
    outputs="s3://cams-outputs",
    fleet="s3://cams-fleet",
)
ORDER = Order(
    fleet="cams", role="arn:aws:iam::123456789012:role/cams-private-worker", reach=REACH, needed_seconds=360.0
)
TOO_LONG = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
CHAINED = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."


@functools.cache
def _client() -> "BaseClient":
    return AwsSession(AwsOptions(region=REGION)).client("sts")


class StubbedSts(AwsSession):
    """It gives what the test has put into it, in that order, and nothing else. botocore checks every question."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(AwsOptions(region=REGION))
        self._clock = clock
        self.stub = Stubber(_client())

    def client(self, service: str) -> "BaseClient":
        assert service == "sts"
        return _client()

    def grants(self, seconds: int, key: str = "ASIAFIRSTFIRSTFIRST1", *, asked: int | None = None) -> None:
        """Credentials that last so long from now on; `asked` is for how long they are asked."""
        answer = {
            "AccessKeyId": key,
            "SecretAccessKey": "secret",
            "SessionToken": "token",
            "Expiration": dt.datetime.fromtimestamp(self._clock.now() + seconds, dt.UTC),
        }
        self.stub.add_response("assume_role", {"Credentials": answer}, self._question(asked or seconds))

    def refuses(self, code: str, message: str = "no", status: int = 400, asked: int | None = None) -> None:
        self.stub.add_client_error("assume_role", code, message, status, expected_params=self._question(asked))

    def _question(self, seconds: int | None) -> dict[str, object]:
        return {
            "RoleArn": ORDER.role,
            "RoleSessionName": "cams-worker",
            "DurationSeconds": seconds or ANY,
            "Policy": session_policy(REACH, ORDER.role, REGION),
        }

    def is_done(self) -> bool:
        """Whether everything was asked for."""
        self.stub.assert_no_pending_responses()
        return True


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sts(clock: ManualClock) -> Iterator[StubbedSts]:
    session = StubbedSts(clock)
    with session.stub:
        yield session


async def test_a_worker_gets_the_roles_credentials_and_must_be_gone_before_they_end(
    sts: StubbedSts, clock: ManualClock
) -> None:
    sts.grants(12 * HOUR)
    assert await WorkerCredentials(sts, ORDER, clock).issue() == {
        "AWS_ACCESS_KEY_ID": "ASIAFIRSTFIRSTFIRST1",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_REGION": REGION,
        ENDS_AT: str(int(clock.now() + 12 * HOUR - MARGIN_SECONDS)),
    }


@pytest.mark.parametrize(("message", "granted"), [(TOO_LONG, 4), (CHAINED, 1)])
async def test_the_longest_time_that_sts_grants_is_asked_for_and_remembered(
    sts: StubbedSts, clock: ManualClock, message: str, granted: int
) -> None:
    for hours in (12, 8, 4, 2):
        if hours > granted:
            sts.refuses("ValidationError", message, asked=hours * HOUR)
    sts.grants(granted * HOUR)
    credentials = WorkerCredentials(sts, ORDER, clock)
    await credentials.issue()

    await clock.advance(granted * HOUR / 2)
    sts.grants(granted * HOUR, "ASIASECONDSECONDSEC2")
    assert (await credentials.issue())["AWS_ACCESS_KEY_ID"] == "ASIASECONDSECONDSEC2"
    assert sts.is_done()


async def test_a_refusal_of_the_shortest_time_or_of_something_else_is_told(sts: StubbedSts, clock: ManualClock) -> None:
    for hours in (12, 8, 4, 2, 1):
        sts.refuses("ValidationError", TOO_LONG, asked=hours * HOUR)
    with pytest.raises(Misconfigured, match="DurationSeconds exceeds"):
        await WorkerCredentials(sts, ORDER, clock).issue()
    assert sts.is_done()

    sts.refuses("ValidationError", "1 validation error detected: Value at 'roleArn' failed to satisfy constraint")
    with pytest.raises(Misconfigured, match="roleArn"):
        await WorkerCredentials(sts, ORDER, clock).issue()
    sts.refuses("AccessDenied", status=403)
    with pytest.raises(NotAuthorized, match="AccessDenied"):
        await WorkerCredentials(sts, ORDER, clock).issue()
    assert sts.is_done()


async def test_instances_that_are_launched_soon_after_share_them(sts: StubbedSts, clock: ManualClock) -> None:
    sts.grants(12 * HOUR)
    credentials = WorkerCredentials(sts, ORDER, clock)
    first, *others = await asyncio.gather(*(credentials.issue() for _ in range(10)))
    assert others == [first] * 9

    await clock.advance(3 * HOUR)
    assert await credentials.issue() == first
    sts.grants(12 * HOUR, "ASIASECONDSECONDSEC2")
    await clock.advance(1)
    assert (await credentials.issue())["AWS_ACCESS_KEY_ID"] == "ASIASECONDSECONDSEC2"


@pytest.mark.parametrize(
    ("code", "status", "error"), [("ServiceUnavailable", 503, Unavailable), ("Throttling", 400, Throttled)]
)
async def test_while_sts_does_not_answer_what_has_half_its_time_left_is_used(
    sts: StubbedSts, clock: ManualClock, code: str, status: int, error: type[BurstlensError]
) -> None:
    sts.grants(12 * HOUR)
    credentials = WorkerCredentials(sts, ORDER, clock)
    first = await credentials.issue()

    await clock.advance(6 * HOUR)
    sts.refuses(code, status=status)
    assert await credentials.issue() == first

    await clock.advance(1)
    sts.refuses(code, status=status)
    with pytest.raises(error):
        await credentials.issue()
    assert sts.is_done()


async def test_what_has_half_its_time_left_is_not_used_if_that_is_less_than_a_worker_needs(
    sts: StubbedSts, clock: ManualClock
) -> None:
    sts.grants(12 * HOUR)
    credentials = WorkerCredentials(sts, replace(ORDER, needed_seconds=7.0 * HOUR), clock)
    await credentials.issue()

    await clock.advance(5 * HOUR)
    sts.refuses("ServiceUnavailable", status=503)
    with pytest.raises(Unavailable):
        await credentials.issue()


async def test_no_worker_is_given_less_than_it_needs(sts: StubbedSts, clock: ManualClock) -> None:
    sts.grants(HOUR, asked=12 * HOUR)
    credentials = WorkerCredentials(sts, replace(ORDER, needed_seconds=HOUR - MARGIN_SECONDS - 60), clock)
    await credentials.issue()

    await clock.advance(61)
    sts.grants(HOUR, "ASIASECONDSECONDSEC2", asked=12 * HOUR)
    assert (await credentials.issue())["AWS_ACCESS_KEY_ID"] == "ASIASECONDSECONDSEC2"


async def test_a_refusal_is_never_covered_up_by_older_ones(sts: StubbedSts, clock: ManualClock) -> None:
    sts.grants(12 * HOUR)
    credentials = WorkerCredentials(sts, ORDER, clock)
    await credentials.issue()

    await clock.advance(4 * HOUR)
    sts.refuses("AccessDenied", status=403)
    with pytest.raises(NotAuthorized):
        await credentials.issue()


async def test_a_clock_that_was_set_back_makes_none_last_longer(sts: StubbedSts) -> None:
    class Settable(ManualClock):
        back = 0.0

        def now(self) -> float:
            return super().now() - self.back

    clock = Settable()
    sts.grants(12 * HOUR)
    credentials = WorkerCredentials(sts, ORDER, clock)
    await credentials.issue()

    clock.back = 86_400.0
    sts.grants(12 * HOUR, "ASIASECONDSECONDSEC2")
    assert (await credentials.issue())["AWS_ACCESS_KEY_ID"] == "ASIASECONDSECONDSEC2"


async def test_credentials_that_end_before_a_worker_is_of_use_are_refused(sts: StubbedSts, clock: ManualClock) -> None:
    sts.grants(HOUR, asked=12 * HOUR)
    needy = replace(ORDER, needed_seconds=HOUR - MARGIN_SECONDS + 1)
    with pytest.raises(Misconfigured, match=r"last 3600 s .*needs 3601 s to boot and to drain"):
        await WorkerCredentials(sts, needy, clock).issue()

    sts.grants(HOUR, asked=12 * HOUR)
    await WorkerCredentials(sts, replace(ORDER, needed_seconds=HOUR - MARGIN_SECONDS), clock).issue()


async def test_a_machine_is_told_them_in_user_data_with_room_to_spare(sts: StubbedSts, clock: ManualClock) -> None:
    sts.grants(12 * HOUR)
    given = {**await WorkerCredentials(sts, ORDER, clock).issue(), "AWS_SESSION_TOKEN": secrets.token_urlsafe(1536)}
    own = "s3://cams-{}-123456789012-eu-central-1"
    settings = Settings(
        fleet="cams",
        aws=AwsOptions(region=REGION, worker_role=ORDER.role),
        queue=QueueSettings(url="sqs:cams-"),
        buckets=BucketSettings(inputs=own.format("inputs"), outputs=own.format("outputs"), fleet=own.format("fleet")),
    )

    text = worker_user_data(settings.spec("openstack").environment, given)

    assert given["AWS_SESSION_TOKEN"] in text
    assert len(text.encode()) < MAX_BYTES / 2
