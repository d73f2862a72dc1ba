"""A call that makes something is heard to its end."""

import asyncio

import pytest

from burstlens.deploy.aws.uninterrupted import uninterrupted

pytestmark = pytest.mark.anyio


async def test_a_cancellation_waits_until_what_was_begun_has_ended_and_is_raised_then() -> None:
    made: list[str] = []
    answer = asyncio.Event()

    async def make() -> None:
        await answer.wait()
        made.append("instance")

    task = asyncio.ensure_future(uninterrupted(make()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    answer.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert made == ["instance"]


async def test_without_a_cancellation_it_is_the_call_itself() -> None:
    async def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await uninterrupted(fail())
    assert await uninterrupted(asyncio.sleep(0, "answer")) == "answer"
