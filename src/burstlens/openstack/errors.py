"""What OpenStack's answers mean for whoever asked.

Sources: the API references of nova, glance, neutron and keystone, and nova's own source for what it answers with 403
and 409. All of them say more in words than in status codes.
"""

import contextlib
import re
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from burstlens.errors import (
    BurstlensError,
    CapacityUnavailable,
    Misconfigured,
    NotAuthorized,
    NotFound,
    QuotaExceeded,
    Throttled,
    Unavailable,
)

_QUOTA = re.compile(r"quota|maximum number of|limit exceeded", re.IGNORECASE)
"""Nova answers 403, neutron 409, older services 413; nova calls neutron's quota "Maximum number of ports exceeded"."""
_REFUSED = frozenset({403, 409, 413})
_NO_HOST = re.compile(r"no valid host|exhausted all hosts", re.IGNORECASE)
_CERTIFICATE = re.compile(r"certificate", re.IGNORECASE)


class Conflict(Unavailable):
    """The resource is in no state for this now, and nothing was done: see what it does, or ask again."""


def is_no_capacity(text: str) -> bool:
    """Whether these words of nova say that no host had room."""
    return _NO_HOST.search(text) is not None


def meaning(status: int, text: str, what: str, retry_after: str | None = None) -> BurstlensError:
    """The error of ours that says what to do next.

    Args:
        status: the HTTP status.
        text: the service's own words.
        what: what was asked, such as ``nova: POST /servers``.
        retry_after: the header of this name: seconds, or a date.

    Returns:
        `Misconfigured` for a refusal of no known kind: another try would end the same way.
    """
    message = f"{what}: {text or f'status {status}'}"
    if is_no_capacity(text):
        return CapacityUnavailable(message)
    if status in _REFUSED and _QUOTA.search(text):
        return QuotaExceeded(message)
    if status in {413, 429}:
        pause_seconds = _pause_seconds(retry_after)
        return Throttled(message) if pause_seconds is None else Throttled(message, pause_seconds)
    kinds: dict[int, type[BurstlensError]] = {
        401: NotAuthorized,
        403: NotAuthorized,
        404: NotFound,
        408: Unavailable,
        409: Conflict,
    }
    return kinds.get(status, Unavailable if status >= 500 or status < 400 else Misconfigured)(message)


def _pause_seconds(retry_after: str | None) -> float | None:
    """From ``120`` or ``Wed, 21 Oct 2015 07:28:00 GMT``; None when it says nothing."""
    if not retry_after:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn errors of openstacksdk and of keystoneauth in this block into ours."""
    from keystoneauth1 import exceptions as auth
    from openstack import exceptions as sdk

    try:
        yield
    except sdk.HttpException as error:
        header = error.response.headers.get("Retry-After") if error.response is not None else None
        raise meaning(error.status_code or 500, str(error.details or error), what, header) from error
    except auth.HttpError as error:
        header = error.response.headers.get("Retry-After") if error.response is not None else None
        raise meaning(error.http_status, error.message or str(error), what, header) from error
    except (sdk.ConfigException, auth.AuthPluginException, auth.CatalogException) as error:
        message = f"{what}: {_line(error)}; check the cloud's entry in clouds.yaml"
        raise Misconfigured(message) from error
    except auth.AuthorizationFailure as error:
        message = f"{what}: {_line(error)}"
        raise NotAuthorized(message) from error
    except auth.SSLError as error:
        # A certificate that is not trusted stays so; a handshake that broke off does not.
        kind = Misconfigured if _CERTIFICATE.search(str(error)) else Unavailable
        message = f"{what}: {_line(error)}"
        raise kind(message) from error
    except (sdk.SDKException, auth.ClientException) as error:
        message = f"{what}: OpenStack does not answer as it should: {_line(error)}"
        raise Unavailable(message) from error


def _line(error: Exception) -> str:
    return str(error).replace("\n", " ")
