"""`burstlens deploy openstack` on a real OpenStack: whole, interrupted after every call, beside others' things."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1.exceptions import ConnectTimeout

from burstlens.clock import SystemClock
from burstlens.clouds.base import Pool, Spec
from burstlens.clouds.openstack.cloud import OpenStackCloud
from burstlens.deploy.aws.access_keys import AccessKeys
from burstlens.deploy.openstack.down import down
from burstlens.deploy.openstack.gifts import Login, Need
from burstlens.deploy.openstack.handover import CLOUDS, CREDENTIALS
from burstlens.deploy.openstack.host import Host as WebHost
from burstlens.deploy.openstack.inventory import Inventory, take_inventory, take_whole_inventory
from burstlens.deploy.openstack.names import Names
from burstlens.deploy.openstack.project import Project
from burstlens.deploy.openstack.servers import Servers
from burstlens.deploy.openstack.steps import Step
from burstlens.deploy.openstack.things import Kind
from burstlens.deploy.openstack.up import Order, plan, up
from burstlens.deploy.openstack.wish import Wish
from burstlens.errors import Misconfigured, Unavailable
from burstlens.openstack.options import OpenStackOptions
from burstlens.settings import load_settings
from support.aws_doubles import CREDENTIALS as AWS
from support.aws_doubles import Double, Doubles
from support.commands import Home
from support.openstack_lab import Project as LabProject
from support.sshd import make_key, needs_sshd, sshd

pytestmark = [
    pytest.mark.timeout(300),
    # openstacksdk's own.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"),
]

FLEET = "shop"
WISH = Wish(image="tiny", flavor="lab.tiny", zone="fake", external="public")
ONCE = {Kind.NETWORK: 1, Kind.SUBNET: 1, Kind.ROUTER: 1, Kind.GROUP: 2, Kind.PORT: 1, Kind.ADDRESS: 1}


class Died(BaseException):
    """The process, at this point."""


@pytest.fixture
def lab(openstack_project: LabProject, monkeypatch: pytest.MonkeyPatch) -> LabProject:
    """A project of its own, as the environment of an operator says."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(openstack_project.clouds))
    monkeypatch.delenv("OS_CLOUD", raising=False)
    return openstack_project


class Operator:
    """Somebody with a shell: each call starts anew, as a command does."""

    def __init__(self, cloud: str, login: Login, need: Need | None = None) -> None:
        self.cloud = cloud
        self.login = login
        self.need = need or Need("", None)
        self.said: list[str] = []
        self.shown: list[tuple[str, str, str]] = []
        self.after_call: Callable[[str], None] = lambda _: None
        """Called after each request that changes something, with its method and path."""

    def up(self, wish: Wish = WISH) -> Inventory:
        project = self._project()
        assert up(project, self.order(wish), self._show, lambda: True) is not None
        return take_inventory(project, self.need.keys)

    def plan(self, wish: Wish) -> list[tuple[str, str, str]]:
        project = self._project()
        planned = plan(project, self.order(wish))
        self.said.append(planned.left_to_do)
        self._show(planned.steps)
        return self.shown

    def down(self) -> Inventory:
        project = self._project()
        return down(project, self.need.keys)

    def inventory(self) -> Inventory:
        project = self._project()
        return take_whole_inventory(project, self.need.keys)

    def order(self, wish: Wish) -> Order:
        return Order(wish, self.need, self.login, lambda choice, *_: f"#cloud-config\n# {choice.port}\n")

    def _show(self, steps: Any) -> None:  # noqa: ANN401
        self.shown = [(step.action, str(step.kind), step.name) for step in steps]
        assert all(isinstance(step, Step) for step in steps)

    def _project(self) -> Project:
        options = OpenStackOptions(cloud=self.cloud)
        project = Project(options, Names(FLEET), SystemClock(), self.said.append)
        request = project.cloud.session.request

        def watched(url: str, method: str, **words: Any) -> Any:  # noqa: ANN401
            answer = request(url, method, **words)
            if method != "GET" and "/auth/tokens" not in url:
                self.after_call(f"{method} {url}")
            return answer

        project.cloud.session.request = watched  # type: ignore[assignment,method-assign]
        return project


