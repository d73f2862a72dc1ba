"""Where SQS is, as botocore's own tables have it."""

import pytest

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession
from burstlens.errors import Misconfigured
from burstlens.queues.sqs.endpoint import sqs_endpoint

pytestmark = pytest.mark.usefixtures("aws_credentials")


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "sqs.eu-central-1.amazonaws.com"),
        ("us-east-1", "sqs.us-east-1.amazonaws.com"),
        ("cn-north-1", "sqs.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "sqs.us-gov-west-1.amazonaws.com"),
        ("eu-north-9", "sqs.eu-north-9.amazonaws.com"),
    ],
)
def test_every_region_has_its_own_address(region: str, host: str) -> None:
    assert sqs_endpoint(AwsSession(AwsOptions()), region) == f"https://{host}"


def test_an_address_in_the_settings_wins() -> None:
    assert sqs_endpoint(AwsSession(AwsOptions(endpoint="http://127.0.0.1:1")), "eu-central-1") == "http://127.0.0.1:1"


def test_a_region_that_is_none_is_refused() -> None:
    with pytest.raises(Misconfigured, match="nowhere"):
        sqs_endpoint(AwsSession(AwsOptions()), "nowhere")
