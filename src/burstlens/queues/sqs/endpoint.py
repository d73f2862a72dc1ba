"""Where SQS is."""

from burstlens.aws.session import AwsSession
from burstlens.errors import Misconfigured


def sqs_endpoint(session: AwsSession, region: str) -> str:
    """The address that every call goes to, in whatever partition the region is. Blocks for some 0.05 s.

    Raises:
        Misconfigured: botocore knows no SQS in such a region.
    """
    if session.endpoint is not None:
        return session.endpoint
    from botocore.loaders import Loader
    from botocore.regions import EndpointResolver

    found = EndpointResolver(Loader().load_data("endpoints")).construct_endpoint("sqs", region)
    if found is None:
        message = f"there is no SQS in the region {region!r}: check aws.region in burstlens.toml"
        raise Misconfigured(message)
    return f"https://{found['hostname']}"
