"""The fleet's stack: how it is, waiting for it, and deleting it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from burstlens.clouds.ec2.tags import as_mapping
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.names import CHANGE_SET, STACK
from burstlens.errors import Misconfigured, Unavailable

_STACK_SECONDS = 3600.0
"""The most that one change of the stack takes: a security group that is in use is tried for half an hour."""

_DELETIONS = 3
"""How often a deletion is tried that fails: what stood in its way may be gone."""

_NAME_KEPT = ("QueueDeletedRecently", "wait 60 seconds after deleting a queue")
"""How SQS says so, through CloudFormation."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What CloudFormation says of a stack."""

    id: str
    status: str
    reason: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    tags: Mapping[str, str]

    @classmethod
    def parse(cls, described: Mapping[str, Any]) -> Self:
        """From DescribeStacks."""
        return cls(
            id=described["StackId"],
            status=described["StackStatus"],
            reason=described.get("StackStatusReason", ""),
            parameters={p["ParameterKey"]: p.get("ParameterValue", "") for p in described.get("Parameters", ())},
            outputs={output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", ())},
            tags=as_mapping(described.get("Tags", ())),
        )

    @property
    def private_cloud(self) -> bool:
        """It has a user and a role for a private cloud."""
        return self.parameters.get("PrivateCloud") == "true"

    @property
    def in_review(self) -> bool:
        """It has only ever been proposed."""
        return self.status == "REVIEW_IN_PROGRESS"

    @property
    def in_progress(self) -> bool:
        """Something is under way."""
        return self.status.endswith("_IN_PROGRESS") and not self.in_review

    @property
    def never_was(self) -> bool:
        """Its creation failed: it holds nothing, or remains, and can only be deleted."""
        return self.status in {"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}

    @property
    def works(self) -> bool:
        """It is as it was last wanted, or as it was before a change that failed."""
        return self.status.endswith("_COMPLETE") and not self.never_was and self.status != "DELETE_COMPLETE"


def find_stack(account: Account, name_or_id: str = "") -> Stack | None:
    """The fleet's stack, or the one of this id; None when there is none, or it has been deleted.

    Raises:
        Misconfigured: somebody else's stack has the fleet's name.
    """
    names = account.names
    try:
        described = account.ask("cloudformation", "describe_stacks", StackName=name_or_id or names.stack)["Stacks"]
    except Misconfigured as error:
        if "does not exist" in str(error):  # its code, ValidationError, is also that of a malformed question
            return None
        raise
    stack = next((Stack.parse(one) for one in described if one["StackStatus"] != "DELETE_COMPLETE"), None)
    # One that has an id was found before.
    if stack and not name_or_id and (problem := _problem(account, stack)):
        message = f"the stack {names.stack} in {names.region} is not burstlens's: {problem}"
        raise Misconfigured(message)
    return stack


def _problem(account: Account, stack: Stack) -> str:
    """Why it is somebody else's; empty when it is not.

    As long as it has only ever been proposed a stack has no tags: CloudFormation keeps those with the change set.
    """
    fleet = account.names.fleet
    if not stack.in_review:
        return "" if stack.tags.get(STACK) == fleet else f"it has no tag {STACK}={fleet}"
    for page in account.pages("cloudformation", "list_change_sets", StackName=stack.id):
        for found in page["Summaries"]:
            if not found["ChangeSetName"].startswith(CHANGE_SET):
                return f"somebody proposes it with the change set {found['ChangeSetName']}"
    return ""


def settled(account: Account, stack: Stack) -> Stack | None:
    """Wait for what is under way, and tell of it; None when the stack is gone afterwards.

    Raises:
        Unavailable: it takes too long.
    """
    return _watched(account, stack, _event_ids(account, stack))


def follow(account: Account, stack: Stack, begin: Callable[[], object]) -> Stack | None:
    """Begin something, and wait for it as `settled` does, from its first event on."""
    seen = _event_ids(account, stack)
    begin()
    return _watched(account, stack, seen)


def delete_stack(account: Account, stack: Stack, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Delete it and wait until it is gone; a deletion that fails is tried again.

    Args:
        account: where.
        stack: as it was found.
        meanwhile: called at every look.

    Raises:
        Unavailable: it cannot be deleted; the text says what stands in the way.
    """
    seen = _event_ids(account, stack)
    for _ in range(_DELETIONS):
        account.ask("cloudformation", "delete_stack", StackName=stack.id)
        if _watched(account, stack, seen, lambda status: status == "DELETE_FAILED", meanwhile) is None:
            return
    raise failure(account, stack, "cannot be deleted")


def _watched(
    account: Account,
    stack: Stack,
    seen: set[str],
    rests: Callable[[str], bool] = lambda status: not status.endswith("_IN_PROGRESS"),
    meanwhile: Callable[[], object] = lambda: None,
) -> Stack | None:
    """Look until its status `rests`, or it is gone; say each event that was not `seen`."""
    for _ in account.polls(f"the stack {account.names.stack}", _STACK_SECONDS):
        meanwhile()
        now = find_stack(account, stack.id)
        for event in reversed(_events(account, stack)):
            if event["EventId"] not in seen:
                seen.add(event["EventId"])
                account.say(event_line(event))
        if now is None or rests(now.status):
            return now
    raise AssertionError


def failure(account: Account, stack: Stack, what: str) -> Unavailable:
    """The error for the last thing that was done to the stack, with the reason of what failed first."""
    events = (
        event
        for page in account.pages("cloudformation", "describe_stack_events", StackName=stack.id)
        for event in page["StackEvents"]
    )
    reason = explained(account, first_failure(events) or stack.reason or stack.status, StackName=stack.id)
    if any(words in reason for words in _NAME_KEPT):
        reason += "; SQS keeps the name of a deleted queue for 60 s: wait, and run this again"
    return Unavailable(f"the stack {account.names.stack} {what}: {reason}")


def explained(account: Account, reason: str, **where: str) -> str:
    """CloudFormation's reason, or what it only refers to: the first thing that did not pass its validation.

    Args:
        account: where.
        reason: its words.
        where: the `StackName` or the `ChangeSetName`.
    """
    if "DescribeEvents" not in reason:
        return reason
    for page in account.pages("cloudformation", "describe_events", Filters={"FailedEvents": True}, **where):
        for event in page["OperationEvents"]:
            if event.get("EventType") == "VALIDATION_ERROR":
                return f"{event['LogicalResourceId']}: {event['ValidationStatusReason']}"
    return reason


def first_failure(events: Iterable[Mapping[str, Any]]) -> str:
    """What failed first in the last operation on a stack, in CloudFormation's words. Pure.

    Args:
        events: as DescribeStackEvents has them, the latest first.
    """
    of_resource = of_stack = ""
    for event in events:
        status, reason = event["ResourceStatus"], event.get("ResourceStatusReason", "")
        failed = status.endswith("_FAILED") and "cancelled" not in reason
        if event["PhysicalResourceId"] != event["StackId"]:
            of_resource = f"{event['LogicalResourceId']}: {reason or status}" if failed else of_resource
        elif reason.startswith("User Initiated"):
            break  # the operation began here; a rollback of it has no beginning of this kind
        elif failed:
            of_stack = reason
    return of_resource or of_stack


def event_line(event: Mapping[str, Any]) -> str:
    """One line for the person who waits. Pure."""
    reason = event.get("ResourceStatusReason", "")
    line = f"  {event['ResourceStatus']:<28} {event['LogicalResourceId']}"
    return f"{line}: {reason}" if "FAILED" in event["ResourceStatus"] and reason else line


def _event_ids(account: Account, stack: Stack) -> set[str]:
    return {event["EventId"] for event in _events(account, stack)}


def _events(account: Account, stack: Stack) -> Sequence[Mapping[str, Any]]:
    """The latest page of its events, the latest first."""
    events: Sequence[Mapping[str, Any]] = account.ask("cloudformation", "describe_stack_events", StackName=stack.id)[
        "StackEvents"
    ]
    return events
