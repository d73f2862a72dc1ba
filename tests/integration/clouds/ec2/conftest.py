"""EC2 on moto, and a proxy before it that fails on request."""

from collections.abc import AsyncIterator, Iterator

import pytest

from burstlens.aws.session import call_blocking
from support.aws_doubles import CREDENTIALS, Double, Doubles
from support.ec2 import Ec2, ec2_at, session
from support.ec2_faults import Faults, proxy_before


@pytest.fixture(scope="session")
def proxy(doubles: Doubles) -> Iterator[Double]:
    """One for all tests. Its first answer takes it three seconds of work, for which no test should have to wait."""
    proxy = proxy_before(doubles.ec2.url)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        client = session(proxy.url).client("ec2")
        call_blocking(client, "describe_instances")
        client.close()
    yield proxy
    proxy.stop()


@pytest.fixture
async def ec2(doubles: Doubles, aws_credentials: None) -> AsyncIterator[Ec2]:
    """An account of its own."""
    del aws_credentials
    async with ec2_at(doubles.ec2.url) as account:
        yield account


@pytest.fixture
async def faults(proxy: Double) -> AsyncIterator[Faults]:
    """What goes wrong on the way to EC2: nothing yet."""
    async with Faults(proxy.url) as faults:
        yield faults


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are not repeated by botocore, whose pauses would make a test slow."""
    monkeypatch.setattr("burstlens.aws.session._ATTEMPTS", 1)
