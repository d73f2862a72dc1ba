"""What settings mean: wherever they are read, and for the instances that are told of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from burstlens.clouds.base import Market, Pool
from burstlens.errors import Misconfigured
from burstlens.scaling.placement import fill_order
from burstlens.settings import Settings, load_settings
from burstlens.settings.model import ModelSettings, PoolSettings

TOLD = ("aws", "queue", "buckets", "model", "worker")

FILE = """
fleet = "lab"
data = "state"

[queue]
name = "images"
lease_seconds = 7
synchronous = "full"

[buckets]
outputs = "memory:///"
layout = "filename"

[model]
cache = "models"

[worker]
prefetch = 3
processes = 2

[web]
max_image_bytes = 1000
max_pixels = 2000
replica = "north"

[scaling]
policy = "queue-ratio"
"""


@pytest.fixture
def settings(folder: Path) -> Settings:
    path = folder / "burstlens.toml"
    path.write_text(FILE)
    return load_settings(path)


def test_resolved_means_the_same_in_any_folder(folder: Path, settings: Settings) -> None:
    here = settings.resolved()

    assert here.data == folder / "state"
    assert here.queue.url == f"sqlite:{folder / 'state' / 'queues'}"
    assert here.buckets.inputs == (folder / "state" / "buckets" / "inputs").as_uri()
    assert here.buckets.fleet == (folder / "state" / "buckets" / "fleet").as_uri()
    os.chdir("/")
    assert here.resolved() == here


def test_resolved_keeps_what_was_set(settings: Settings) -> None:
    here = settings.resolved()

    assert here.buckets.outputs == "memory:///"
    assert (here.queue.name, here.queue.lease_seconds) == ("images", 7)
    assert (here.fleet, here.web, here.scaling) == (settings.fleet, settings.web, settings.scaling)


def test_deployments_with_different_data_share_no_address() -> None:
    one, other = (load_settings(data=Path(name)).resolved() for name in ("one", "other"))

    assert one.queue.url != other.queue.url
    addresses = [{b.inputs, b.outputs, b.fleet} for b in (one.buckets, other.buckets)]
    assert [len(a) for a in addresses] == [3, 3]
    assert not addresses[0] & addresses[1]


def test_the_environment_of_a_spec_gives_a_worker_elsewhere_the_same_settings(folder: Path, settings: Settings) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    code = (
        "from burstlens.settings import load_settings\n"
        f"settings = load_settings().resolved()\n"
        f"print(settings.model_dump_json(include={set(TOLD)!r} | {{'fleet', 'data'}}))\n"
        "print(settings.web.max_image_bytes, settings.web.max_pixels)\n"
    )
    environment = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), **settings.spec().environment}

    out = subprocess.run(
        [sys.executable, "-c", code], cwd=elsewhere, env=environment, check=True, capture_output=True, text=True
    ).stdout

    told, limits = out.splitlines()
    expected = settings.resolved().model_dump_json(include={*TOLD, "fleet", "data"})
    assert json.loads(told) == json.loads(expected)
    assert limits == "1000 2000"


def test_a_spec_reads_back_whatever_file_lies_where_the_worker_starts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.spec().environment.items():
        monkeypatch.setenv(name, value)
    Path("burstlens.toml").write_text("[queue\nname = 'half a s")

    here = load_settings().resolved()

    assert [getattr(here, name) for name in TOLD] == [getattr(settings.resolved(), name) for name in TOLD]


def test_a_spec_says_nothing_that_a_worker_does_not_need(settings: Settings) -> None:
    told = " ".join(f"{name}={value}" for name, value in settings.spec().environment.items())

    for not_its_business in ("north", "127.0.0.1", "queue-ratio", "SCALING", "POOLS", "WEB__HOST", "WEB__REPLICA"):
        assert not_its_business not in told
    web = {name for name in settings.spec().environment if name.startswith("BURSTLENS_WEB")}
    assert web == {"BURSTLENS_WEB__MAX_IMAGE_BYTES", "BURSTLENS_WEB__MAX_PIXELS"}


def test_with_changes_what_is_given_and_keeps_the_rest(settings: Settings) -> None:
    changed = settings.with_web(port=0, host=None).with_scaling(max_instances=1).with_worker(processes=5)

    assert (changed.web.port, changed.web.host, changed.web.replica) == (0, settings.web.host, "north")
    assert changed.scaling.max_instances == 1
    assert changed.worker_processes() == 5
    assert changed.queue == settings.queue
    assert settings.web.port == 8000


@pytest.mark.parametrize(
    ("section", "changes", "says"),
    [
        ("web", {"port": 65536}, "web.port: Input should be less than or equal to 65535"),
        ("web", {"host": 3}, "web.host: Input should be a valid string"),
        ("worker", {"processes": -1}, "worker.processes: Input should be greater than or equal to 0"),
        (
            "scaling",
            {"min_instances": 2, "max_instances": 1},
            "scaling: min_instances (2) is more than max_instances (1)",
        ),
    ],
)
def test_with_refuses_what_cannot_work(settings: Settings, section: str, changes: dict[str, object], says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        getattr(settings, f"with_{section}")(**changes)
    assert str(caught.value) == says


def test_a_pool_is_what_scaling_works_with() -> None:
    entry = PoolSettings(
        name="burst",
        cloud="local",
        cap=4,
        order=2,
        price_per_hour=0.1,
        billing_increment_seconds=1,
        billing_minimum_seconds=60,
    )

    pool = entry.pool()

    assert (pool.name, pool.cloud, pool.cap, pool.order, pool.price_per_hour) == ("burst", "local", 4, 2, 0.1)
    assert (pool.billing.increment_seconds, pool.billing.minimum_seconds) == (1, 60)


def test_what_a_queue_is_created_with(settings: Settings) -> None:
    options = settings.queue_options()
    assert (options.lease_seconds, options.max_attempts) == (7, 3)


def test_paths_of_the_model_mean_the_same_in_any_folder_and_names_and_urls_stay(folder: Path) -> None:
    def resolved(**model: object) -> ModelSettings:
        return Settings(model=ModelSettings.model_validate(model)).resolved().model

    own = resolved(name="m/birds.onnx", manifest="m/birds.manifest", cache="models")
    assert (own.name, own.manifest) == (str(folder / "m/birds.onnx"), str(folder / "m/birds.manifest"))
    assert own.cache == folder / "models"
    for name in ("lite0", "faces", "hf://a/b/c.onnx", "s3://a/b.onnx"):
        assert resolved(name=name, manifest="").name == name
    assert resolved(name="lite0", manifest="s3://a/b.toml").manifest == "s3://a/b.toml"


REMOTE = """
[aws]
region = "eu-west-3"

