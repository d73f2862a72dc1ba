"""Stacks in the states that no double gets into, with CloudFormation's documented answers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.session import get_session
from botocore.stub import ANY, Stubber

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.changes import Proposal
from burstlens.deploy.aws.down import down
from burstlens.deploy.aws.names import STACK
from burstlens.deploy.aws.stack import delete_stack, event_line, failure, find_stack, first_failure, settled
from burstlens.deploy.aws.up import plan, up
from burstlens.errors import Misconfigured, Unavailable
from support.aws_account import HastyClock, order

ID = "arn:aws:cloudformation:eu-central-1:123456789012:stack/cams/1"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def client(service: str) -> BaseClient:
    return get_session().create_client(
        service,
        region_name="eu-central-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",  # noqa: S106
    )


class Scripted:
    """An account whose CloudFormation says what the test wants, in this order."""

    def __init__(self) -> None:
        self._client = client("cloudformation")
        self.stub = Stubber(self._client)
        self.said: list[str] = []
        session = AwsSession(AwsOptions(region="eu-central-1"))
        self.account = Account(session, "cams", HastyClock(), self.said.append)
        sts = client("sts")
        who = Stubber(sts)
        who.add_response("get_caller_identity", {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/me"})
        who.activate()
        self.account._clients = {"cloudformation": self._client, "sts": sts}

    def stack(self, status: str) -> None:
        self.stub.add_response(
            "describe_stacks",
            {
                "Stacks": [
                    {
                        "StackId": ID,
                        "StackName": "cams",
                        "StackStatus": status,
                        "CreationTime": NOW,
                        # One that has only ever been proposed has none: they are its change set's.
                        "Tags": [] if status == "REVIEW_IN_PROGRESS" else [{"Key": STACK, "Value": "cams"}],
                    }
                ]
            },
        )

    def change_sets(self, *names: str) -> None:
        """That nobody has executed."""
        found = [
            {"ChangeSetName": name, "ChangeSetId": f"arn:{name}", "ExecutionStatus": "AVAILABLE", "StackId": ID}
            for name in names
        ]
        self.stub.add_response("list_change_sets", {"Summaries": found})

    def no_stack(self) -> None:
        message = "Stack with id cams does not exist"
        self.stub.add_client_error("describe_stacks", "ValidationError", message, 400)

    def events(self, *events: dict[str, Any]) -> None:
        """The latest first."""
        self.stub.add_response("describe_stack_events", {"StackEvents": list(events)})


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    scripted = Scripted()
    with scripted.stub:
        yield scripted
    scripted.stub.assert_no_pending_responses()


def event(number: int, resource: str, status: str, reason: str = "") -> dict[str, Any]:
    return {
        "EventId": str(number),
        "StackId": ID,
        "StackName": "cams",
        "LogicalResourceId": resource,
        "PhysicalResourceId": ID if resource == "cams" else resource.lower(),
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "Timestamp": NOW,
    }


UPDATE = [
    event(9, "cams", "UPDATE_ROLLBACK_FAILED", "The following resource(s) failed to update: [Inputs]."),
    event(8, "Inputs", "UPDATE_FAILED", "later"),
    event(7, "cams", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [WorkerRole]."),
    event(6, "WorkerGroup", "UPDATE_FAILED", "Resource update cancelled"),
    event(5, "WorkerRole", "UPDATE_FAILED", "API: iam:PutRolePolicy not authorized"),
    event(4, "cams", "UPDATE_IN_PROGRESS", "User Initiated"),
    event(3, "DeadLetters", "CREATE_FAILED", "of the operation before"),
]


def test_the_first_failure_is_that_of_the_last_operation() -> None:
    assert first_failure(UPDATE) == "WorkerRole: API: iam:PutRolePolicy not authorized"
    assert first_failure([]) == ""


def test_a_stack_that_fails_as_a_whole_says_so_itself() -> None:
    events = [
        event(2, "cams", "CREATE_FAILED", "Validation failed"),
        event(1, "cams", "X_IN_PROGRESS", "User Initiated"),
    ]
    assert first_failure(events) == "Validation failed"


def test_a_line_gives_the_reason_of_a_failure_alone() -> None:
    assert event_line(UPDATE[4]).split(": ", 1)[1] == "API: iam:PutRolePolicy not authorized"
    assert event_line(UPDATE[5]).split() == ["UPDATE_IN_PROGRESS", "cams"]


def test_what_is_under_way_is_waited_for_and_told_once(scripted: Scripted) -> None:
    old, new = event(1, "cams", "UPDATE_IN_PROGRESS"), event(2, "Inputs", "UPDATE_COMPLETE")
    scripted.stack("UPDATE_IN_PROGRESS")
    scripted.events(old)
    scripted.stack("UPDATE_IN_PROGRESS")
    scripted.events(new, old)
    scripted.stack("UPDATE_ROLLBACK_COMPLETE")
    scripted.events(new, old)
    stack = find_stack(scripted.account)
    assert stack is not None

    after = settled(scripted.account, stack)

    assert after is not None
    assert after.works
    assert [line.split() for line in scripted.said] == [["UPDATE_COMPLETE", "Inputs"]]


def test_a_deletion_that_fails_is_tried_again(scripted: Scripted) -> None:
    scripted.stack("UPDATE_COMPLETE")
    scripted.events()
    scripted.stub.add_response("delete_stack", {})
    scripted.stack("DELETE_FAILED")
    scripted.events()
    scripted.stub.add_response("delete_stack", {})
    scripted.no_stack()
    scripted.events()
    stack = find_stack(scripted.account)
    assert stack is not None

    delete_stack(scripted.account, stack)


def test_a_stack_that_does_not_go_names_what_stands_in_the_way(scripted: Scripted) -> None:
    held = event(2, "WorkerGroup", "DELETE_FAILED", "resource sg-1 has a dependent object")
    begun = event(1, "cams", "DELETE_IN_PROGRESS", "User Initiated")
    scripted.stack("UPDATE_COMPLETE")
    scripted.events()
    for _ in range(3):
        scripted.stub.add_response("delete_stack", {})
        scripted.stack("DELETE_FAILED")
        scripted.events(held, begun)
    scripted.events(held, begun)
    stack = find_stack(scripted.account)
    assert stack is not None

    with pytest.raises(Unavailable, match="cannot be deleted: WorkerGroup: resource sg-1 has a dependent object"):
        delete_stack(scripted.account, stack)


def test_a_stack_whose_rollback_failed_is_not_touched_and_says_what_to_do(scripted: Scripted) -> None:
    for _ in range(2):
        scripted.stack("UPDATE_ROLLBACK_FAILED")
    scripted.stub.add_response("list_change_sets", {"Summaries": []})
    scripted.events(*UPDATE)

    with pytest.raises(Unavailable, match=r"continue-update-rollback.*: WorkerRole: API: iam:PutRolePolicy"):
        up(scripted.account, order(), lambda _: None, lambda: True)


def test_only_change_sets_of_ours_that_nobody_executed_are_removed(scripted: Scripted) -> None:
    for _ in range(2):
        scripted.stack("DELETE_FAILED")
    found = [
        {"ChangeSetName": "burstlens-1", "ChangeSetId": "arn:1", "ExecutionStatus": "AVAILABLE"},
        {"ChangeSetName": "burstlens-2", "ChangeSetId": "arn:2", "ExecutionStatus": "EXECUTE_COMPLETE"},
        {"ChangeSetName": "theirs", "ChangeSetId": "arn:3", "ExecutionStatus": "AVAILABLE"},
    ]
    scripted.stub.add_response("list_change_sets", {"Summaries": [item | {"StackId": ID} for item in found]})
    for status in ("CREATE_IN_PROGRESS", "CREATE_COMPLETE"):
        scripted.stub.add_response("describe_change_set", {"Status": status}, {"ChangeSetName": "arn:1"})
    scripted.stub.add_response("delete_change_set", {}, {"ChangeSetName": "arn:1"})
    scripted.events()

    with pytest.raises(Unavailable, match="run `burstlens deploy aws down` again"):
        up(scripted.account, order(), lambda _: None, lambda: True)


def test_a_stack_that_somebody_else_proposes_is_left_alone(scripted: Scripted) -> None:
    acts = (
        lambda: plan(scripted.account, order(), lambda _: None),
        lambda: up(scripted.account, order(), lambda _: None, lambda: True),
        lambda: down(scripted.account),
    )
    for act in acts:
        scripted.stack("REVIEW_IN_PROGRESS")
        scripted.change_sets("burstlens-1", "theirs")
        with pytest.raises(Misconfigured, match="is not burstlens's: somebody proposes it with the change set theirs"):
            act()


def test_a_stack_that_we_have_proposed_is_ours_though_it_has_no_tags_yet(scripted: Scripted) -> None:
    for change_sets in (["burstlens-1"], []):
        scripted.stack("REVIEW_IN_PROGRESS")
        scripted.change_sets(*change_sets)

        assert find_stack(scripted.account) is not None


def test_a_change_set_is_executed_once_however_often_it_is_asked_for(scripted: Scripted) -> None:
    scripted.stack("UPDATE_COMPLETE")
    stack = find_stack(scripted.account)
    assert stack is not None
    asked = {"ChangeSetName": "arn:1", "RetainExceptOnCreate": True, "ClientRequestToken": ANY}
    scripted.stub.add_response("execute_change_set", {}, asked)

    Proposal("arn:1", stack, ()).execute(scripted.account)


@pytest.mark.parametrize(
    "words",
    [
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
        "(Service: AmazonSQS; Error Code: AWS.SimpleQueueService.QueueDeletedRecently)",
    ],
)
def test_an_up_just_after_a_down_says_how_long_to_wait(scripted: Scripted, words: str) -> None:
    scripted.stack("ROLLBACK_COMPLETE")
    scripted.events(event(2, "RequestQueue", "CREATE_FAILED", words), event(1, "cams", "X", "User Initiated"))
    stack = find_stack(scripted.account)
    assert stack is not None

    assert str(failure(scripted.account, stack, "could not be changed")).endswith(
        "; SQS keeps the name of a deleted queue for 60 s: wait, and run this again"
    )


def test_a_repeated_down_ends_instances_while_the_stack_is_being_deleted(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    monkeypatch.setattr("burstlens.deploy.aws.down.end_all", lambda _: ended.append("all"))
    monkeypatch.setattr("burstlens.deploy.aws.down.terminate_all", lambda _: ended.append("meanwhile"))
    for step in ("remove_queues", "remove_exports", "_remove_images", "_what_is_left"):
        monkeypatch.setattr(f"burstlens.deploy.aws.down.{step}", lambda *_: None)
    monkeypatch.setattr("burstlens.deploy.aws.down.has_bucket", lambda *_: False)
    scripted.stack("DELETE_IN_PROGRESS")
    scripted.events()
    scripted.stub.add_response("delete_stack", {})
    scripted.stack("DELETE_IN_PROGRESS")
    scripted.events()
    scripted.no_stack()
    scripted.events()

    down(scripted.account)

    assert ended == ["all", "meanwhile", "meanwhile", "all"]
