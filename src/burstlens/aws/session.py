"""Who asks AWS, and where: botocore's default chain of credentials and regions, and clients of single services."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from burstlens.aws.errors import meaning
from burstlens.aws.options import AwsOptions
from burstlens.errors import Misconfigured, NotAuthorized, Unavailable

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.credentials import ReadOnlyCredentials
    from botocore.session import Session

_CONNECT_SECONDS, _READ_SECONDS = 5.0, 30.0
_ATTEMPTS = 4
"""Of one call of a client, with botocore's own growing pauses between them."""


class AwsSession:
    """What adapters share. Creating one asks nobody; the first use of `region` or `credentials` may ask the instance.

    Raises:
        Misconfigured: on creation, when the extra `aws` is not installed.
    """

    def __init__(self, options: AwsOptions) -> None:
        try:
            from botocore.session import get_session
        except ImportError:
            message = "SQS, S3 and EC2 need the extra: pip install 'burstlens[aws]'"
            raise Misconfigured(message) from None
        self._options = options
        self._session: Session = get_session()

    @property
    def region(self) -> str:
        """The region, such as ``eu-central-1``. May ask the instance's metadata, so it can block for a second.

        Raises:
            Misconfigured: nobody says which.
        """
        # botocore itself reads $AWS_DEFAULT_REGION only.
        named = self._options.region or os.environ.get("AWS_REGION") or self._session.get_config_variable("region")
        region = named or self._own_region()
        if not region:
            message = "no AWS region: set aws.region in burstlens.toml, or AWS_REGION"
            raise Misconfigured(message)
        return str(region)

    @property
    def endpoint(self) -> str | None:
        """The one address for all services, or None for AWS's own."""
        return self._options.endpoint or os.environ.get("AWS_ENDPOINT_URL") or None

    @property
    def path_style(self) -> bool:
        """Whether buckets are named in the path of a URL."""
        return self.endpoint is not None if self._options.path_style is None else self._options.path_style

    def credentials(self) -> "ReadOnlyCredentials":
        """The credentials of this moment, renewed when they are about to expire. May block for that.

        Raises:
            NotAuthorized: the default chain has none.
        """
        with _translated("credentials"):
            found = self._session.get_credentials()
            if found is not None:
                return found.get_frozen_credentials()
        message = "no AWS credentials: the default chain (environment, profile, instance role) has none"
        raise NotAuthorized(message)

    def client(self, service: str) -> "BaseClient":
        """A client of this service, such as ``ec2``. Blocks for some 0.2 s, as do its calls: see `call`."""
        from botocore.config import Config

        with _translated(service):
            return self._session.create_client(
                service,
                region_name=self.region,
                endpoint_url=self.endpoint,
                config=Config(
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=_READ_SECONDS,
                    retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                    s3={"addressing_style": "path" if self.path_style else "auto"},
                ),
            )

    def _own_region(self) -> str | None:
        """The region of the instance that this runs on."""
        from botocore.utils import IMDSRegionProvider

        region: str | None = IMDSRegionProvider(self._session).provide()
        return region


async def call(client: "BaseClient", operation: str, **parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401 - AWS's own shapes
    """Call one operation, such as ``describe_instances``, in a thread. A caller that is cancelled does not stop it.

    Raises:
        BurstlensError: what the service's error means.
    """
    return await asyncio.to_thread(call_blocking, client, operation, **parameters)


async def pages(client: "BaseClient", operation: str, **parameters: Any) -> AsyncIterator[Mapping[str, Any]]:  # noqa: ANN401
    """Every page of an operation whose pages are linked by ``NextToken``, as `call` gives it.

    Raises:
        BurstlensError: a page failed; whoever collects them must not take a part for the whole.
    """
    token: dict[str, str] = {}
    while True:
        page = await call(client, operation, **parameters, **token)
        yield page
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


def call_blocking(client: "BaseClient", operation: str, **parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """The same without a thread."""
    with _translated(operation):
        answer: Mapping[str, Any] = getattr(client, operation)(**parameters)
        return answer


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn botocore's errors in this block into ours."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        CredentialRetrievalError,
        HTTPClientError,
        MetadataRetrievalError,
        NoCredentialsError,
        ParamValidationError,
        PartialCredentialsError,
    )
    from botocore.exceptions import (
        ConnectionError as NoConnection,
    )
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        answer = error.response
        details = answer.get("Error", {})
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise meaning(details.get("Code", ""), details.get("Message", ""), what, status) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        message = f"{what}: {error}"
        raise NotAuthorized(message) from error
    except (CredentialRetrievalError, MetadataRetrievalError) as error:
        message = f"{what}: the credentials cannot be renewed: {error}"
        raise Unavailable(message) from error
    except (NoConnection, HTTPClientError) as error:
        message = f"{what}: AWS does not answer: {error}"
        raise Unavailable(message) from error
    except ResponseParserError as error:  # a proxy's own page, such as an HTML 502
        message = f"{what}: AWS's answer cannot be read: {str(error).partition(chr(10))[0]}"
        raise Unavailable(message) from error
    except ParamValidationError as error:
        message = f"{what}: {str(error).replace(chr(10), ' ')}"
        raise Misconfigured(message) from error
    except BotoCoreError as error:
        message = f"{what}: {error}"
        raise Misconfigured(message) from error