@pytest.fixture
def operator(lab: LabProject, tmp_path: Path) -> Operator:
    return Operator(lab.cloud, Login(None, "debian", tmp_path / "known_hosts"))


def counts(inventory: Inventory) -> dict[Kind, int]:
    return {kind: len(things) for kind, things in inventory.things.items()}


def is_whole(inventory: Inventory) -> bool:
    return (
        counts(inventory) == ONCE
        and [server["status"] for server in inventory.servers] == ["ACTIVE"]
        and len(inventory.interfaces) == 1
    )


@pytest.mark.anyio
async def test_an_operator_plans_makes_sees_and_removes_a_private_cloud(lab: LabProject, home: Home) -> None:
    command = ("deploy", "openstack")
    words = ("--image", "tiny", "--flavor", "lab.tiny", "--zone", "fake", "--external", "public")
    environment = {"OS_CLIENT_CONFIG_FILE": str(lab.clouds), "OS_CLOUD": lab.cloud}

    planned = await home.run(*command, "plan", *words, **environment)
    refused = await home.run(*command, "up", *words, **environment)
    made = await home.run(*command, "up", "--yes", *words, **environment)
    again = await home.run(*command, "up", "--yes", **environment)
    status = await home.run(*command, "status", "--json", **environment)
    plain = await home.run(*command, "status", **environment)
    down = await home.run(*command, "down", "--yes", **environment)
    twice = await home.run(*command, "down", "--yes", **environment)

    for done in (planned, made, again, status, plain, down, twice):
        assert (done.code, done.err) == (0, ""), done.err
    assert (refused.code, refused.out) == (1, "")
    assert "Add     router interface  burstlens         192.168.10.0/24" in planned.out
    assert planned.out.splitlines()[0] in made.out
    assert "burstlens.toml is written" in made.out
    assert again.out.splitlines()[:2] == ["nothing to change", "burstlens.toml is as it should be"]
    found = json.loads(status.out)
    assert found["server"]["state"] == "ACTIVE"
    assert found["url"] == f"http://{found['address']}"
    assert found["url"] in made.out
    assert found["url"] in plain.out
    assert "remove server burstlens-web, ACTIVE" in down.out
    assert down.out.splitlines()[-1] == twice.out.strip() == "nothing is left of the fleet burstlens on OpenStack"
    settings = load_settings(home.folder / "burstlens.toml")
    assert (settings.openstack.cloud, settings.openstack.network) == (lab.cloud, "burstlens")
    with lab.connect() as cloud:
        assert [network.name for network in cloud.network.networks(project_id=lab.number)] == []
        assert list(cloud.compute.servers()) == []


def test_up_and_down_go_on_after_dying_at_any_call(operator: Operator) -> None:
    calls = killed_after_each_call(operator, operator.up)

    assert is_whole(operator.inventory())
    # One for each thing, the server, two rules, and the interface: none was made twice.
    assert len(calls) == sum(ONCE.values()) + 4

    calls = killed_after_each_call(operator, operator.down)

    assert operator.inventory().lines() == []
    # The server is asked to go until it is gone.
    assert len(set(calls)) == sum(ONCE.values()) + 2


def killed_after_each_call(operator: Operator, command: Callable[[], Inventory]) -> list[str]:
    """Run a command again and again, each time until it has changed one thing; what it did."""
    calls: list[str] = []

    def die(call: str) -> None:
        calls.append(call)
        raise Died

    operator.after_call = die
    while True:
        try:
            command()
        except Died:
            continue
        return calls


