"""Images in the real Glance: uploaded once, found again, removed; nothing is left of what ends too soon."""

import hashlib
import json
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession
from burstlens.clouds.openstack.tags import fleet_tag
from burstlens.deploy.openstack_image import glance as glance_module
from burstlens.deploy.openstack_image.disk import inspect
from burstlens.deploy.openstack_image.file import UploadedFile
from burstlens.deploy.openstack_image.glance import Glance
from burstlens.deploy.openstack_image.image import BUILD, SOURCE, Image
from burstlens.deploy.openstack_image.importer import Importer, Order
from burstlens.errors import Misconfigured, NotFound, QuotaExceeded, Unavailable
from burstlens.openstack.options import OpenStackOptions
from support.aws_doubles import REGION, Doubles
from support.commands import Home
from support.disk_files import DISK_BYTES, content, converted, needs_qemu_img, raw_disk
from support.eventually import eventually
from support.openstack_cloud import SDK_WARNINGS
from support.openstack_lab import Project

pytestmark = [needs_qemu_img, SDK_WARNINGS]

FLEET = "shop"
NAME = "shop-disk"


@dataclass
class Shop:
    """A fleet's images, as an operator of the project sees them."""

    project: Project
    raw: Path
    said: list[str] = field(default_factory=list)

    @property
    def glance(self) -> Glance:
        """Anew: each command has its own."""
        options = OpenStackOptions(cloud=self.project.cloud)
        return Glance(options, FLEET, self.said.append)

    def importer(self, options: AwsOptions | None = None) -> Importer:
        return Importer(self.glance, options or AwsOptions(), self.said.append)

    def run(self, path: Path, name: str = NAME) -> Image:
        return self.importer().run(Order(str(path), name))

    def shown(self, image_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.project.admin.image.get(f"/images/{image_id}").json()
        return shown

    def there(self) -> list[tuple[str, str]]:
        """Name and status of every image of the project."""
        found = self.project.admin.image.get("/images", params={"owner": self.project.number}).json()["images"]
        return sorted((image["name"], image["status"]) for image in found)

    def begin(self, name: str, *tags: str, **properties: str) -> str:
        """An image without its bytes, as an upload leaves it that was killed."""
        wanted = {"name": name, "disk_format": "raw", "container_format": "bare", "tags": tags, **properties}
        with self.project.connect() as cloud:
            made: str = cloud.image.post("/images", json=wanted).json()["id"]
        return made


@pytest.fixture
def shop(openstack_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(openstack_project.clouds))
    return Shop(openstack_project, raw_disk(tmp_path / "disk.raw"))


@pytest.mark.parametrize(
    ("kind", "options"),
    [("vmdk", ("subformat=streamOptimized",)), ("vmdk", ("subformat=monolithicSparse",)), ("qcow2", ()), ("raw", ())],
)
def test_a_disk_that_clouds_take_is_stored_as_it_is(shop: Shop, kind: str, options: tuple[str, ...]) -> None:
    path = shop.raw if kind == "raw" else converted(shop.raw, kind, *options)

    image = shop.run(path)

    shown = shop.shown(image.id)
    assert (shown["status"], shown["disk_format"], shown["visibility"]) == ("active", kind, "private")
    assert shown["os_hash_value"] == hashlib.sha512(path.read_bytes()).hexdigest()
    assert (shown["hw_disk_bus"], shown["hw_vif_model"], shown["min_disk"]) == ("virtio", "virtio", 1)
    assert not [name for name in shown if name.startswith("owner_specified")]


@pytest.mark.parametrize(("kind", "options"), [("vpc", ("force_size=on",)), ("vmdk", ("subformat=monolithicFlat",))])
def test_a_disk_that_glance_would_refuse_is_converted(shop: Shop, kind: str, options: tuple[str, ...]) -> None:
    image = shop.run(converted(shop.raw, kind, *options))

    assert shop.shown(image.id)["disk_format"] == "qcow2"
    stored = shop.raw.with_name("stored.qcow2")
    with shop.project.connect() as cloud:
        stored.write_bytes(cloud.image.get(f"/images/{image.id}/file").content)
    assert content(stored, "qcow2") == shop.raw.read_bytes()


def test_the_same_disk_is_uploaded_once_also_when_it_was_converted(shop: Shop) -> None:
    qcow2, vhd = converted(shop.raw, "qcow2"), converted(shop.raw, "vpc", "force_size=on")

    first, second = shop.run(qcow2), shop.run(vhd, "shop-vhd")

    assert shop.run(qcow2).id == first.id
    assert shop.run(vhd, "shop-vhd").id == second.id
    assert len(shop.there()) == 2


def test_another_disk_of_the_same_name_is_another_image_and_so_is_the_same_disk_of_another_name(shop: Shop) -> None:
    first = shop.run(shop.raw)
    renamed = shop.run(shop.raw, "shop-other")
    changed = shop.run(raw_disk(shop.raw, b"changed"))

    assert len({first.id, renamed.id, changed.id}) == 3


def test_what_somebody_uploaded_by_hand_under_that_name_is_found(shop: Shop) -> None:
    made = shop.begin(NAME)
    with shop.project.connect() as cloud:
        kind = {"Content-Type": "application/octet-stream"}
        cloud.image.put(f"/images/{made}/file", data=shop.raw.read_bytes(), headers=kind)

    assert shop.run(shop.raw).id == made


@pytest.mark.usefixtures("aws_credentials")
def test_a_disk_in_s3_is_imported(shop: Shop, doubles: Doubles) -> None:
    options = AwsOptions(endpoint=doubles.moto.url, region=REGION)
    s3: Any = AwsSession(options).client("s3")
    s3.create_bucket(Bucket="exported-images", CreateBucketConfiguration={"LocationConstraint": REGION})
    disk = converted(shop.raw, "vmdk", "subformat=streamOptimized")
    s3.put_object(Bucket="exported-images", Key="exports/export-ami-1.vmdk", Body=disk.read_bytes())

    image = shop.importer(options).run(Order("s3://exported-images/exports/export-ami-1.vmdk", NAME))

    assert image.digest == hashlib.sha512(disk.read_bytes()).hexdigest()


def test_a_disk_that_leads_elsewhere_is_refused_before_anything_is_uploaded(shop: Shop) -> None:
    overlay = shop.raw.with_name("overlay.qcow2")
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(shop.raw), "-F", "raw", str(overlay)]
    subprocess.run(words, check=True)

    with pytest.raises(Misconfigured, match="backing file"):
        shop.run(overlay)
    assert shop.there() == []


