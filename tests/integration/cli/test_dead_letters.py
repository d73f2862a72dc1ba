"""`burstlens dead-letters` over queues and buckets in files, and over SQS and S3 (R10)."""

import json
import re

import pytest

from burstlens.buckets import Layout
from burstlens.clock import SystemClock
from burstlens.lane import Lane
from burstlens.messages import Request, utc
from burstlens.queues.base import Message, QueueOptions
from support.aws_doubles import Doubles
from support.commands import Home
from support.deployments import DEPLOYMENTS, lane_of, written_settings
from support.workers import REPLIES, Bench

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("aws_credentials")]

REASON = "recognition failed 3 times"


async def died(lane: Lane, name: str, *, kept: bool = False, body: str | None = None) -> str:
    """Let a request of this name die; return the id of its letter."""
    request_id, image = f"request-{name}", name.encode()
    source = {"input_key": await lane.buckets.put_input(request_id, image)} if kept else {"image": image}
    values = {"id": request_id, "filename": f"{name}.jpg", "reply_to": REPLIES, "submitted_at": utc(0)}
    await lane.requests.send([Message(body or Request.model_validate(values | source).to_json())])
    deliveries = await lane.requests.receive(1, 20)
    await lane.requests.bury(deliveries, REASON)
    seen = {letter.body: letter.message_id for letter in await lane.requests.dead_letters()}
    return seen[deliveries[0].body]


@pytest.mark.parametrize("where", DEPLOYMENTS)
async def test_dead_letters_are_listed_shown_and_redriven_to_a_label(home: Home, doubles: Doubles, where: str) -> None:
    config = written_settings(home.folder, where, doubles)
    async with lane_of(config) as lane:
        assert (await home.run("dead-letters", "list")).out == "no dead letters\n"
        first, second = await died(lane, "first"), await died(lane, "second", kept=True)

        listed = await home.run("dead-letters", "list")
        assert [line.split()[:4] for line in listed.out.splitlines()[1:]] == [
            [first, "request-first", "first.jpg", "1"],
            [second, "request-second", "second.jpg", "1"],
        ]
        assert REASON in listed.out
        lines = (await home.run("dead-letters", "list", "--json", "--limit", "1")).out.splitlines()
        assert [json.loads(line)["request_id"] for line in lines] == ["request-first"]

        shown = json.loads((await home.run("dead-letters", "show", first)).out)
        assert (shown["reason"], shown["image"]) == (REASON, {"where": "in the message", "bytes": 5})
        assert shown["request"]["filename"] == "first.jpg"
        assert "image" not in shown["request"]
        shown = json.loads((await home.run("dead-letters", "show", second)).out)
        assert re.fullmatch(r"(file|s3)://.+/inputs/request-second", shown["image"]["where"])
        assert ("link" in shown["image"]) is (where == "aws")

        assert (await home.run("dead-letters", "redrive", second)).out == "redriven: 1\n"
        assert (await home.run("dead-letters", "redrive", "--all")).out == "redriven: 1\n"
        assert await lane.requests.dead_letter_count() == 0
        replies = await lane.queues.create(REPLIES, QueueOptions())
        bench = Bench(lane, replies, QueueOptions(), SystemClock())
        async with bench.working():
            results = await bench.replies_until(2)
        assert {result.id: result.label for result in results} == {
            "request-first": "first",
            "request-second": "second",
        }


@pytest.mark.parametrize("where", DEPLOYMENTS)
@pytest.mark.parametrize("layout", Layout)
async def test_a_purged_letter_takes_its_staged_image_with_it_and_no_object_of_the_user_s(
    home: Home, doubles: Doubles, where: str, layout: Layout
) -> None:
    config = written_settings(home.folder, where, doubles, layout)
    async with lane_of(config) as lane:
        letters = [await died(lane, name, kept=True) for name in ("first", "second", "third")]
        await died(lane, "unreadable", body="no request")
        assert (await home.run("dead-letters", "purge", letters[0], letters[0], "--yes")).out == "purged: 1\n"
        users_own = layout is Layout.ID
        assert await lane.buckets.has_input("request-first") == users_own
        assert await lane.buckets.has_input("request-second")
        assert (await home.run("dead-letters", "purge", "--all", "--yes")).out == "purged: 3\n"
        assert await lane.requests.dead_letter_count() == 0
        for name in ("second", "third"):
            assert await lane.buckets.has_input(f"request-{name}") == users_own


async def test_nothing_is_purged_before_the_operator_says_so(home: Home, doubles: Doubles) -> None:
    async with lane_of(written_settings(home.folder, "files", doubles)) as lane:
        letter = await died(lane, "first")
        asked = await home.shell(f"echo n | burstlens dead-letters purge {letter}")
        assert "Forget 1 dead letter(s) for good? [y/N]" in asked.out
        assert "nothing was purged" in asked.out
        assert (await home.run("dead-letters", "purge", "--all")).code != 0  # nobody answers
        assert await lane.requests.dead_letter_count() == 1
        assert "purged: 1" in (await home.shell("echo y | burstlens dead-letters purge --all")).out
        assert await lane.requests.dead_letter_count() == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("show none", "there is no dead letter 'none'; see: burstlens dead-letters list"),
        ("redrive {} none", "there is no dead letter 'none'"),
        ("purge none {} --yes", "there is no dead letter 'none'"),
        ("redrive", "name the dead letters by their ids, or say --all"),
        ("purge", "name the dead letters by their ids, or say --all"),
        ("purge {} --all", "or say --all, not both"),
        ("list --limit 0", "Invalid value for '--limit'"),
    ],
)
async def test_what_names_no_dead_letter_changes_nothing(
    home: Home, doubles: Doubles, arguments: str, says: str
) -> None:
    async with lane_of(written_settings(home.folder, "files", doubles)) as lane:
        letter = await died(lane, "first")
        done = await home.run("dead-letters", *arguments.format(letter).split())
        assert done.code != 0
        assert done.out == ""
        (line,) = done.err.splitlines()
        assert says in line
        assert await lane.requests.dead_letter_count() == 1


async def test_a_letter_that_is_no_request_is_shown_as_far_as_it_can_be(home: Home, doubles: Doubles) -> None:
    async with lane_of(written_settings(home.folder, "files", doubles)) as lane:
        letter = await died(lane, "first", body="no request, é")
        assert letter in (await home.run("dead-letters", "list")).out
        shown = json.loads((await home.run("dead-letters", "show", letter)).out)
        assert (shown["request_id"], shown["body_bytes"]) == (None, 14)


async def test_a_list_that_is_not_all_says_so(home: Home, doubles: Doubles) -> None:
    async with lane_of(written_settings(home.folder, "files", doubles)) as lane:
        for number in range(3):
            await died(lane, f"number-{number}")
        assert (await home.run("dead-letters", "list", "--limit", "2")).out.endswith("and 1 more; see --limit\n")