[queue]
url = "sqs:birds-"

[buckets]
inputs = "s3://birds-inputs"
outputs = "s3://birds-outputs"
fleet = "s3://birds-fleet"

[model]
cache = "models"

[[pools]]
name = "aws"
cloud = "ec2"
cap = 19
launch_template = "birds"
instance_types = ["c7i.large", "c6i.large"]
zones = ["eu-west-3a", "eu-west-3b"]
market = "spot"
"""


def written(folder: Path, text: str) -> Settings:
    path = folder / "remote.toml"
    path.write_text(text)
    return load_settings(path)


def test_a_machine_elsewhere_is_told_nothing_of_this_machines_folders(folder: Path) -> None:
    told = written(folder, REMOTE).spec("ec2").environment

    assert str(folder) not in " ".join(told.values())
    assert told["BURSTLENS_DATA"] == "/var/lib/burstlens"
    assert json.loads(told["BURSTLENS_AWS"])["region"] == "eu-west-3"
    assert json.loads(told["BURSTLENS_MODEL"])["cache"] is None
    assert json.loads(told["BURSTLENS_WORKER"])["processes"] == 0, "one for each of its own cores"


@pytest.mark.parametrize(
    ("line", "changed", "setting"),
    [
        ('url = "sqs:birds-"', 'url = ""', "queue.url"),
        ('url = "sqs:birds-"', 'url = "memory:"', "queue.url"),
        ('outputs = "s3://birds-outputs"', "", "buckets.outputs"),
        ('cache = "models"', 'name = "birds.onnx"', "model.name"),
        ('cache = "models"', 'manifest = "birds.toml"', "model.manifest"),
    ],
)
def test_what_a_machine_elsewhere_cannot_reach_is_refused(folder: Path, line: str, changed: str, setting: str) -> None:
    assert line in REMOTE
    settings = written(folder, REMOTE.replace(line, changed))

    settings.spec("local")
    with pytest.raises(Misconfigured, match=rf"{setting} is .* which instances on ec2 cannot reach"):
        settings.spec("ec2")


def test_a_pool_on_ec2_says_what_it_offers(folder: Path) -> None:
    (pool,) = written(folder, REMOTE).fleet_pools()

    assert (pool.instance_types, pool.zones) == (("c7i.large", "c6i.large"), ("eu-west-3a", "eu-west-3b"))
    assert (pool.market, pool.launch_template, pool.cap) == (Market.SPOT, "birds", 19)


def test_a_pool_on_ec2_needs_a_launch_template(folder: Path) -> None:
    with pytest.raises(Misconfigured, match="an ec2 pool needs a launch_template"):
        written(folder, REMOTE.replace('launch_template = "birds"', ""))


def test_two_pools_of_one_name_are_refused(folder: Path) -> None:
    with pytest.raises(Misconfigured, match="more than one is called 'aws'"):
        written(folder, REMOTE + REMOTE[REMOTE.index("[[pools]]") :])


def test_a_shared_response_queue_is_a_matter_of_sqs(folder: Path) -> None:
    text = '[queue]\nresponse_name = "all-replies"\nurl = '
    assert written(folder, text + '"sqs:"').queue.response_name == "all-replies"
    with pytest.raises(Misconfigured, match="response_name is only for queues on SQS"):
        written(folder, text + '"memory:"')


PRIVATE = (
    REMOTE[: REMOTE.index("[[pools]]")]
    + """