@pytest.mark.anyio
async def test_what_was_made_though_no_answer_came_is_found_and_ends_with_the_workers(
    operator: Operator, lab: LabProject
) -> None:
    calls: list[str] = []

    def no_answer(call: str) -> None:
        calls.append(call)
        raise ConnectTimeout(call)

    operator.after_call = no_answer
    made = await asyncio.to_thread(operator.up)
    operator.after_call = lambda _: None

    assert is_whole(made)
    assert len(calls) == sum(ONCE.values()) + 4

    options = OpenStackOptions(cloud=lab.cloud, network=FLEET, security_groups=(f"{FLEET}-worker",))
    cloud = OpenStackCloud(options, SystemClock())
    pool = Pool("openstack", "openstack", 2, instance_types=("lab.tiny",), zones=("fake",), image="tiny")
    born = await cloud.launch(pool, ["app-tier-1"], Spec({}), fleet=FLEET, token="a")  # noqa: S106
    await cloud.close()
    seen = await asyncio.to_thread(operator.inventory)
    left = await asyncio.to_thread(operator.down)

    assert len(born) == 1
    assert sum(seen.workers.values()) == 1
    assert left.lines() == []


def test_a_half_made_cloud_is_removed_and_nobody_elses_things_are_touched(operator: Operator, lab: LabProject) -> None:
    """They have the same names as ours."""
    with lab.connect() as cloud:
        network = cloud.network.create_network(name=FLEET)
        cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="192.168.10.0/24", name=FLEET)
        cloud.network.create_router(name=FLEET)
        cloud.network.create_security_group(name=f"{FLEET}-web")
        cloud.network.create_port(network_id=network.id, name=f"{FLEET}-web")

        def theirs() -> list[list[tuple[str, str]]]:
            listings = (cloud.network.networks, cloud.network.subnets, cloud.network.routers, cloud.network.ports)
            groups = (cloud.network.security_groups,)
            return [
                [(thing.id, thing.name) for thing in list_(project_id=lab.number)] for list_ in (*listings, *groups)
            ]

        before = theirs()

        operator.after_call = dies_at("/ports")
        with pytest.raises(Died):
            operator.up()
        assert counts(operator.inventory())[Kind.PORT] == 1
        left = operator.down()

        assert left.lines() == []
        assert theirs() == before


def test_of_what_was_made_twice_all_the_same_the_one_in_use_stays(operator: Operator, lab: LabProject) -> None:
    """The other is of a call that showed up late, though it is the older one."""
    ours = {"name": FLEET, "description": Names(FLEET).mark}
    with lab.connect() as cloud:
        network = cloud.network
        public = network.find_network("public", ignore_missing=False)
        network.create_network(**ours)
        network.create_router(**ours)
        time.sleep(1.1)  # what was made when is known to the second
        used = network.create_network(**ours).id
        subnet = network.create_subnet(network_id=used, ip_version=4, cidr="192.168.10.0/24", **ours)
        router = network.create_router(external_gateway_info={"network_id": public.id}, **ours)
        network.add_interface_to_router(router, subnet=subnet.id)

    steps = operator.plan(WISH)

    assert steps[0] == ("Add", "security group", f"{FLEET}-web")
    assert steps[-2:] == [("Remove", "router", FLEET), ("Remove", "network", FLEET)]
    assert operator.down().lines() == []


def test_a_setting_changes_what_it_is_about_and_nothing_else(operator: Operator, tmp_path: Path) -> None:
    made = operator.up()
    key = make_key(tmp_path / "id")

    ssh = operator.up(Wish(ssh_from="198.51.100.0/24"))
    assert operator.shown == [("Add", "rule", f"{FLEET}-web")]
    moved = operator.up(Wish(ssh_from="203.0.113.0/24"))
    assert operator.shown == [("Add", "rule", f"{FLEET}-web"), ("Remove", "rule", f"{FLEET}-web")]
    assert moved.server == ssh.server == made.server
    assert [str(rule) for rules in moved.rules.values() for rule in rules if rule.port == 22] == [
        "tcp 22 from 203.0.113.0/24"
    ]
    assert operator.plan(Wish()) == []
    assert operator.plan(Wish(dns=("192.0.2.1",))) == [("Modify", "subnet", FLEET)]
    assert operator.plan(Wish(port=8080))[-1] == ("Replace", "server", f"{FLEET}-web")
    assert [step[:2] for step in operator.plan(Wish(ssh_key=key))] == [("Add", "key pair"), ("Replace", "server")]
    with pytest.raises(Misconfigured, match="the network is 192"):
        operator.plan(Wish(cidr="10.0.0.0/24"))

    other = operator.up(Wish(port=8080, ssh_from="none"))
    assert other.server is not None
    assert made.server is not None
    assert other.server["id"] != made.server["id"]
    assert is_whole(other)
    assert other.url.endswith(":8080")
    assert other.first(Kind.ADDRESS) is not None
    assert {rule.port for rules in other.rules.values() for rule in rules} == {None, 8080}


