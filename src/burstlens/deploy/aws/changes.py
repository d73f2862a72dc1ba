"""Change sets: what an update of the fleet's stack would do, shown before it is done."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.names import CHANGE_SET, STACK
from burstlens.deploy.aws.stack import Stack, explained, find_stack
from burstlens.errors import Unavailable

_CHANGE_SET_SECONDS = 600.0

_NOTHING = ("didn't contain changes", "No updates are to be performed")
"""How CloudFormation says that a change set is empty: it fails."""


@dataclass(frozen=True, slots=True)
class Change:
    """What would happen to one resource."""

    action: str
    """``Add``, ``Modify``, ``Remove`` …"""
    resource: str
    """Its name in the template."""
    kind: str
    """Its type, such as ``AWS::SQS::Queue``."""
    replacement: str
    """``True``, ``False`` or ``Conditional``; empty where nothing is modified."""

    @classmethod
    def parse(cls, described: Mapping[str, Any]) -> Self:
        """From a `Changes` entry of DescribeChangeSet."""
        change = described["ResourceChange"]
        action = change["Action"]
        return cls(
            action=action,
            resource=change["LogicalResourceId"],
            kind=change["ResourceType"],
            replacement=change.get("Replacement", "") if action == "Modify" else "",
        )


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change set that waits to be executed."""

    id: str
    stack: Stack
    changes: tuple[Change, ...]

    def execute(self, account: Account) -> None:
        """Begin it. A bucket of a creation that fails goes again: it was never used."""
        account.ask(
            "cloudformation",
            "execute_change_set",
            ChangeSetName=self.id,
            RetainExceptOnCreate=True,
            # A repeated call whose answer got lost is the same execution, not one of a change set that has none left.
            ClientRequestToken=uuid.uuid4().hex,
        )

    def withdraw(self, account: Account) -> None:
        """Leave everything as it was before there was a proposal."""
        remove_leftovers(account)


def remove_leftovers(account: Account) -> None:
    """Delete the change sets of ours that nobody has executed, and a stack that was only ever proposed."""
    stack = find_stack(account)
    if stack is None:
        return
    pages = account.pages("cloudformation", "list_change_sets", StackName=account.names.stack)
    for found in [summary for page in pages for summary in page["Summaries"]]:
        ours = found["ChangeSetName"].startswith(CHANGE_SET) and found["StackId"] == stack.id
        if ours and found["ExecutionStatus"] in {"AVAILABLE", "UNAVAILABLE"}:
            _ended(account, found["ChangeSetId"])
            account.ask("cloudformation", "delete_change_set", ChangeSetName=found["ChangeSetId"])
    if stack.in_review:
        _discard(account, stack)


def _discard(account: Account, stack: Stack) -> None:
    """Delete a stack that was only ever proposed: it holds nothing, so there is nothing to tell of it."""
    account.ask("cloudformation", "delete_stack", StackName=stack.id)
    for _ in account.polls(f"the end of the proposed stack {account.names.stack}", _CHANGE_SET_SECONDS):
        if find_stack(account, stack.id) is None:
            return


def propose(account: Account, stack: Stack | None, template: str, parameters: Mapping[str, str]) -> Proposal | None:
    """Make a change set; None when nothing would change, and then none is left.

    Args:
        account: where.
        stack: what there is; None creates one.
        template: its text.
        parameters: its parameters.

    Raises:
        Unavailable: CloudFormation cannot make it; the text says why.
    """
    names = account.names
    name = f"{CHANGE_SET}{uuid.uuid4().hex}"
    created = account.ask(
        "cloudformation",
        "create_change_set",
        StackName=names.stack,
        ChangeSetName=name,
        ChangeSetType="UPDATE" if stack else "CREATE",
        ClientToken=name,
        TemplateBody=template,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Tags=[{"Key": STACK, "Value": names.fleet}],
    )
    described = _ended(account, created["Id"])
    if described["Status"] == "FAILED":
        reason = explained(account, described.get("StatusReason", ""), ChangeSetName=created["Id"])
        remove_leftovers(account)
        if any(words in reason for words in _NOTHING):
            return None
        message = f"the stack {names.stack} cannot be changed: {reason}"
        raise Unavailable(message)
    proposed_stack = stack or find_stack(account, created["StackId"])
    if proposed_stack is None:
        message = f"the stack {names.stack} was deleted while a change to it was prepared"
        raise Unavailable(message)
    pages = account.pages("cloudformation", "describe_change_set", ChangeSetName=created["Id"])
    changes = tuple(Change.parse(change) for page in pages for change in page.get("Changes", ()))
    return Proposal(created["Id"], proposed_stack, changes)


def _ended(account: Account, change_set: str) -> Mapping[str, Any]:
    """Wait until CloudFormation has thought about it."""
    for _ in account.polls("a change set", _CHANGE_SET_SECONDS):
        described = account.ask("cloudformation", "describe_change_set", ChangeSetName=change_set)
        if described["Status"] not in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}:
            return described
    raise AssertionError
