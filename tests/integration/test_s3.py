"""S3 through the settings' session: who asks, where, how it is encrypted, and what its troubles mean."""

import asyncio
import hashlib
import json
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from burstlens.aws.options import AwsOptions, Encryption
from burstlens.aws.s3 import open_s3
from burstlens.aws.session import AwsSession, call_blocking
from burstlens.buckets import Bucket, Buckets, Layout, open_store
from burstlens.errors import BurstlensError, Misconfigured, NotAuthorized, Unavailable
from burstlens.recognition.base import Recognition
from burstlens.recognition.loading import load_classifier
from burstlens.recognition.sources import find_model
from support.aws_doubles import REGION, Doubles
from support.buckets import made, s3, session_on
from support.colours import colour, graph, written

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("aws_credentials")]


@pytest.fixture(params=["moto", "ministack"])
def url(request: pytest.FixtureRequest, doubles: Doubles) -> str:
    return doubles.by_name(request.param).url


def head(url: str, key: str) -> Mapping[str, Any]:
    return call_blocking(session_on(url).client("s3"), "head_object", Bucket=made(url), Key=key)


def fetched(link: str) -> bytes:
    """As a browser fetches it: without credentials."""
    with urllib.request.urlopen(link) as answer:  # noqa: S310 - a double on loopback
        body: bytes = answer.read()
        return body


@pytest.mark.parametrize(
    ("encryption", "key"), [(Encryption.AES256, ""), (Encryption.KMS, "alias/burstlens"), (Encryption.AES256, "unused")]
)
async def test_every_object_is_written_with_the_encryption_of_the_settings(
    url: str, encryption: Encryption, key: str
) -> None:
    bucket = Bucket(s3(url, "encrypted", encryption, key))
    await bucket.put("put", b"1")
    await bucket.delete("created")
    assert await bucket.create("created", b"2")
    for name in ("put", "created"):
        found = head(url, f"encrypted/{name}")
        assert found["ServerSideEncryption"] == encryption
        assert found.get("SSEKMSKeyId", "") == (key if encryption is Encryption.KMS else "")


async def test_the_account_s_own_key_needs_no_name(doubles: Doubles) -> None:  # ministack asks for one
    await Bucket(s3(doubles.moto.url, "own-key", Encryption.KMS)).put("key", b"1")
    assert head(doubles.moto.url, "own-key/key")["ServerSideEncryption"] == "aws:kms"


@pytest.mark.parametrize("layout", Layout)
async def test_a_signed_link_shows_the_image_to_a_browser_that_has_no_credentials(url: str, layout: Layout) -> None:
    inputs, outputs, fleet = (Bucket(s3(url)) for _ in range(3))
    buckets = Buckets(inputs, outputs, fleet, layout)
    await buckets.put_input("request-1", b"jpg")
    link = await buckets.input_link("request-1", 60)
    assert link is not None
    assert "X-Amz-Expires=60" in link
    assert await asyncio.to_thread(fetched, link) == b"jpg"
    other = await inputs.link("a b/é?", 60)
    assert other is not None
    with pytest.raises(urllib.error.HTTPError, match="404"):
        await asyncio.to_thread(fetched, other)


@pytest.mark.parametrize("place", ["memory:///", "file"])
async def test_a_store_that_cannot_sign_gives_no_link(tmp_path: Path, place: str) -> None:
    bucket = Bucket(open_store(tmp_path.as_uri() if place == "file" else place))
    assert await bucket.link("key", 60) is None


async def test_a_list_has_every_page(doubles: Doubles) -> None:
    bucket = Bucket(s3(doubles.ministack.url))
    names = {f"folder/{n:04}" for n in range(1001)}
    await asyncio.gather(*(bucket.put(name, b"") for name in names))
    assert {key async for key in bucket.list_keys("folder")} == names


async def test_a_bucket_that_is_not_there_is_said_and_is_not_just_empty(url: str) -> None:
    bucket = Bucket(open_s3("s3://no-such-bucket", session_on(url)))

    async def listed() -> list[str]:
        return [key async for key in bucket.list_keys()]

    for call in (bucket.put("k", b""), bucket.create("k", b""), bucket.get("k"), listed()):
        with pytest.raises(Misconfigured, match="there is no bucket"):
            await call


@pytest.mark.parametrize(
    "address", ["s3://", "s3:///folder", "s3:bucket", "https://bucket", "s3://Bucket", "s3://b%20c"]
)
def test_what_names_no_bucket_is_refused(address: str) -> None:
    with pytest.raises(Misconfigured, match="is no bucket of S3"):
        open_s3(address, AwsSession(AwsOptions()))


@pytest.mark.parametrize("folder", ["a//b", "..", "a/../b"])
def test_a_folder_that_cannot_be_one_is_refused(folder: str) -> None:
    with pytest.raises(Misconfigured, match="cannot open the bucket"):
        open_s3(f"s3://bucket/{folder}", AwsSession(AwsOptions()))


@pytest.mark.parametrize("endpoint", ["https://a b", "http://", "https://{}"])
def test_an_endpoint_that_is_none_is_refused(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)  # the settings check theirs
    with pytest.raises(Misconfigured, match="is no URL"):
        open_s3("s3://bucket", AwsSession(AwsOptions()))


