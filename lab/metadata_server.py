"""The metadata service of one instance (IMDSv2), on loopback: what EC2 serves at 169.254.169.254.

One instance is one server, and whoever has it may change the instance meanwhile: a spot notice, a new tag. Its clients
find it through ``AWS_EC2_METADATA_SERVICE_ENDPOINT``, which botocore knows, too.
"""

import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
ROLE = "burstlens"
LONGEST_TOKEN_SECONDS = 21_600
"""Of AWS ("Use the Instance Metadata Service to access instance metadata")."""

_CREDENTIALS_HOURS = 6
_POLL_SECONDS = 0.1
"""How soon a server notices that it is to stop."""


@dataclass
class InstanceMetadata:
    """What the service says of one instance; every field may be changed while it is served."""

    instance_id: str
    tags: dict[str, str] = field(default_factory=dict)
    """Empty is as with ``InstanceMetadataTags: disabled``."""
    region: str = "us-east-1"
    credentials: Mapping[str, str] = field(default_factory=dict)
    """Of the instance's role: ``AccessKeyId``, ``SecretAccessKey`` and ``Token``; empty is an instance without one."""
    spot_action: dict[str, str] | None = None
    """``{"action": "terminate", "time": "2017-09-18T08:22:00Z"}``"""
    rebalance: str | None = None
    """Time of the notice, such as ``2020-10-27T08:22:00Z``."""
    user_data: str = ""

    def paths(self) -> dict[str, str]:
        """Everything that can be asked for now, by its path below ``/latest/``."""
        data = {
            "meta-data/instance-id": self.instance_id,
            "meta-data/placement/region": self.region,
            "meta-data/placement/availability-zone": f"{self.region}a",
            "dynamic/instance-identity/document": json.dumps({"instanceId": self.instance_id, "region": self.region}),
        }
        tags = dict(self.tags)
        if tags:
            data["meta-data/tags/instance"] = "\n".join(tags)
        data |= {f"meta-data/tags/instance/{key}": value for key, value in tags.items()}
        if self.credentials:
            data["meta-data/iam/security-credentials"] = ROLE
            data[f"meta-data/iam/security-credentials/{ROLE}"] = json.dumps(self._role())
        if self.spot_action is not None:
            data["meta-data/spot/instance-action"] = json.dumps(self.spot_action)
        if self.rebalance is not None:
            data["meta-data/events/recommendations/rebalance"] = json.dumps({"noticeTime": self.rebalance})
        if self.user_data:
            data["user-data"] = self.user_data
        return data

    def _role(self) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "Expiration": f"{now + timedelta(hours=_CREDENTIALS_HOURS):%Y-%m-%dT%H:%M:%SZ}",
            **self.credentials,
        }


class MetadataServer:
    """Serves one instance's metadata between `start` and `stop`; may be started again, at the same address."""

    def __init__(self, metadata: InstanceMetadata) -> None:
        self.metadata = metadata
        self.asked: list[str] = []
        """Status, method and path of every answer so far."""
        self._tokens: dict[str, float] = {}
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    def start(self) -> str:
        """Serve; returns the endpoint's URL."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), partial(_Handler, self))
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=[_POLL_SECONDS], daemon=True).start()
        return f"http://127.0.0.1:{self._port}"

    def stop(self) -> None:
        """Stop serving; the port is free afterwards."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def forget_tokens(self) -> None:
        """Refuse every token that is out, as when its time is over."""
        self._tokens.clear()

    def new_token(self, seconds: int) -> str:
        """A token that is good for so long."""
        token = secrets.token_urlsafe(32)
        self._tokens[token] = time.monotonic() + seconds
        return token

    def takes(self, token: str) -> bool:
        """Whether this token is good now."""
        return self._tokens.get(token, 0.0) > time.monotonic()


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.0: every connection ends with its answer, so that `stop` has nobody to wait for."""

    def __init__(self, owner: MetadataServer, *arguments: object) -> None:
        self._owner = owner
        super().__init__(*arguments)  # type: ignore[arg-type] # socketserver's own three

    def do_PUT(self) -> None:
        """A token, by the rules of IMDSv2: none for what came through a proxy."""
        seconds = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token":
            self._answer(405)
        elif "X-Forwarded-For" in self.headers:
            self._answer(403)
        elif not seconds.isdecimal() or not 1 <= int(seconds) <= LONGEST_TOKEN_SECONDS:
            self._answer(400)
        else:
            self._answer(200, self._owner.new_token(int(seconds)), seconds)

    def do_GET(self) -> None:
        """Metadata, for those who have a token: there is no IMDSv1 here."""
        if not self._owner.takes(self.headers.get("X-aws-ec2-metadata-token", "")):
            self._answer(401)
            return
        found = self._owner.metadata.paths().get(self.path.removeprefix("/latest/").rstrip("/"))
        self._answer(404 if found is None else 200, found or "")

    def _answer(self, status: int, text: str = "", token_seconds: str = "") -> None:
        self._owner.asked.append(f"{status} {self.command} {self.path}")
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        if token_seconds:
            self.send_header("X-aws-ec2-metadata-token-ttl-seconds", token_seconds)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@contextmanager
def serving(metadata: InstanceMetadata) -> Iterator[str]:
    """Serve it while the block runs; the value is the endpoint's URL."""
    server = MetadataServer(metadata)
    url = server.start()
    try:
        yield url
    finally:
        server.stop()
