"""What AWS's codes mean (R12)."""

import pytest

from burstlens.aws.errors import bare_code, meaning
from burstlens.errors import (
    CapacityUnavailable,
    Misconfigured,
    NotAuthorized,
    NotFound,
    QuotaExceeded,
    Throttled,
    Unavailable,
)

MEANINGS = {
    Throttled: """RequestLimitExceeded Throttling ThrottlingException ThrottledException RequestThrottled
        RequestThrottledException TooManyRequestsException SlowDown EC2ThrottledException BandwidthLimitExceeded
        PriorRequestNotComplete KMS.ThrottlingException KmsThrottled OverLimit ConcurrentTagAccess
        SnapshotCreationPerVolumeRateExceeded PurgeQueueInProgress""",
    CapacityUnavailable: """InsufficientInstanceCapacity InsufficientHostCapacity InsufficientCapacity
        InsufficientReservedInstanceCapacity InsufficientReservedInstancesCapacity InsufficientAddressCapacity
        InsufficientVolumeCapacity InsufficientCapacityOnHost InsufficientFreeAddressesInSubnet UnfulfillableCapacity
        ReservationCapacityExceeded SpotMaxPriceTooLow Unsupported""",
    QuotaExceeded: """VcpuLimitExceeded InstanceLimitExceeded MaxSpotInstanceCountExceeded VolumeLimitExceeded
        MaxIOPSLimitExceeded AddressLimitExceeded NetworkInterfaceLimitExceeded PrivateIpAddressLimitExceeded
        MaxSpotFleetRequestCountExceeded ResourceCountExceeded ResourceLimitExceeded LimitExceeded
        LimitExceededException ConcurrentResourcesLimitExceeded""",
    NotAuthorized: """UnauthorizedOperation AccessDenied AccessDeniedException AuthFailure ExpiredToken
        ExpiredTokenException AuthFailure.ServiceLinkedRoleCreationNotPermitted InvalidClientTokenId InvalidToken
        SignatureDoesNotMatch UnrecognizedClientException MissingAuthenticationToken OptInRequired Blocked
        PendingVerification RequestExpired RequestTimeTooSkewed InvalidAccessKeyId InvalidSecurity
        InvalidSecurity.RequestHasExpired KMS.AccessDeniedException KmsAccessDenied 403""",
    NotFound: """NonExistentQueue QueueDoesNotExist NoSuchKey NoSuchBucket NoSuchEntity ResourceNotFoundException
        InvalidInstanceID.NotFound InvalidLaunchTemplateId.NotFound InvalidLaunchTemplateId.VersionNotFound
        InvalidLaunchTemplateName.NotFoundException 404""",
    Unavailable: """InternalError InternalFailure InternalServerError ServiceUnavailable ServiceUnavailableException
        Unavailable RequestTimeout RequestTimeoutException InvalidNextToken InvalidPaginationToken
        IdempotentParameterMismatch IdempotentInstanceTerminated QueueDeletedRecently""",
    Misconfigured: """InvalidAMIID.NotFound InvalidAMIID.Malformed InvalidAMIID.Unavailable InvalidParameterValue
        InvalidParameterCombination InvalidParameter MissingParameter InvalidSubnetID.NotFound InvalidGroup.NotFound
        InvalidKeyPair.NotFound InvalidAvailabilityZone UnsupportedOperation OperationNotPermitted ValidationError
        InsufficientCapabilitiesException AlreadyExistsException RequestResourceCountExceeded NobodyKnowsThis""",
}


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in MEANINGS.items() for code in codes.split()])
def test_r12_each_code_means_one_thing(kind: type[Exception], code: str) -> None:
    assert type(meaning(code, "no", "RunInstances", status=400)) is kind


@pytest.mark.parametrize(("status", "kind"), [(429, Throttled), (500, Unavailable), (503, Unavailable)])
def test_an_unknown_code_is_known_by_its_status(status: int, kind: type[Exception]) -> None:
    assert type(meaning("Novelty", "no", "RunInstances", status)) is kind


def test_a_known_code_outweighs_its_status() -> None:
    assert type(meaning("RequestLimitExceeded", "no", "RunInstances", 503)) is Throttled
    assert type(meaning("InsufficientInstanceCapacity", "no", "RunInstances", 500)) is CapacityUnavailable


@pytest.mark.parametrize(
    ("code", "bare"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", "NonExistentQueue"),
        ("com.amazonaws.sqs#QueueDoesNotExist", "QueueDoesNotExist"),
        ("Server.InsufficientInstanceCapacity", "InsufficientInstanceCapacity"),
        ("Client.VolumeLimitExceeded", "VolumeLimitExceeded"),
        ("InvalidInstanceID.NotFound", "InvalidInstanceID.NotFound"),
    ],
)
def test_prefixes_of_services_and_sides_are_left_out(code: str, bare: str) -> None:
    assert bare_code(code) == bare


def test_the_text_says_what_was_asked_and_what_aws_said() -> None:
    error = meaning("VcpuLimitExceeded", "You have requested more vCPU capacity than 32.", "run_instances")

    assert str(error) == "run_instances: VcpuLimitExceeded: You have requested more vCPU capacity than 32."


def test_what_only_aws_can_read_is_left_out() -> None:
    said = (
        "You are not authorized to perform this operation. User: arn:aws:iam::1:user/a is not authorized to perform: "
        f"ec2:RunInstances. Encoded authorization failure message: {'xY9_-' * 200}"
    )

    assert str(meaning("UnauthorizedOperation", said, "run_instances", 403)).endswith("to perform: ec2:RunInstances")
