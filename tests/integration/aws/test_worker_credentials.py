"""A private cloud's web tier and workers in an account that looks at who asks: ministack with its IAM switched on."""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from burstlens.aws.options import AwsOptions
from burstlens.aws.s3 import open_s3
from burstlens.aws.session import AwsSession
from burstlens.aws.worker_credentials import ENDS_AT, Order, WorkerCredentials
from burstlens.aws.worker_policy import Reach
from burstlens.buckets import Bucket
from burstlens.clock import SystemClock
from burstlens.deploy.aws.access_keys import private_user, remove_access_keys
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.names import BUCKETS, FLEET, INPUTS, OUTPUTS
from burstlens.deploy.aws.stack import Stack
from burstlens.deploy.aws.template import read_template
from burstlens.deploy.aws.up import up
from burstlens.errors import NotAuthorized
from burstlens.queues.sqs.queues import SqsQueues
from support.aws_account import account_at, order
from support.aws_doubles import CREDENTIALS, REGION, Double

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("aws_credentials")]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    program = str(Path(sys.executable).with_name("ministack"))
    account = {"AUTH": "true", "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": "{port}", **CREDENTIALS}
    double = Double((program,), account)
    yield double.url
    double.stop()


@pytest.fixture
def account(url: str) -> Account:
    """As its administrator, whatever comes into the environment later."""
    made = account_at(url)
    assert made.session.credentials().access_key == CREDENTIALS["AWS_ACCESS_KEY_ID"]
    return made


@pytest.fixture
def stack(account: Account, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """With policies that refuse nobody who comes without TLS, which the double has not."""
    text = read_template().replace('{Bool: {"aws:SecureTransport": "false"}}', '{Bool: {"aws:SecureTransport": "-"}}')
    monkeypatch.setattr("burstlens.deploy.aws.up.read_template", lambda: text)
    made = up(account, order(private_cloud=True), lambda _: None, lambda: True)
    assert made is not None
    return made


@pytest.fixture
def web_tier(account: Account, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsSession]:
    """As it is on OpenStack: with the key that was handed over to it."""
    key = account.ask("iam", "create_access_key", UserName=account.names.private_web_user)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    yield session(account)
    remove_access_keys(account, private_user(account, stack))


def session(account: Account) -> AwsSession:
    """A new one: with the credentials of the environment as it is now."""
    return AwsSession(AwsOptions(endpoint=account.session.endpoint or "", region=REGION))


def reach(account: Account) -> Reach:
    names = account.names
    return Reach(
        requests=f"{names.fleet}-requests",
        dead_letters=f"{names.fleet}-requests-dead",
        responses=f"{names.fleet}-responses-*",
        inputs=f"s3://{names.bucket(INPUTS)}",
        outputs=f"s3://{names.bucket(OUTPUTS)}",
        fleet=f"s3://{names.bucket(FLEET)}",
    )


def issuer(account: Account, asking: AwsSession, role: str = "") -> WorkerCredentials:
    names = account.names
    own = Order(names.fleet, role or names.private_worker_role, reach(account), needed_seconds=360.0)
    return WorkerCredentials(asking, own, SystemClock())


@pytest.fixture
async def credentials(account: Account, web_tier: AwsSession) -> dict[str, str]:
    return dict(await issuer(account, web_tier).issue())


@pytest.fixture
def worker(account: Account, credentials: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AwsSession:
    """As it is on OpenStack: what user data gave it is in its environment."""
    for name, value in credentials.items():
        monkeypatch.setenv(name, value)
    return session(account)


@asynccontextmanager
async def queues(asking: AwsSession, prefix: str) -> AsyncIterator[SqsQueues]:
    opened = SqsQueues(asking, SystemClock(), prefix)
    try:
        yield opened
    finally:
        await opened.close()


async def test_the_user_gets_what_ends_and_says_when(account: Account, credentials: dict[str, str]) -> None:
    assert credentials["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert credentials["AWS_SESSION_TOKEN"]
    assert credentials["AWS_REGION"] == REGION
    left = float(credentials[ENDS_AT]) - account.clock.now()
    assert 11 * 3600 < left < 12 * 3600


async def test_a_worker_serves_its_fleet_with_them(account: Account, worker: AwsSession) -> None:
    async with queues(worker, account.names.queue_prefix) as own:
        requests = await own.open("requests")
        # The double takes a batch for an action of its own, so it is sent in another way.
        url = account.ask("sqs", "get_queue_url", QueueName=f"{account.names.fleet}-requests")["QueueUrl"]
        account.ask("sqs", "send_message", QueueUrl=url, MessageBody="cat")
        (delivery,) = await requests.receive(1, 5)
        assert delivery.body == "cat"
    for kind in BUCKETS:
        bucket = Bucket(open_s3(f"s3://{account.names.bucket(kind)}", worker))
        await bucket.put("key", b"1")
        assert await bucket.get("key") == b"1"


async def test_without_its_session_token_nobody_takes_them(
    account: Account, worker: AwsSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    del worker
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    without = session(account)
    async with queues(without, account.names.queue_prefix) as serving:
        with pytest.raises(NotAuthorized):
            await serving.open("requests")
    with pytest.raises(NotAuthorized):
        await Bucket(open_s3(f"s3://{account.names.bucket('inputs')}", without)).put("key", b"1")


async def test_whatever_the_role_may_they_are_good_for_the_fleet_alone(
    account: Account, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role of somebody who has not read the documentation."""
    assert stack.works
    trust = {"Effect": "Allow", "Principal": {"AWS": account.names.account}, "Action": "sts:AssumeRole"}
    document = {"Version": "2012-10-17", "Statement": [trust]}
    made = account.ask("iam", "create_role", RoleName="all", AssumeRolePolicyDocument=json.dumps(document))
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    account.ask("iam", "put_role_policy", RoleName="all", PolicyName="all", PolicyDocument=json.dumps(everything))
    account.ask("sqs", "create_queue", QueueName="others-requests")
    where = {"LocationConstraint": REGION}
    account.ask("s3", "create_bucket", Bucket="others", CreateBucketConfiguration=where)
    issued = await issuer(account, session(account), made["Role"]["Arn"]).issue()
    for name, value in issued.items():
        monkeypatch.setenv(name, value)
    worker = session(account)

    async with queues(worker, account.names.queue_prefix) as own, queues(worker, "others-") as others:
        await own.open("requests")
        with pytest.raises(NotAuthorized):
            await others.open("requests")
    with pytest.raises(NotAuthorized):
        await Bucket(open_s3("s3://others", worker)).put("key", b"1")


async def test_nobody_but_the_user_gets_them(account: Account, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    account.ask("iam", "create_user", UserName="mallory")
    lends = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [lends]})
    account.ask("iam", "put_user_policy", UserName="mallory", PolicyName="all", PolicyDocument=document)
    key = account.ask("iam", "create_access_key", UserName="mallory")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])

    assert stack.private_cloud
    with pytest.raises(NotAuthorized, match="mallory is not authorized to perform: sts:AssumeRole"):
        await issuer(account, session(account)).issue()


async def test_the_user_lends_no_other_role(account: Account, web_tier: AwsSession) -> None:
    other = account.names.private_worker_role.replace("private-worker", "anything")
    with pytest.raises(NotAuthorized):
        await issuer(account, web_tier, other).issue()
