"""What AWS's error codes mean for whoever asked.

Sources: the EC2 API's "Error codes", the SQS API's "Common errors" and the page of each action, CloudFormation's and
IAM's "Common errors". Codes are compared without the prefix of a service (``AWS.SimpleQueueService.``,
``com.amazonaws.sqs#``) or of a side (``Client.``, ``Server.``).
"""

import re

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

_PREFIX = re.compile(r"^.*[#]|^AWS\.SimpleQueueService\.|^(Client|Server)\.")
_ENCODED = re.compile(r"\W*Encoded authorization failure message: ?\S+")
"""A kilobyte that only `aws sts decode-authorization-message` can read."""

_THROTTLED = re.compile(
    r"RequestLimitExceeded|(Request)?Throttl(ed|ing)(Exception)?|TooManyRequests(Exception)?|SlowDown"
    r"|EC2ThrottledException|BandwidthLimitExceeded|PriorRequestNotComplete|KMS\.ThrottlingException|KmsThrottled"
    r"|OverLimit|SnapshotCreationPerVolumeRateExceeded|ConcurrentTagAccess|PurgeQueueInProgress"
)
_CAPACITY = re.compile(
    r"Insufficient((Instance|Host|Address|Volume|ReservedInstances?)?Capacity|CapacityOnHost|FreeAddressesInSubnet)"
    r"|Unfulfillable(Capacity)?|ReservationCapacityExceeded|SpotMaxPriceTooLow|Unsupported|CapacityNotAvailable"
)
"""`Unsupported`: this type is not offered in this zone, so another offer may well work."""
_QUOTA = re.compile(r"\w*LimitExceeded(Exception)?|MaxSpot(Instance|FleetRequest)CountExceeded|ResourceCountExceeded")
_NOT_AUTHORIZED = re.compile(
    r"UnauthorizedOperation|AccessDenied(Exception)?|AuthFailure(\.\w+)?|InvalidClientTokenId|SignatureDoesNotMatch"
    r"|ExpiredToken(Exception)?|InvalidToken|UnrecognizedClient(Exception)?|MissingAuthenticationToken(Exception)?"
    r"|(Incomplete|Invalid)Signature(Exception)?|OptInRequired|Blocked|PendingVerification|RequestExpired|RequestTimeTooSkewed"
    r"|InvalidAccessKeyId|InvalidSecurity(\.\w+)?|KMS\.AccessDeniedException|Kms(AccessDenied|OptInRequired)|403"
)
"""`403` and `404`: the answer to a HEAD has no body, so its status is all that there is."""
_NOT_FOUND = re.compile(
    r"(NonExistentQueue|QueueDoesNotExist|NoSuch\w+|ResourceNotFound(Exception)?"
    r"|InvalidInstanceID\.NotFound|InvalidLaunchTemplate(Id|Name)\.\w*NotFound\w*|ParameterNotFound|404)"
)
_UNAVAILABLE = re.compile(
    r"Internal(Error|Failure|ServerError)|ServiceUnavailable(Exception)?|Service_Unavailable|Unavailable"
    r"|RequestTimeout(Exception)?|QueueDeletedRecently|Invalid(NextToken|PaginationToken)"
    r"|Idempotent(ParameterMismatch|InstanceTerminated)"
)
"""`Idempotent…`: an earlier call with this client token happened, and this answer does not say what came of it. A page
token that is refused leaves a list of unknown length."""


def bare_code(code: str) -> str:
    """The code without the prefix that only some services and protocols put before it."""
    return _PREFIX.sub("", code)


def meaning(code: str, message: str, what: str, status: int = 0) -> BurstlensError:
    """The error of ours that says what to do next.

    Args:
        code: AWS's error code.
        message: AWS's own words.
        what: what was asked, such as ``RunInstances``.
        status: the HTTP status; 5xx without a known code is `Unavailable`, 429 is `Throttled`.

    Returns:
        `Misconfigured` for what is in no list: another try would end the same way.
    """
    bare = bare_code(code)
    text = f"{what}: {bare}: {_ENCODED.sub('', message)}"
    kinds: tuple[tuple[re.Pattern[str], type[BurstlensError]], ...] = (
        (_THROTTLED, Throttled),
        (_CAPACITY, CapacityUnavailable),
        (_QUOTA, QuotaExceeded),
        (_NOT_AUTHORIZED, NotAuthorized),
        (_NOT_FOUND, NotFound),
        (_UNAVAILABLE, Unavailable),
    )
    for pattern, kind in kinds:
        if pattern.fullmatch(bare):
            return kind(text)
    if status == 429:
        return Throttled(text)
    if status >= 500:
        return Unavailable(text)
    return Misconfigured(text)
