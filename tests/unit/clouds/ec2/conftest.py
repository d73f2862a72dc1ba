"""EC2 without EC2."""

from collections.abc import Iterator

import pytest

from support.ec2_stub import StubbedSession


@pytest.fixture
def session(aws_credentials: None) -> Iterator[StubbedSession]:
    """What the adapter calls, with the answers that a test gives."""
    del aws_credentials
    session = StubbedSession()
    with session.stub:
        yield session
