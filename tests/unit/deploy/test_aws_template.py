"""The template: as CloudFormation takes it, least privilege, nothing open, nothing in clear text."""

import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from cfnlint.api import lint  # type: ignore[import-untyped]
from cfnlint.config import ManualArgs  # type: ignore[import-untyped]

from burstlens.aws.worker_policy import Reach, session_policy
from burstlens.deploy.aws.names import FLEET, INPUTS, OUTPUTS, Names
from burstlens.deploy.aws.parameters import CHOSEN, CREATE
from burstlens.deploy.aws.template import read_template

LARGEST_BODY = 51_200
"""Bytes of a template in a request (CloudFormation User Guide, "quotas")."""

NO_RESOURCES = {"ec2:DescribeInstances", "sqs:ListQueues"}
"""Actions that know no resource level (Service Authorization Reference)."""

ACTION_KEYS = {
    "ec2:CreateTags": {"ec2:CreateAction"},
    "iam:PassRole": {"iam:PassedToService"},
    "iam:CreateServiceLinkedRole": {"iam:AWSServiceName"},
}
"""Condition keys that belong to an action, not to a type of resource (Service Authorization Reference)."""

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


LOOK = ("sqs:GetQueueUrl", "sqs:GetQueueAttributes")
TAKE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
MAKE = ("sqs:CreateQueue", "sqs:DeleteQueue", "sqs:SetQueueAttributes")
SEND = ("sqs:SendMessage",)
READ_WRITE = ("s3:GetObject", "s3:PutObject")
DELETE = ("s3:DeleteObject",)
LIST = ("s3:ListBucket",)
LAUNCH = ("ec2:RunInstances",)
MARK = ("ec2:CreateTags",)

CALLS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "WorkerPolicy": {
        "RequestQueue": (*LOOK, *TAKE),
        "DeadLetters": (*LOOK, *SEND),
        "responses-*": (*LOOK, *SEND),
        "inputs": LIST,
        "inputs/*": READ_WRITE,
        "outputs": LIST,
        "outputs/*": READ_WRITE,
        "fleet": LIST,
        "fleet/*": (*READ_WRITE, *DELETE),
    },
    "WebPolicy": {
        "*": ("sqs:ListQueues",),
        "RequestQueue": (*LOOK, *SEND),
        "DeadLetters": LOOK,
        "responses-*": (*LOOK, *TAKE, *MAKE),
        "responses-*-dead": SEND,
        "inputs": LIST,
        "inputs/*": (*READ_WRITE, *DELETE),
        "outputs": LIST,
        "outputs/*": (*READ_WRITE, *DELETE),
        "fleet": LIST,
        "fleet/*": (*READ_WRITE, *DELETE),
    },
    "AutoscalerPolicy": {
        "*": ("ec2:DescribeInstances",),
        "RequestQueue": LOOK,
        "DeadLetters": LOOK,
        "fleet": LIST,
        "fleet/*": (*READ_WRITE, *DELETE),
        "image/*": LAUNCH,
        "network-interface/*": LAUNCH,
        "security-group/${WorkerGroup.GroupId}": LAUNCH,
        "subnet/*": LAUNCH,
        "volume/*": (*LAUNCH, *MARK),
        "launch-template/${WorkerTemplate}": LAUNCH,
        "instance/*": (*LAUNCH, *MARK, "ec2:TerminateInstances"),
        "spot-instances-request/*": (*LAUNCH, *MARK),
        "WorkerRole": ("iam:PassRole",),
        "role/aws-service-role/spot.amazonaws.com/*": ("iam:CreateServiceLinkedRole",),
    },
    "PrivateWebPolicy": {"PrivateWorkerRole": ("sts:AssumeRole",)},
}
"""What the code of each tier calls, and on what."""


