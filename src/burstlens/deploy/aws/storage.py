"""The fleet's buckets: whether they are there, how much is in them, and removing them."""

from collections.abc import Iterator

from burstlens.deploy.aws.account import Account
from burstlens.errors import Misconfigured, NotAuthorized, NotFound, Unavailable

_COUNTED_PAGES = 10
"""A status counts so many pages of 1,000 objects, and no more."""

_EMPTYINGS = 5
"""How often a bucket is emptied that somebody still writes to."""


def has_bucket(account: Account, kind: str) -> bool:
    """Whether the account has this bucket of the fleet.

    Raises:
        Misconfigured: somebody else has one of this name, or we may not see it.
    """
    name = account.names.bucket(kind)
    try:
        account.ask("s3", "head_bucket", Bucket=name, ExpectedBucketOwner=account.names.account)
    except NotFound:
        return False
    except NotAuthorized as error:
        message = f"the bucket {name} is somebody else's, or these credentials may not see it ({error})"
        raise Misconfigured(message) from error
    return True


def count_objects(account: Account, kind: str) -> tuple[int, bool]:
    """How many objects a bucket has, and whether there are more than were counted."""
    count = 0
    token: dict[str, str] = {}
    for _ in range(_COUNTED_PAGES):
        page = account.ask("s3", "list_objects_v2", Bucket=account.names.bucket(kind), **token)
        count += page["KeyCount"]
        if not page.get("NextContinuationToken"):
            return count, False
        token = {"ContinuationToken": page["NextContinuationToken"]}
    return count, True


def remove_bucket(account: Account, kind: str) -> None:
    """Delete every version of every object, and then the bucket. One that is gone already is fine.

    Raises:
        Unavailable: somebody goes on writing to it.
    """
    name = account.names.bucket(kind)
    for _ in range(_EMPTYINGS):
        try:
            _empty(account, name)
            account.ask("s3", "delete_bucket", Bucket=name, ExpectedBucketOwner=account.names.account)
        except NotFound:
            return
        except Misconfigured as error:
            if "BucketNotEmpty" not in str(error):
                raise
        else:
            account.say(f"  deleted the bucket {name}")
            return
    message = f"the bucket {name} does not become empty: something still writes to it; stop that, and run this again"
    raise Unavailable(message)


def _empty(account: Account, name: str) -> None:
    deleted = 0
    for batch in _batches(account, name):
        answer = account.ask(
            "s3",
            "delete_objects",
            Bucket=name,
            Delete={"Objects": batch, "Quiet": True},
            ExpectedBucketOwner=account.names.account,
        )
        if errors := answer.get("Errors"):
            first = errors[0]
            message = f"the bucket {name} keeps {first.get('Key')}: {first.get('Code')}: {first.get('Message')}"
            raise Misconfigured(message)
        deleted += len(batch)
        account.say(f"  deleted {deleted:,} objects of the bucket {name}")


def _batches(account: Account, name: str) -> Iterator[list[dict[str, str]]]:
    """The objects that are there, as DeleteObjects takes them, until there are none."""
    while True:
        page = account.ask("s3", "list_object_versions", Bucket=name, ExpectedBucketOwner=account.names.account)
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        if not found:
            return
        yield [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
