"""The template: as CloudFormation takes it, least privilege, nothing open, nothing in clear text."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from cfnlint.api import lint  # type: ignore[import-untyped]
from cfnlint.config import ManualArgs  # type: ignore[import-untyped]

from burstlens.deploy.aws.parameters import CHOSEN, CREATE
from burstlens.deploy.aws.template import read_template

LARGEST_BODY = 51_200
"""Bytes of a template in a request (CloudFormation User Guide, "quotas")."""

NO_RESOURCES = {"ec2:DescribeInstances", "sqs:ListQueues"}
"""Actions that know no resource level (Service Authorization Reference)."""

EMPTY_IMAGE = ("W1030", "W1031", "W2506")
"""An image may be empty, which a parameter of the type AWS::EC2::Image::Id may not."""

Resource = Mapping[str, Any]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads CloudFormation's tags as mappings: ``!Ref Fleet`` is ``{"Ref": "Fleet"}``."""


def _tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    raise AssertionError(node)


_Loader.add_multi_constructor("!", _tag)


@pytest.fixture(scope="module")
def template() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.load(read_template(), Loader=_Loader)  # noqa: S506 - a safe loader, with tags
    return loaded


@pytest.fixture
def resources(template: Mapping[str, Any]) -> Mapping[str, Resource]:
    found: Mapping[str, Resource] = template["Resources"]
    return found


def of_type(resources: Mapping[str, Resource], kind: str) -> dict[str, Any]:
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


def as_list(value: Any) -> list[Any]:  # noqa: ANN401
    return value if isinstance(value, list) else [value]


