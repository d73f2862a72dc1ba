"""S3 as obstore's store: where it is and who asks come from the session, so profiles and instance roles work alike."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import S3Store

from burstlens.aws.options import Encryption
from burstlens.aws.session import AwsSession
from burstlens.errors import Misconfigured

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Credential

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""Source: S3's "Bucket naming rules"."""
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[\w./~-]*)?")
"""obstore only asks itself when it is called, and then panics."""

_TRUSTED_FOR = timedelta(minutes=6)
"""How long obstore may keep credentials. It asks again once less than five minutes of that are left (object_store's
`TokenCache`), so each minute. botocore, which it asks, holds none that end within ten minutes."""

_CONNECT, _SILENCE, _REQUEST = timedelta(seconds=5), timedelta(seconds=20), timedelta(minutes=10)
"""Silence begins with the request, so an image of 20 MiB has to be up by then (9 Mbit/s); a model may take longer to
come down."""
_RETRIES, _RETRYING = 2, timedelta(seconds=20)
"""An outage shows within a second (refused) to 40 (silent); obstore's own limit is three minutes. Whoever must not give
up insists by itself."""


def open_s3(url: str, session: AwsSession, encryption: Encryption = Encryption.BUCKET, kms_key: str = "") -> S3Store:
    """Open ``s3://bucket`` or ``s3://bucket/prefix``. Asks nobody, but for what `AwsSession.region` says.

    Args:
        url: the bucket, and the folder in it that keys are below.
        session: where S3 is and whose credentials are used, at the time of each call.
        encryption: what is asked of S3 with each object that is written.
        kms_key: id, alias or ARN of the key for ``aws:kms``; empty is the account's own key for S3.

    Raises:
        Misconfigured: the URL names no bucket, nobody says which region, or the endpoint is no URL.
    """
    parts = urlsplit(url)
    bucket, prefix = parts.netloc, unquote(parts.path).strip("/")
    if parts.scheme != "s3" or not _BUCKET.fullmatch(bucket):
        message = f"{url!r} is no bucket of S3; write s3://BUCKET or s3://BUCKET/FOLDER"
        raise Misconfigured(message)
    # The certificate of S3 holds one level of names, so a bucket with a dot can only be named in the path.
    path_style = session.path_style or "." in bucket
    config: S3Config = {"region": session.region, "virtual_hosted_style_request": not path_style}
    endpoint = (session.endpoint or "").rstrip("/")
    if endpoint:
        config["endpoint"] = _checked(endpoint) if path_style else _with_bucket(_checked(endpoint), bucket)
    if encryption is not Encryption.BUCKET:
        config["server_side_encryption"] = encryption.value
    if encryption is Encryption.KMS and kms_key:
        config["sse_kms_key_id"] = kms_key
    client: ClientConfig = {"connect_timeout": _CONNECT, "read_timeout": _SILENCE, "timeout": _REQUEST}
    client["allow_http"] = endpoint.startswith("http://")  # who writes http:// means it
    retry: RetryConfig = {"max_retries": _RETRIES, "retry_timeout": _RETRYING}

    def credentials() -> "S3Credential":
        """Called on a thread of obstore's, never on the event loop's."""
        now = session.credentials()
        return {
            "access_key_id": now.access_key or "",
            "secret_access_key": now.secret_key or "",
            "token": now.token,
            "expires_at": datetime.now(UTC) + _TRUSTED_FOR,
        }

    try:
        return S3Store(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options=client,
            retry_config=retry,
            credential_provider=credentials,
        )
    except (BaseError, ValueError) as error:
        message = f"cannot open the bucket {url!r}: {str(error).partition(chr(10))[0]}"
        raise Misconfigured(message) from error


def _checked(endpoint: str) -> str:
    if not _ENDPOINT.fullmatch(endpoint):
        message = f"the endpoint {endpoint!r} is no URL; set aws.endpoint to such as https://s3.example.org"
        raise Misconfigured(message)
    return endpoint


def _with_bucket(endpoint: str, bucket: str) -> str:
    """The endpoint with the bucket in its host, which obstore leaves to its caller."""
    parts = urlsplit(endpoint)
    return parts._replace(netloc=f"{bucket}.{parts.netloc}").geturl()
