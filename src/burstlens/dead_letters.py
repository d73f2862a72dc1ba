"""Dead letters from the operator's side: what is in one, which ones are meant, and what goes when one is forgotten."""

from collections.abc import Sequence

from burstlens.errors import BurstlensError, NotFound
from burstlens.lane import Lane
from burstlens.messages import Request, utc
from burstlens.queues.base import DeadLetter

_LINK_SECONDS = 3600.0
"""Long enough to look at the picture; whoever has the link needs no credentials."""
_BATCH = 100
"""How many are read at a time; each may carry an image."""


def opened_request(letter: DeadLetter) -> Request | None:
    """The request that died, or None when it is none that can be read."""
    try:
        return Request.parse(letter.body)
    except BurstlensError:
        return None


def described(letter: DeadLetter) -> dict[str, object]:
    """The letter in short, for people and programs."""
    request = opened_request(letter)
    return {
        "id": letter.message_id,
        "request_id": request.id if request else None,
        "filename": request.filename if request else None,
        "attempts": letter.attempts,
        "died_at": utc(letter.died_at).isoformat(timespec="seconds"),
        "reason": letter.reason,
    }


async def detailed(letter: DeadLetter, lane: Lane, images: str) -> dict[str, object]:
    """The letter with its whole request, and where its image is: with a link to it, where the bucket can give one.

    Args:
        letter: what is shown.
        lane: where it is from.
        images: the URL of the images' home.
    """
    request = opened_request(letter)
    if request is None:
        return {**described(letter), "body_bytes": len(letter.body.encode())}
    image: dict[str, object]
    if request.image is not None:
        image = {"where": "in the message", "bytes": len(request.image)}
    else:
        image = {"where": f"{images}/{request.input_key}"}
        if link := await lane.buckets.input_link(request.id, _LINK_SECONDS):
            image["link"] = link
    return {
        **described(letter),
        "request": request.model_dump(mode="json", exclude={"image"}, exclude_none=True),
        "image": image,
    }


async def find(lane: Lane, ids: Sequence[str]) -> list[DeadLetter]:
    """These dead letters.

    Raises:
        NotFound: one of them is none.
    """
    letters = {letter.message_id: letter for letter in await _everything(lane)}
    missing = [letter_id for letter_id in ids if letter_id not in letters]
    if missing:
        message = f"there is no dead letter {', '.join(map(repr, missing))}; see: burstlens dead-letters list"
        raise NotFound(message)
    return [letters[letter_id] for letter_id in ids]


async def _everything(lane: Lane) -> list[DeadLetter]:
    # Where counts are only estimates, there may be more.
    return await lane.requests.dead_letters(2 * await lane.requests.dead_letter_count() + _BATCH)


async def forget(lane: Lane, ids: Sequence[str] | None) -> int:
    """Purge these dead letters (None: all), and what was kept for the day when they are redriven; return how many.

    Raises:
        NotFound: one of them is none; nothing was purged.
    """
    if ids is not None:
        return await _purge(lane, await find(lane, ids))
    if not lane.buckets.keeps_for_redrive:
        return await lane.requests.purge_dead_letters()
    total = 0
    while letters := await lane.requests.dead_letters(_BATCH):
        purged = await _purge(lane, letters)
        if not purged:
            break
        total += purged
    return total


async def _purge(lane: Lane, letters: Sequence[DeadLetter]) -> int:
    """The letters go first: dying after that leaves an image too many, the other way round one too few."""
    purged = await lane.requests.purge_dead_letters([letter.message_id for letter in letters])
    for letter in letters:
        if (request := opened_request(letter)) is not None:
            await lane.buckets.forget_dead(request.id)
    return purged