def test_an_upload_that_is_interrupted_leaves_no_image(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    read = UploadedFile.read

    def interrupted(file: UploadedFile, count: int = -1) -> bytes:
        data = read(file, count)
        if not data:
            raise KeyboardInterrupt
        return data

    monkeypatch.setattr(UploadedFile, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shop.run(shop.raw)

    assert shop.there() == []


def test_an_image_that_is_not_what_was_sent_is_removed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    read = UploadedFile.read
    monkeypatch.setattr(UploadedFile, "read", lambda file, count=-1: read(file, count).replace(b"burst", b"BURST"))

    with pytest.raises(Unavailable, match="is not what was sent"):
        shop.run(shop.raw)
    assert shop.there() == []


async def until_it_is_stored(shop: Shop) -> None:
    async def saving() -> bool:
        return [status for _, status in shop.there()] == ["saving"]

    await eventually(saving, 30)


@pytest.mark.anyio
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_killed_import_is_made_good_by_the_next(shop: Shop, home: Home, number: signal.Signals) -> None:
    with shop.raw.open("r+b") as disk:
        disk.truncate(512 << 20)
    settings = {"BURSTLENS_FLEET": FLEET, "BURSTLENS_OPENSTACK__CLOUD": shop.project.cloud}
    importing = await home.start("image", "import", shop.raw, "--name", NAME, **settings)
    await until_it_is_stored(shop)
    killed = await importing.end(number)
    assert killed.code != 0
    if number is signal.SIGTERM:
        assert shop.there() == []
        assert list(home.temporary.iterdir()) == []

    with shop.raw.open("r+b") as disk:
        disk.truncate(DISK_BYTES)
    half = {SOURCE: hashlib.sha512(shop.raw.read_bytes()).hexdigest()}
    left = shop.begin(NAME, fleet_tag(FLEET), **half)
    image = shop.run(shop.raw)

    assert image.is_usable
    with pytest.raises(NotFound):
        shop.glance._get(left)


def test_a_half_image_of_another_import_is_left_alone_until_it_is_old(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.begin("shop-other", fleet_tag(FLEET))
    shop.run(shop.raw)
    assert ("shop-other", "queued") in shop.there()

    monkeypatch.setattr(glance_module, "_UPLOAD_SECONDS", -60.0)
    shop.glance.remove_halves("")
    assert shop.there() == [(NAME, "active")]


def test_what_glance_has_no_room_for_is_a_quota_and_leaves_nothing(shop: Shop) -> None:
    disk = inspect(shop.raw)
    # Glance takes 128 properties by default, and answers as it does to too many bytes.
    many = {f"property-{number}": "x" for number in range(150)}

    with pytest.raises(QuotaExceeded, match="no room"):
        shop.glance.upload(disk, NAME, "0" * 128, many)
    assert shop.there() == []


def test_a_snapshot_of_a_server_is_not_the_fleets_whatever_it_inherits(shop: Shop) -> None:
    image = shop.glance.upload(inspect(shop.raw), NAME, "0" * 128, {BUILD: "b" * 16})
    snapshot = shop.begin("snapshot", **{BUILD: "b" * 16, "image_type": "snapshot"})

    found = shop.glance.built("b" * 16)

    assert found is not None
    assert found.id == image.id
    assert snapshot not in {each.id for each in shop.glance.all()}


def test_the_images_of_another_fleet_are_not_listed_and_pages_are_followed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glance_module, "_PAGE", 2)
    mine = {shop.begin(f"shop-{number}", fleet_tag(FLEET)) for number in range(5)}
    shop.begin("other", fleet_tag("other"))

    assert {image.id for image in shop.glance.all()} == mine


def test_an_image_that_is_gone_can_be_removed_again(shop: Shop) -> None:
    image = shop.run(shop.raw)
    shop.glance.remove(image)

    shop.glance.remove(image)

    assert shop.there() == []


@pytest.mark.anyio
async def test_images_are_listed_and_pruned_but_not_those_in_use(shop: Shop, home: Home) -> None:
    ids = [shop.run(raw_disk(shop.raw, f"disk {number}".encode()), f"shop-{number}").id for number in range(4)]
    with shop.project.connect() as cloud:
        compute, network = cloud.compute, cloud.network.find_network("lab", ignore_missing=False)
        server = compute.create_server(
            name="shop-web",
            image_id=ids[0],
            flavor_id=compute.find_flavor("lab.tiny", ignore_missing=False).id,
            networks=[{"uuid": network.id}],
            availability_zone="fake",
        )
        compute.wait_for_server(server, interval=1)
    pool = {"name": "private", "cloud": "openstack", "cap": 1, "instance_types": ["lab.tiny"], "image": "shop-1"}
    settings = {
        "BURSTLENS_FLEET": FLEET,
        "BURSTLENS_OPENSTACK__CLOUD": shop.project.cloud,
        "BURSTLENS_POOLS": json.dumps([pool]),
    }

    listed = await home.run("image", "list", "--cloud", "openstack", "--json", **settings)
    pruned = await home.run("image", "prune", "--cloud", "openstack", "--keep", "1", "--yes", **settings)

    rows = json.loads(listed.out)
    assert {row["id"] for row in rows} == set(ids)
    assert {row["id"] for row in rows if row["in_use"]} == {ids[0], ids[1]}
    # Made in the same second, each of the others may count as the newest.
    assert pruned.out.count("removed") == 1
    assert {name for name, _ in shop.there()} > {"shop-0", "shop-1"}
    assert len(shop.there()) == 3