[[pools]]
name = "private"
cloud = "openstack"
cap = 4
image = "birds"
instance_types = ["m1.small"]
zones = ["nova"]
"""
)


def test_a_pool_on_openstack_says_what_it_offers(folder: Path) -> None:
    (pool,) = written(folder, PRIVATE).fleet_pools()

    assert (pool.cloud, pool.cap, pool.image, pool.instance_types, pool.zones) == (
        *("openstack", 4, "birds"),
        *(("m1.small",), ("nova",)),
    )


@pytest.mark.parametrize("line", ['image = "birds"', 'instance_types = ["m1.small"]'])
def test_a_pool_on_openstack_needs_an_image_and_a_flavor(folder: Path, line: str) -> None:
    assert line in PRIVATE
    with pytest.raises(Misconfigured, match="an openstack pool needs an image and instance_types"):
        written(folder, PRIVATE.replace(line, ""))


def test_a_pool_on_openstack_is_not_on_a_spot_market(folder: Path) -> None:
    with pytest.raises(Misconfigured, match="OpenStack has no spot market"):
        written(folder, PRIVATE + 'market = "spot"')


def test_there_is_no_setting_for_a_secret_of_openstack(folder: Path) -> None:
    with pytest.raises(Misconfigured, match=r"openstack\.password: there is no such setting"):
        written(folder, PRIVATE + '[openstack]\npassword = "secret"')


def test_instances_of_one_order_are_ranked_by_price() -> None:
    pools = [Pool("a", "ec2", 1, order=1), Pool("b", "ec2", 1, price_per_hour=0.2), Pool("c", "openstack", 1)]

    assert [pool.name for pool in fill_order(pools, {})] == ["c", "b", "a"]
