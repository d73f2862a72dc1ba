"""What short-lived credentials of workers are good for: the fleet's queues and buckets, and nothing else. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from burstlens.errors import Misconfigured

MAX_CHARACTERS = 2048
"""Of a session policy (IAM, "IAM and AWS STS quotas"). What STS packs it into has a limit of its own, and an error."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What workers of a fleet get at, by its names on AWS."""

    requests: str
    """The request queue's."""
    dead_letters: str
    """That of its dead-letter queue."""
    responses: str
    """Of the response queues; ``*`` stands for any end."""
    inputs: str
    """Bucket, as ``s3://BUCKET`` or ``s3://BUCKET/FOLDER``."""
    outputs: str
    fleet: str
    models: tuple[str, ...] = ()
    """Objects that are read, with what is beside them: ``s3://BUCKET/FOLDER/OBJECT``."""


def session_policy(reach: Reach, role: str, region: str) -> str:
    """The policy that is handed to AssumeRole, as JSON. What is in it is allowed only as far as the role allows it.

    It names the calls that a worker makes, as does the WorkerPolicy of `burstlens.deploy.aws`.

    Args:
        reach: of the fleet.
        role: ARN of the role; the queues are in its account.
        region: of the queues.

    Raises:
        Misconfigured: the names of queues and buckets are longer than STS takes.
    """
    _, partition, _, _, account, _ = role.split(":", 5)
    s3 = f"arn:{partition}:s3:::"
    sqs = f"arn:{partition}:sqs:{region}:{account}:"
    data = [s3 + _place(url) for url in (reach.inputs, reach.outputs)]
    fleet = s3 + _place(reach.fleet)
    look, send = ["sqs:GetQueueUrl", "sqs:GetQueueAttributes"], ["sqs:SendMessage"]
    take = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
    statements = [
        _allow([*look, *take], [sqs + reach.requests]),
        _allow([*look, *send], [sqs + reach.dead_letters, sqs + reach.responses]),
        _allow(["s3:GetObject", "s3:PutObject"], [f"{place}/*" for place in (*data, fleet)]),
        _allow(["s3:DeleteObject"], [f"{fleet}/*"]),
        # Without it, S3 answers 403 instead of 404 for an object that is not there, in a folder of the bucket, too.
        _allow(["s3:ListBucket"], sorted({place.partition("/")[0] for place in (*data, fleet)})),
        # Where a bucket is encrypted with a key of the customer's: nobody here knows its ARN.
        _allow(["kms:Decrypt", "kms:GenerateDataKey"], ["*"])
        | {"Condition": {"StringLike": {"kms:ViaService": "s3.*"}}},
    ]
    if reach.models:
        folders = sorted({_place(url).rpartition("/")[0] for url in reach.models})
        statements.append(_allow(["s3:GetObject"], [f"{s3}{folder}/*" for folder in folders]))
    text = json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
    if len(text) > MAX_CHARACTERS:
        message = (
            f"the policy of workers outside AWS has {len(text):,} characters, and STS takes {MAX_CHARACTERS:,}: "
            "shorten the names of queues and buckets"
        )
        raise Misconfigured(message)
    return text


def _allow(actions: Sequence[str], resources: Sequence[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def _place(url: str) -> str:
    """``BUCKET`` or ``BUCKET/FOLDER``."""
    parts = urlsplit(url)
    return f"{parts.netloc}{unquote(parts.path)}".rstrip("/")
