"""What buckets promise over every store; `s3://` against two independent doubles of S3."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from burstlens.buckets import Bucket, Buckets, Layout
from burstlens.errors import NotFound
from burstlens.messages import Request, Result
from support.aws_doubles import Doubles
from support.buckets import STORES, buckets_of

pytestmark = pytest.mark.anyio

WHEN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture(params=STORES)
def buckets(request: pytest.FixtureRequest, tmp_path: Path, doubles: Doubles, aws_credentials: None) -> Buckets:
    return buckets_of(request.param, tmp_path, doubles)


def a_request(number: int = 1, filename: str = "test_0.JPEG", **changes: object) -> Request:
    values: dict[str, object] = {"id": f"request-{number}", "filename": filename, "submitted_at": WHEN, "image": b"jpg"}
    return Request.model_validate(values | changes)


def a_result(number: int = 1, label: str = "bathtub", filename: str = "test_0.JPEG") -> Result:
    return Result(id=f"request-{number}", filename=filename, label=label, score=0.5, completed_at=WHEN)


async def keys(bucket: Bucket) -> list[str]:
    return sorted([key async for key in bucket.list_keys()])


async def test_only_the_first_create_counts(buckets: Buckets) -> None:
    created = await asyncio.gather(*(buckets.outputs.create("key", bytes([n])) for n in range(50)))
    assert created.count(True) == 1
    assert await buckets.outputs.get("key") == bytes([created.index(True)])


async def test_put_replaces_and_delete_repeats(buckets: Buckets) -> None:
    await buckets.fleet.put("folder/key", b"1")
    await buckets.fleet.put("folder/key", b"2")
    assert await buckets.fleet.get("folder/key") == b"2"
    assert await buckets.fleet.exists("folder/key")
    assert [key async for key in buckets.fleet.list_keys("folder")] == ["folder/key"]
    await buckets.fleet.delete("folder/key")
    await buckets.fleet.delete("folder/key")
    assert not await buckets.fleet.exists("folder/key")
    with pytest.raises(NotFound, match="folder/key"):
        await buckets.fleet.get("folder/key")


async def test_r9_a_repeated_result_is_written_once(buckets: Buckets) -> None:
    first = await buckets.put_result(a_request(), b"jpg", a_result(label="bathtub"))
    again = await buckets.put_result(a_request(), b"jpg", a_result(label="tub"))
    assert first.label == again.label == "bathtub"
    assert await buckets.get_result("request-1") == first
    assert await keys(buckets.inputs) == ["request-1"]
    assert await keys(buckets.outputs) == ["request-1.json"]


async def test_a_claim_check_is_kept_before_the_request_is_sent(buckets: Buckets) -> None:
    assert not await buckets.has_input("request-1")
    key = await buckets.put_input("request-1", b"jpg")
    assert await buckets.has_input("request-1")
    assert await buckets.get_input(a_request(image=None, input_key=key)) == b"jpg"
    assert await buckets.get_result("request-1") is None


async def test_a_forged_key_reads_nothing(buckets: Buckets) -> None:
    await buckets.put_input("request-1", b"somebody else's")
    with pytest.raises(NotFound, match="not its own"):
        await buckets.get_input(a_request(2, image=None, input_key="request-1"))


class TestFilenameLayout:
    @pytest.fixture
    def course(self, buckets: Buckets) -> Buckets:
        return Buckets(buckets.inputs, buckets.outputs, buckets.fleet, Layout.FILENAME)

    async def test_objects_are_named_as_the_course_names_them(self, course: Buckets) -> None:
        await course.put_result(a_request(), b"jpg", a_result())
        assert await keys(course.inputs) == ["test_0.JPEG"]
        assert await course.inputs.get("test_0.JPEG") == b"jpg"
        assert await keys(course.outputs) == ["test_0"]
        assert await course.outputs.get("test_0") == b"(test_0, bathtub)"

    async def test_two_uploads_of_one_name_keep_their_own_results(self, course: Buckets) -> None:
        await course.put_result(a_request(1), b"one", a_result(1, "bathtub"))
        await course.put_result(a_request(2), b"two", a_result(2, "missile"))
        first, second = await course.get_result("request-1"), await course.get_result("request-2")
        assert first is not None
        assert second is not None
        assert (first.label, second.label) == ("bathtub", "missile")
        assert await course.outputs.get("test_0") == b"(test_0, missile)"

    async def test_two_claim_checks_of_one_name_keep_their_own_images(self, course: Buckets) -> None:
        keys_of = [await course.put_input(f"request-{n}", bytes([n])) for n in (1, 2)]
        images = [await course.get_input(a_request(n, image=None, input_key=keys_of[n - 1])) for n in (1, 2)]
        assert images == [b"\1", b"\2"]

    async def test_the_staged_image_goes_once_its_result_is_there(self, course: Buckets) -> None:
        key = await course.put_input("request-1", b"jpg")
        await course.put_result(a_request(image=None, input_key=key), b"jpg", a_result())
        assert not await course.has_input("request-1")
        assert await keys(course.inputs) == ["test_0.JPEG"]

    async def test_a_duplicate_leaves_the_first_label_in_place(self, course: Buckets) -> None:
        await course.put_result(a_request(), b"jpg", a_result(label="bathtub"))
        kept = await course.put_result(a_request(), b"jpg", a_result(label="tub"))
        assert kept.label == "bathtub"
        assert await course.outputs.get("test_0") == b"(test_0, bathtub)"

    async def test_a_name_that_the_file_store_reserves_is_stored_too(self, course: Buckets) -> None:
        await course.put_result(a_request(filename="a#1"), b"jpg", a_result(filename="a#1"))
        assert await keys(course.outputs) == ["a%231"]


@pytest.mark.parametrize(
    "filename", ["x" * 255, "x" * 251 + ".jpg", "#" * 104, "é" * 127, "..", ".", ".jpg", "…" * 85, "a.b.", "con"]
)
async def test_no_file_name_makes_the_filename_layout_fail(buckets: Buckets, filename: str) -> None:
    course = Buckets(buckets.inputs, buckets.outputs, buckets.fleet, Layout.FILENAME)
    kept = await course.put_result(a_request(filename=filename), b"jpg", a_result(filename=filename))
    assert kept.label == "bathtub"
    assert len(await keys(course.inputs)) == len(await keys(course.outputs)) == 1


async def test_a_result_of_a_later_version_is_not_written_over(buckets: Buckets) -> None:
    later = b'{"version": 2, "outcome": "something else"}'
    await buckets.outputs.put("request-1.json", later)
    assert await buckets.put_result(a_request(), b"jpg", a_result()) == a_result()
    assert await buckets.outputs.get("request-1.json") == later


@pytest.mark.parametrize(
    "key", ["a b", "é…", "a%20b", "a+b", "a?b&c=d", "a\\\\b", "~|^`{}[]<>", "a/b/c.d", "'", "*", "a=b"]
)
async def test_a_key_is_what_it_says(buckets: Buckets, key: str) -> None:
    await buckets.fleet.put(key, b"1")
    assert await buckets.fleet.get(key) == b"1"
    assert await keys(buckets.fleet) == [key]
    await buckets.fleet.delete(key)
    assert await keys(buckets.fleet) == []


async def test_a_folder_is_listed_without_what_only_begins_like_it(buckets: Buckets) -> None:
    for key in ("a/1", "a/b/2", "ab/3", "b/a/4"):
        await buckets.fleet.put(key, b"")
    assert sorted([key async for key in buckets.fleet.list_keys("a")]) == ["a/1", "a/b/2"]


async def test_a_large_object_comes_back_whole(buckets: Buckets) -> None:
    image = bytes(range(256)) * 32_768  # 8 MiB, which obstore would split into parts
    await buckets.inputs.put("large", image)
    assert await buckets.inputs.get("large") == image


@pytest.mark.parametrize("layout", Layout)
async def test_r10_what_was_kept_for_a_redrive_goes_with_the_dead_letter(buckets: Buckets, layout: Layout) -> None:
    chosen = Buckets(buckets.inputs, buckets.outputs, buckets.fleet, layout)
    await chosen.put_input("request-1", b"jpg")
    await chosen.put_input("request-2", b"jpg")
    for _ in range(2):
        await chosen.forget_dead("request-1")
    assert await chosen.has_input("request-1") == (layout is Layout.ID)  # the user's own object
    assert await chosen.has_input("request-2")