def short(resource: Any) -> str:  # noqa: ANN401
    """A resource of a policy without what all have in common."""
    if isinstance(resource, str):
        return resource
    ((how, what),) = resource.items()
    if how == "GetAtt":
        return str(what).removesuffix(".Arn")
    name = str(what).replace("-${AWS::AccountId}-${AWS::Region}", "")
    return name.rpartition(":")[2].removeprefix("${Fleet}-")


def test_what_each_tier_may_do_to_what_is_what_its_code_calls(resources: Mapping[str, Resource]) -> None:
    may = {
        (name, short(resource), action)
        for name, statement in allowed(resources)
        for resource in as_list(statement["Resource"])
        for action in as_list(statement["Action"])
    }

    assert may == {
        (name, resource, action)
        for name, of_policy in CALLS.items()
        for resource, actions in of_policy.items()
        for action in actions
    }


def types_of(action: str, resource: str) -> list[list[str]]:
    """The condition keys of each type of resource that an action knows and this is one of, as cfn-lint has them."""
    service, _, verb = action.lower().partition(":")
    try:
        policies = importlib.resources.files("cfnlint").joinpath("data", "AdditionalSpecs", "Policies.json")
        known = json.loads(policies.read_text())[service]
        kinds = [known["Resources"][kind] for kind in known["Actions"][verb].get("Resources", ())]
        formats = [(kind["ARNFormats"], kind.get("ConditionKeys", [])) for kind in kinds]
    except (FileNotFoundError, KeyError) as error:
        pytest.skip(f"cfn-lint keeps what it knows of policies in another way: {error!r}")
    name = resource.replace("AWS::", "").split(":", 5)[-1]
    return [keys for arns, keys in formats if any(re.fullmatch(arn.split(":", 5)[-1], name) for arn in arns)]


def test_every_condition_is_one_that_aws_knows_for_the_action_and_the_resource(
    resources: Mapping[str, Resource],
) -> None:
    """Another never holds: whoever asks is not authorised."""
    checked = 0
    for name, statement in allowed(resources):
        used = {key for test in statement.get("Condition", {}).values() for key in test}
        for resource in as_list(statement["Resource"]) if used else ():
            for action in as_list(statement["Action"]):
                text = resource.get("Sub", "role/any")
                (keys,) = types_of(action, text)
                known = {key.partition("${")[0] for key in keys} | ACTION_KEYS.get(action, set())
                of_tags = {key.partition("/")[0] + "/" if "/" in key else key for key in used}
                assert of_tags <= known, (name, statement["Sid"], action, text, of_tags - known)
                checked += 1
    assert checked >= 14


def test_the_autoscaler_ends_and_marks_only_what_carries_the_fleets_tag(resources: Mapping[str, Resource]) -> None:
    tag = {"aws:ResourceTag/burstlens:fleet": {"Ref": "Fleet"}}
    found = {statement["Sid"]: statement for name, statement in allowed(resources) if name == "AutoscalerPolicy"}

    assert found["Terminate"]["Condition"]["StringEquals"] == tag
    assert found["Drain"]["Condition"]["StringEquals"] == tag
    launch = found["LaunchInstance"]["Condition"]
    assert launch["StringEquals"] == {"aws:RequestTag/burstlens:fleet": {"Ref": "Fleet"}}
    assert "launch-template/${WorkerTemplate}" in str(launch["ArnEquals"]["ec2:LaunchTemplate"])
    assert found["LaunchWith"]["Condition"]["ArnEquals"] == launch["ArnEquals"]
    assert found["LaunchSpot"]["Condition"] == {"StringEquals": launch["StringEquals"]}
    assert found["HandOverWorkerRole"]["Resource"] == {"GetAtt": "WorkerRole.Arn"}