@pytest.mark.parametrize(
    ("address", "options", "endpoint"),
    [
        ("s3://bucket/folder", {"path_style": False}, "http://bucket.127.0.0.1:1234"),
        ("s3://bucket/folder", {}, "http://127.0.0.1:1234"),
        ("s3://a.b/folder", {"path_style": False}, "http://127.0.0.1:1234"),
    ],
)
def test_a_bucket_is_in_the_host_or_in_the_path_as_the_settings_say(
    address: str, options: dict[str, bool], endpoint: str
) -> None:
    store = open_s3(address, AwsSession(AwsOptions(endpoint="http://127.0.0.1:1234", **options)))
    assert store.config["endpoint"] == endpoint
    assert str(store.config["virtual_hosted_style_request"]) == ("true" if "bucket." in endpoint else "false")
    assert (store.config["bucket"], store.config["region"], store.prefix) == (address.split("/")[2], REGION, "folder")


async def test_plain_http_is_only_used_where_it_is_written_down() -> None:
    plain = open_s3("s3://bucket", AwsSession(AwsOptions(endpoint="http://127.0.0.1:1")))
    assert open_s3("s3://bucket", AwsSession(AwsOptions())).client_options != plain.client_options
    secure = open_s3("s3://bucket", AwsSession(AwsOptions(endpoint="https://127.0.0.1:1")))
    assert (plain.client_options or {})["allow_http"] != (secure.client_options or {})["allow_http"]


async def test_a_profile_s_credentials_are_used_and_asked_for_again(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper, config = tmp_path / "helper.py", tmp_path / "config"
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    answer = {"Version": 1, "AccessKeyId": "OF-A-PROFILE", "SecretAccessKey": "x", "Expiration": until}
    helper.write_text(f"print({json.dumps(answer)!r})")
    config.write_text(f"[profile burst]\ncredential_process = {sys.executable} {helper}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "burst")
    store = open_s3(f"s3://{made(url)}/profile", session_on(url))
    bucket = Bucket(store)
    await bucket.put("key", b"1")
    assert "X-Amz-Credential=OF-A-PROFILE" in str(await bucket.link("key", 60))
    provider = store.credential_provider
    assert provider is not None
    given = provider()
    assert isinstance(given, dict)
    # obstore asks again once less than five minutes of what it was given are left.
    expires_at = given["expires_at"]
    assert expires_at is not None
    assert timedelta(minutes=5) < expires_at - datetime.now(UTC) < timedelta(minutes=10)


async def test_no_credentials_at_all_is_said_by_the_first_call(
    doubles: Doubles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    bucket = Bucket(open_s3("s3://bucket", session_on(doubles.moto.url)))
    with pytest.raises(NotAuthorized, match="no AWS credentials: the default chain"):
        await bucket.put("key", b"")


@contextmanager
def answering(status: int, code: str) -> Iterator[str]:
    """A server that gives one answer to everything, as S3 words it."""
    body = f"<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>in its own words</Message></Error>".encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.do_PUT()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", NotAuthorized),
        (403, "InvalidAccessKeyId", NotAuthorized),
        (400, "ExpiredToken", NotAuthorized),
        (404, "NoSuchBucket", Misconfigured),
        (503, "SlowDown", Unavailable),
        (400, "AuthorizationHeaderMalformed", Unavailable),
    ],
)
async def test_what_s3_refuses_with_is_told_in_its_own_words(
    status: int, code: str, kind: type[BurstlensError]
) -> None:
    with answering(status, code) as url:
        bucket = Bucket(open_s3("s3://bucket", session_on(url)))
        for call in (bucket.put("k", b""), bucket.get("k")):
            with pytest.raises(kind, match="'k'") as raised:
                await call
            assert kind is Misconfigured or f"{code}: in its own words" in str(raised.value)


async def test_an_outage_is_unavailable_and_not_waited_out() -> None:
    bucket = Bucket(open_s3("s3://bucket", session_on("http://127.0.0.1:1")))
    async with asyncio.timeout(30):  # obstore's own patience is three minutes
        for call in (bucket.put("k", b""), bucket.get("k"), bucket.create("k", b"")):
            with pytest.raises(Unavailable):
                await call


def test_a_model_in_a_bucket_is_fetched_with_the_settings_of_s3(url: str, tmp_path: Path) -> None:
    file = written(tmp_path / "models", sha256=hashlib.sha256(graph()).hexdigest())
    client = session_on(url).client("s3")
    for path in file.parent.iterdir():
        call_blocking(client, "put_object", Bucket=made(url), Key=f"models/{path.name}", Body=path.read_bytes())
    here = AwsOptions(endpoint=url, region=REGION)
    reference = f"s3://{made(url)}/models/{file.name}"
    (outcome,) = load_classifier(reference, cache=tmp_path / "cache", aws=here).recognise([colour("blue")])
    assert isinstance(outcome, Recognition)
    assert outcome.top[0].label == "blue"
    with pytest.raises(Misconfigured, match=f"s3://{made(url)}/models/none.toml"):
        find_model(f"s3://{made(url)}/models/none.onnx", cache=tmp_path / "cache", aws=here)