def test_a_zone_that_is_asked_for_and_a_key_pair_that_is_gone(
    operator: Operator, lab: LabProject, tmp_path: Path
) -> None:
    """Key pairs are the user's: a colleague sees none, and asks for nothing by that."""
    operator.up(replace(WISH, ssh_key=make_key(tmp_path / "id")))
    with lab.connect() as cloud:
        for pair in list(cloud.compute.keypairs()):
            cloud.compute.delete_keypair(pair.name)

    assert operator.plan(Wish()) == []
    assert operator.plan(Wish(zone="another")) == [("Replace", "server", f"{FLEET}-web")]


def test_down_removes_what_is_here_though_aws_does_not_answer(operator: Operator, aws_credentials: None) -> None:
    from burstlens.aws.options import AwsOptions
    from burstlens.aws.session import AwsSession

    del aws_credentials
    operator.up()
    nobody = AwsOptions(endpoint="http://127.0.0.1:9", region=AWS["AWS_REGION"])
    operator.need = Need("", AccessKeys(AwsSession(nobody), Names(FLEET).aws_user))

    with pytest.raises(Unavailable, match="AWS does not answer"):
        operator.down()
    operator.need = Need("", None)
    assert operator.inventory().lines() == []


def test_a_rule_that_somebody_has_added_by_hand_is_told(operator: Operator, lab: LabProject) -> None:
    group = operator.up().first(Kind.GROUP, f"{FLEET}-web")
    assert group is not None
    theirs = {"direction": "ingress", "ether_type": "IPv4", "protocol": "tcp", "remote_ip_prefix": "198.51.100.0/24"}
    with lab.connect() as cloud:
        cloud.network.create_security_group_rule(
            security_group_id=group["id"], port_range_min=22, port_range_max=22, **theirs
        )

    with pytest.raises(Misconfigured, match="by hand; remove that one"):
        operator.up(Wish(ssh_from="198.51.100.0/24"))