def test_only_the_user_of_a_private_cloud_lends_its_workers_their_role_and_for_no_longer_than_aws_allows(
    resources: Mapping[str, Resource],
) -> None:
    user, role = (resources[name]["Properties"] for name in ("PrivateWebUser", "PrivateWorkerRole"))

    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"AWS": {"Ref": "AWS::AccountId"}}
    own = f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:user/{user['UserName']['Sub']}"
    assert statement["Condition"] == {"ArnEquals": {"aws:PrincipalArn": {"Sub": own}}}
    assert role["MaxSessionDuration"] == 12 * 3600
    assert role["ManagedPolicyArns"] == [{"Ref": "WorkerPolicy"}]
    assert [policy["Ref"] for policy in user["ManagedPolicyArns"]] == [
        "WebPolicy",
        "AutoscalerPolicy",
        "PrivateWebPolicy",
    ]
    names = Names("cams", "123456789012", "eu-central-1")
    assert user["UserName"]["Sub"].replace("${Fleet}", "cams") == names.private_web_user


def test_a_private_clouds_things_are_there_only_when_it_is_wanted_and_no_key_is_in_the_stack(
    template: Mapping[str, Any],
) -> None:
    for kind in ("Resources", "Outputs"):
        own = {name: thing for name, thing in template[kind].items() if name.startswith("Private")}
        assert own
        assert {thing["Condition"] for thing in own.values()} == {"PrivateCloud"}
    assert "AWS::IAM::AccessKey" not in read_template()


def test_credentials_of_workers_in_a_private_cloud_are_good_for_what_their_role_is(
    resources: Mapping[str, Resource],
) -> None:
    names = Names("cams", "123456789012", "eu-central-1")
    reach = Reach(
        requests="cams-requests",
        dead_letters="cams-requests-dead",
        responses="cams-responses-*",
        inputs=f"s3://{names.bucket(INPUTS)}",
        outputs=f"s3://{names.bucket(OUTPUTS)}",
        fleet=f"s3://{names.bucket(FLEET)}",
    )
    role = f"arn:aws:iam::{names.account}:role/cams-private-worker"
    session = json.loads(session_policy(reach, role, names.region))["Statement"]

    queues = {"RequestQueue.Arn": "cams-requests", "DeadLetters.Arn": "cams-requests-dead"}
    pseudo = {"AWS::Partition": "aws", "AWS::Region": names.region, "AWS::AccountId": names.account, "Fleet": "cams"}

    def arn(resource: Any) -> str:  # noqa: ANN401
        if "GetAtt" in resource:
            return f"arn:aws:sqs:{names.region}:{names.account}:{queues[resource['GetAtt']]}"
        return re.sub(r"\$\{(.+?)\}", lambda found: pseudo[found[1]], resource["Sub"])

    of_role = {
        (action, arn(resource))
        for name, statement in allowed(resources)
        if name == "WorkerPolicy"
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }
    of_session = {
        (action, resource)
        for statement in session
        for action in statement["Action"]
        for resource in statement["Resource"]
    }
    # The role of this template needs no key of the customer's; another's may.
    assert of_session - {("kms:Decrypt", "*"), ("kms:GenerateDataKey", "*")} == of_role


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


def test_a_queues_policy_is_about_that_queue_alone_or_sqs_refuses_it(resources: Mapping[str, Resource]) -> None:
    policies = of_type(resources, "AWS::SQS::QueuePolicy")
    assert len(policies) == 2
    for properties in policies.values():
        (queue,) = properties["Queues"]
        for statement in properties["PolicyDocument"]["Statement"]:
            assert statement["Resource"] == {"GetAtt": f"{queue['Ref']}.Arn"}


def test_nobody_reaches_a_worker_and_only_the_web_port_of_the_web_host_is_open(
    resources: Mapping[str, Resource],
) -> None:
    groups = of_type(resources, "AWS::EC2::SecurityGroup")
    assert {name: group.get("SecurityGroupIngress", []) for name, group in groups.items()} == {
        "WorkerGroup": [],
        "BuilderGroup": [],
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
    out = {name: {rule["FromPort"] for rule in group["SecurityGroupEgress"]} for name, group in groups.items()}
    assert out == {"WorkerGroup": {443}, "HostGroup": {443}, "BuilderGroup": {80, 443}}
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
