"""Where AWS is, and how S3 keeps what is written."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class AwsOptions(BaseModel):
    """The `[aws]` section. There is no setting for credentials: they come from the default chain alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str = Field(default="", pattern=r"^([a-z]{2}(-[a-z]+)+-[0-9])?$")
    """Empty is $AWS_REGION, $AWS_DEFAULT_REGION, the profile's, or the instance's own."""
    endpoint: str = Field(default="", pattern=r"^(https?://.+)?$")
    """One address for all services, as doubles have; empty is $AWS_ENDPOINT_URL, or AWS itself."""
    path_style: bool | None = None
    """Whether a bucket is named in the path of a URL instead of in its host; None is in the path for an `endpoint`."""
    worker_role: str = Field(default="", pattern=r"^(arn:[a-z-]+:iam::[0-9]{12}:role/.+)?$")
    """The role whose short-lived credentials workers outside AWS get; `burstlens deploy aws up --private-cloud` makes
    one. Workers on EC2 have their instance profile's."""


class Encryption(StrEnum):
    """How S3 encrypts what is written."""

    BUCKET = ""
    """As the bucket is set up; S3 itself always encrypts."""
    AES256 = "AES256"
    KMS = "aws:kms"
