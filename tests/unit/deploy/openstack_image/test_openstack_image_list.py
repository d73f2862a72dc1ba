"""Which images are in use, and which can go."""

from dataclasses import replace

from burstlens.deploy.openstack_image.image import Image, named, superfluous

PLAIN = Image("id", "burstlens-0.1.0", "active", "2026-11-01T00:00:00Z", "qcow2", 1, "", "", "0.1.0", "", "")


def image(number: int, name: str = "burstlens-0.1.0", status: str = "active") -> Image:
    return replace(PLAIN, id=f"id{number}", name=name, status=status, created=f"2026-11-0{number}T00:00:00Z")


def test_a_name_means_the_newest_image_that_servers_can_start_from() -> None:
    images = [image(1), image(2), image(3, status="saving"), image(4, name="other")]

    assert named(images, ["burstlens-0.1.0"]) == {"id2"}


def test_an_id_means_that_image_whatever_its_state() -> None:
    assert named([image(1), image(2, status="deactivated")], ["id2", "id1"]) == {"id1", "id2"}


def test_a_name_that_no_image_has_means_none() -> None:
    assert named([image(1)], ["elsewhere"]) == set()


def test_all_but_the_newest_go_and_what_is_in_use_or_under_way_is_not_counted() -> None:
    images = [image(1), image(2), image(3), image(4), image(5, status="saving"), image(6)]

    assert [old.id for old in superfluous(images, {"id6", "id2"}, 1)] == ["id3", "id1"]


def test_only_glances_own_sha512_is_compared() -> None:
    shown = {"id": "1", "status": "active", "os_hash_algo": "sha256", "os_hash_value": "ab"}

    assert Image.parse(shown).digest == ""
    assert Image.parse(shown | {"os_hash_algo": "sha512"}).digest == "ab"


def test_an_image_that_is_not_stored_yet_has_no_size_and_no_digest() -> None:
    shown = {"id": "1", "status": "queued", "size": None, "os_hash_algo": None, "os_hash_value": None, "name": None}

    assert Image.parse(shown).is_half
    assert Image.parse(shown).size == 0