def test_a_server_that_no_host_has_room_for_is_told_and_is_to_be_replaced(operator: Operator) -> None:
    with pytest.raises(Unavailable, match="does not start: No valid host"):
        operator.up(replace(WISH, flavor="lab.huge"))

    assert operator.plan(WISH)[-1] == ("Replace", "server", f"{FLEET}-web")


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (replace(WISH, image="none-such"), "the image 'none-such' is not there"),
        (replace(WISH, flavor="none-such"), r"no flavor 'none-such'; there is .*lab\.tiny"),
        (replace(WISH, external="lab"), r"'lab' is not one; the external networks .* are: public"),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_made(operator: Operator, wish: Wish, words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        operator.up(wish)
    assert operator.inventory().lines() == []


def test_an_application_credential_that_may_make_none_is_told_before_anything_is_made(
    lab: LabProject, tmp_path: Path
) -> None:
    login = Login(make_key(tmp_path / "id"), "debian", tmp_path / "known_hosts")
    operator = Operator(lab.cloud, login, Need(lab.cloud, None))

    with pytest.raises(Misconfigured, match="--web-clouds FILE"):
        operator.up(replace(WISH, ssh_from="203.0.113.0/24", ssh_key=login.key))
    assert operator.inventory().lines() == []


@pytest.fixture(scope="module")
def moto() -> Iterator[Double]:
    doubles = Doubles()
    yield doubles.moto
    doubles.stop()


@pytest.fixture
def access_keys(moto: Double, aws_credentials: None) -> AccessKeys:
    """Of a user that the stack would have made."""
    from burstlens.aws.options import AwsOptions
    from burstlens.aws.session import AwsSession, call_blocking

    del aws_credentials
    keys = AccessKeys(AwsSession(AwsOptions(endpoint=moto.url, region=AWS["AWS_REGION"])), Names(FLEET).aws_user)
    if keys.ids() is None:
        call_blocking(keys._session.client("iam"), "create_user", UserName=keys.user)
    for key in keys.ids() or ():
        keys.remove(key)
    return keys


@needs_sshd
def test_the_web_host_is_given_its_credentials_whoever_dies_and_down_takes_them_back(
    lab: LabProject, access_keys: AccessKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lab's compute has no guests, so a sshd on loopback stands in for the server's."""
    folder = tmp_path / "host"
    folder.mkdir()
    with sshd(folder) as host:
        monkeypatch.setattr(WebHost, "address", "127.0.0.1")
        login = Login(host.key, host.user, host.known_hosts, host.port)
        operator = Operator("owner", login, Need("theirs", access_keys))
        wish = replace(WISH, ssh_from="203.0.113.0/24", ssh_key=host.key)

        # With a host that has what is in nobody's books, with a secret that nobody knows, with old ones still there.
        with pytest.MonkeyPatch.context() as dying:
            dying.setattr(Servers, "note", dies)
            with pytest.raises(Died):
                operator.up(wish)
        for death in ("/application_credentials", "/metadata"):
            operator.after_call = dies_at(death)
            with pytest.raises(Died):
                operator.up(wish)
        operator.after_call = lambda _: None
        made = operator.up(wish)

        given = json.loads((host.etc / CLOUDS).read_text())["clouds"]["theirs"]
        key = (access_keys.ids() or [""])[0]
        assert list(made.credentials) == [given["auth"]["application_credential_id"]]
        assert made.access_keys == [key]
        assert f"AWS_ACCESS_KEY_ID='{key}'" in (host.etc / CREDENTIALS).read_text()
        assert host.units[-1].startswith("restart ")
        can_list_servers(lab, given, tmp_path)
        assert operator.plan(Wish()) == []

        # Somebody has removed what it has: it is given anew, and nothing of the old is left.
        access_keys.remove(key)
        again = operator.up(wish)
        assert operator.shown == [("Modify", "credentials", f"{FLEET}-web")]
        assert again.access_keys == access_keys.ids() != [key]
        assert len(again.credentials) == len(again.access_keys or ()) == 1

        assert given["auth"]["application_credential_secret"] not in " ".join(operator.said)
        assert operator.down().lines() == []
    assert access_keys.ids() == []


def dies(*_: object) -> None:
    """Dies before a call."""
    raise Died


def dies_at(path: str) -> Callable[[str], None]:
    """Dies after a call whose address ends so."""

    def die(call: str) -> None:
        if call.endswith(path):
            raise Died

    return die


def can_list_servers(lab: LabProject, entry: dict[str, Any], folder: Path) -> None:
    from support.openstack_lab import connection

    path = folder / "given.yaml"
    path.write_text(json.dumps({"clouds": {"theirs": entry}}))
    with connection(path, "theirs") as cloud:
        assert [server.name for server in cloud.compute.servers()] == [f"{FLEET}-web"]
        assert cloud.current_project_id == lab.number


def test_without_a_way_in_the_operator_is_told_what_is_left_to_do(lab: LabProject, operator: Operator) -> None:
    operator.need = Need(lab.cloud, None)

    assert ("Add", "server", f"{FLEET}-web") in operator.plan(WISH)
    assert operator.said[-1].endswith(
        "burstlens deploy openstack up --ssh-key ~/.ssh/id_ed25519 --ssh-from YOUR.ADDRESS/32"
    )
