"""A disk fetched from S3, on a double: whole, compared, and with nothing left of a failure."""

import hashlib
import io
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession
from burstlens.deploy.openstack_image import s3_object
from burstlens.deploy.openstack_image.s3_object import S3Object
from burstlens.deploy.openstack_image.source import fetched
from burstlens.errors import Misconfigured, NotFound, Unavailable
from support.aws_doubles import REGION, Doubles

CONTENT = bytes(range(256)) * 4096
PART = 5 << 20
"""The least that S3 takes for a part but the last."""


@dataclass
class Store:
    """A bucket of its own, and a folder to fetch to."""

    options: AwsOptions
    client: Any
    folder: Path
    bucket: str

    def put(self, key: str, content: bytes = CONTENT) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def put_in_parts(self, key: str, *parts: bytes) -> None:
        upload = self.client.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        where = {"Bucket": self.bucket, "Key": key, "UploadId": upload}
        done = [
            {"PartNumber": number, "ETag": self.client.upload_part(**where, PartNumber=number, Body=part)["ETag"]}
            for number, part in enumerate(parts, start=1)
        ]
        self.client.complete_multipart_upload(**where, MultipartUpload={"Parts": done})

    def found(self, key: str) -> S3Object:
        return S3Object(AwsSession(self.options), f"s3://{self.bucket}/{key}")

    def fetch(self, key: str) -> bytes:
        with fetched(f"s3://{self.bucket}/{key}", self.options, self.folder, lambda _: None) as source:
            content = source.path.read_bytes()
            assert source.digest == hashlib.sha512(content).hexdigest()
        return content


@pytest.fixture
def store(aws_credentials: None, doubles: Doubles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    del aws_credentials
    monkeypatch.setattr(s3_object, "_PAUSE_SECONDS", 0.01)
    options = AwsOptions(endpoint=doubles.moto.url, region=REGION)
    store = Store(options, AwsSession(options).client("s3"), tmp_path, f"disks-{uuid.uuid4().hex}")
    store.client.create_bucket(Bucket=store.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return store


def spoil(monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes]) -> list[int]:
    """Change what comes from S3 from now on; the list gets the size of each answer as it was sent."""
    ask, sent = S3Object._ask, []

    def spoiled(found: S3Object, operation: str, **parameters: object) -> Any:  # noqa: ANN401 - AWS's own shapes
        answer = ask(found, operation, **parameters)
        if operation != "get_object":
            return answer
        data = answer["Body"].read()
        sent.append(len(data))
        return {**answer, "Body": io.BytesIO(change(data))}

    monkeypatch.setattr(S3Object, "_ask", spoiled)
    return sent


def test_an_object_is_fetched_range_by_range(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_object, "_RANGE_BYTES", 600_000)
    sent = spoil(monkeypatch, bytes)
    store.put("exports/disk.vmdk")

    found = store.found("exports/disk.vmdk")
    found.fetch(store.folder / "disk", lambda _: None)

    assert (store.folder / "disk").read_bytes() == CONTENT
    assert sent == [600_000, len(CONTENT) - 600_000]


def test_nothing_is_left_of_what_was_fetched(store: Store) -> None:
    store.put("disk.vmdk")

    assert store.fetch("disk.vmdk") == CONTENT
    assert list(store.folder.iterdir()) == []


def test_an_object_that_was_uploaded_in_parts_is_compared_part_by_part(store: Store) -> None:
    parts = b"a" * PART, b"b" * (PART + 1), b"c"
    store.put_in_parts("disk.vmdk", *parts)

    assert store.fetch("disk.vmdk") == b"".join(parts)


def test_a_transfer_that_breaks_off_goes_on_where_it_ended(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("disk")
    sent = spoil(monkeypatch, lambda data: data[:500_000])

    store.found("disk").fetch(store.folder / "disk", lambda _: None)

    assert (store.folder / "disk").read_bytes() == CONTENT
    assert sent == [len(CONTENT), len(CONTENT) - 500_000, len(CONTENT) - 1_000_000]


def test_a_transfer_that_never_comes_to_its_end_fails_and_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("disk")
    spoil(monkeypatch, lambda _: b"")

    with pytest.raises(Unavailable, match="ended too soon"):
        store.fetch("disk")
    assert list(store.folder.iterdir()) == []


@pytest.mark.parametrize("parts", [(CONTENT,), (b"a" * PART, b"b")])
def test_bytes_that_change_on_their_way_are_noticed(
    store: Store, parts: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(parts) > 1:
        store.put_in_parts("disk", *parts)
    else:
        store.put("disk", *parts)
    spoil(monkeypatch, lambda data: b"\xff" + data[1:])

    with pytest.raises(Unavailable, match="what came is not what S3 has"):
        store.fetch("disk")


def test_an_object_that_is_replaced_meanwhile_is_not_mixed_with_the_new_one(store: Store) -> None:
    store.put("disk")
    found = store.found("disk")
    store.put("disk", b"x" * len(CONTENT))

    with pytest.raises(Misconfigured, match="PreconditionFailed"):
        found.fetch(store.folder / "disk", lambda _: None)


def test_the_sum_beside_an_object_has_to_be_its_own(store: Store) -> None:
    store.put("disk")
    store.put("disk.sha256", f"{hashlib.sha256(CONTENT).hexdigest()}  disk\n".encode())
    assert store.fetch("disk") == CONTENT

    store.put("disk.sha256", b"0" * 64)
    with pytest.raises(Misconfigured, match="says 0000"):
        store.fetch("disk")


def test_the_sum_beside_a_file_has_to_be_its_own(tmp_path: Path) -> None:
    path = tmp_path / "disk.vmdk"
    path.write_bytes(CONTENT)
    beside = tmp_path / "disk.vmdk.sha256"
    beside.write_text(f"{hashlib.sha256(CONTENT).hexdigest()}  disk.vmdk\n")
    with fetched(str(path), AwsOptions(), tmp_path, lambda _: None) as source:
        assert source.path == path

    beside.write_text("")
    with (
        pytest.raises(Misconfigured, match="beside it says nothing"),
        fetched(str(path), AwsOptions(), tmp_path, lambda _: None),
    ):
        pass
    assert path.exists()


def test_an_object_that_is_not_there_is_said(store: Store) -> None:
    with pytest.raises(NotFound):
        store.fetch("missing")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(Misconfigured, match="there is no such file"),
        fetched(str(tmp_path / "missing"), AwsOptions(), tmp_path, lambda _: None),
    ):
        pass


@pytest.mark.parametrize("address", ["s3://disks", "s3:///disk", "s3:disk", "s3://disks/"])
def test_an_address_without_bucket_or_key_is_refused(address: str) -> None:
    with pytest.raises(Misconfigured, match="s3://BUCKET/KEY"):
        S3Object(AwsSession(AwsOptions(region=REGION)), address)
