"""Calls that make something: whoever is cancelled in one waits for its end, or nobody would know what to remove."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")


async def uninterrupted(work: Coroutine[None, None, Result]) -> Result:
    """What `work` returns or raises. A cancellation is raised once it has ended."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        task.cancelled() or task.exception()  # looked at, or asyncio would warn of it
        raise