def allowed(resources: Mapping[str, Resource]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every statement of a policy that allows something."""
    for name, properties in of_type(resources, "AWS::IAM::ManagedPolicy").items():
        for statement in properties["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            yield name, statement


def test_cloudformation_would_take_it() -> None:
    assert len(read_template().encode()) < LARGEST_BODY
    found = lint(read_template(), config=ManualArgs(ignore_checks=list(EMPTY_IMAGE), regions=["eu-central-1"]))
    assert [str(match) for match in found] == []


def test_it_holds_no_alias_of_yaml_which_cloudformation_does_not_know() -> None:
    assert not [event for event in yaml.parse(read_template()) if isinstance(event, yaml.AliasEvent)]


def test_no_policy_allows_everything_or_everywhere(resources: Mapping[str, Resource]) -> None:
    statements = list(allowed(resources))
    assert len(statements) > 20
    for name, statement in statements:
        actions = as_list(statement["Action"])
        assert not [action for action in actions if "*" in action], (name, statement)
        if "*" in as_list(statement["Resource"]):
            assert set(actions) <= NO_RESOURCES, (name, statement)


def test_every_resource_of_a_policy_is_the_fleets_or_bound_to_it_by_a_condition(
    resources: Mapping[str, Resource],
) -> None:
    for name, statement in allowed(resources):
        for resource in as_list(statement["Resource"]):
            text = str(resource)
            own = "${Fleet}" in text or "GetAtt" in text or "${WorkerTemplate}" in text
            assert own or "Condition" in statement or resource == "*", (name, statement)


def test_what_each_tier_may_do_is_what_its_code_calls(resources: Mapping[str, Resource]) -> None:
    may: dict[str, set[str]] = {}
    for name, statement in allowed(resources):
        may.setdefault(name, set()).update(as_list(statement["Action"]))

    read = {"sqs:GetQueueUrl", "sqs:GetQueueAttributes"}
    take = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"}
    objects = {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"}
    queues = {"sqs:CreateQueue", "sqs:DeleteQueue", "sqs:SetQueueAttributes", "sqs:ListQueues"}
    machines = {"ec2:RunInstances", "ec2:DescribeInstances", "ec2:CreateTags", "ec2:TerminateInstances"}
    assert may == {
        "WorkerPolicy": read | take | objects | {"sqs:SendMessage"},
        "WebPolicy": read | take | objects | queues | {"sqs:SendMessage"},
        "AutoscalerPolicy": read | objects | machines | {"iam:PassRole", "iam:CreateServiceLinkedRole"},
    }


def test_the_autoscaler_ends_and_marks_only_what_carries_the_fleets_tag(resources: Mapping[str, Resource]) -> None:
    tag = {"aws:ResourceTag/burstlens:fleet": {"Ref": "Fleet"}}
    found = {statement["Sid"]: statement for name, statement in allowed(resources) if name == "AutoscalerPolicy"}

    assert found["Terminate"]["Condition"]["StringEquals"] == tag
    assert found["Drain"]["Condition"]["StringEquals"] == tag
    launch = found["LaunchInstance"]["Condition"]
    assert launch["StringEquals"] == {"aws:RequestTag/burstlens:fleet": {"Ref": "Fleet"}}
    assert "launch-template/${WorkerTemplate}" in str(launch["ArnEquals"]["ec2:LaunchTemplate"])
    assert found["LaunchWith"]["Condition"]["ArnEquals"] == launch["ArnEquals"]
    assert found["HandOverWorkerRole"]["Resource"] == {"GetAtt": "WorkerRole.Arn"}


def test_buckets_are_private_encrypted_and_outlive_the_stack(resources: Mapping[str, Resource]) -> None:
    buckets = of_type(resources, "AWS::S3::Bucket")
    assert len(buckets) == 3
    for name, properties in buckets.items():
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(properties["PublicAccessBlockConfiguration"]) == 4
        assert "AES256" in str(properties["BucketEncryption"])
        assert "AbortIncompleteMultipartUpload" in str(properties["LifecycleConfiguration"])
        assert resources[name]["DeletionPolicy"] == resources[name]["UpdateReplacePolicy"] == "Retain"


def test_queues_and_buckets_refuse_what_is_not_encrypted_on_its_way(resources: Mapping[str, Resource]) -> None:
    refused: list[str] = []
    for kind in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"):
        for properties in of_type(resources, kind).values():
            (statement,) = properties["PolicyDocument"]["Statement"]
            assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
            assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            refused += map(str, as_list(statement["Resource"]))
    for name in ("Inputs", "Outputs", "FleetBucket", "RequestQueue", "DeadLetters"):
        assert str({"GetAtt": f"{name}.Arn"}) in refused


def test_nobody_reaches_a_worker_and_only_the_web_port_of_the_web_host_is_open(
    resources: Mapping[str, Resource],
) -> None:
    groups = of_type(resources, "AWS::EC2::SecurityGroup")
    assert {name: group.get("SecurityGroupIngress", []) for name, group in groups.items()} == {
        "WorkerGroup": [],
        "HostGroup": [
            {
                "IpProtocol": "tcp",
                "FromPort": {"Ref": "WebPort"},
                "ToPort": {"Ref": "WebPort"},
                "CidrIp": {"Ref": "WebCidr"},
                "Description": "Web",
            }
        ],
    }
    assert {rule["FromPort"] for group in groups.values() for rule in group["SecurityGroupEgress"]} == {443}
    assert not of_type(resources, "AWS::EC2::SecurityGroupIngress")


def test_instances_speak_imdsv2_have_an_encrypted_disk_and_no_key(resources: Mapping[str, Resource]) -> None:
    templates = of_type(resources, "AWS::EC2::LaunchTemplate")
    assert set(templates) == {"WorkerTemplate", "HostTemplate"}
    for properties in templates.values():
        data = properties["LaunchTemplateData"]
        assert data["MetadataOptions"]["HttpTokens"] == "required"
        (disk,) = data["BlockDeviceMappings"]
        assert (disk["Ebs"]["Encrypted"], disk["Ebs"]["VolumeType"]) == (True, "gp3")
        assert not {"KeyName", "NetworkInterfaces"} & set(data)
    worker = templates["WorkerTemplate"]["LaunchTemplateData"]
    assert worker["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert worker["MetadataOptions"]["InstanceMetadataTags"] == "enabled"
    assert "UserData" not in worker


def test_its_defaults_are_those_that_up_begins_with(template: Mapping[str, Any]) -> None:
    defaults = {name: str(value.get("Default")) for name, value in template["Parameters"].items()}

    assert {name: defaults[name] for name in CHOSEN} == CHOSEN
    assert [defaults[name] for name in CREATE.values()] == ["true"] * 3
