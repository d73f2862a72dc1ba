"""Which images may go."""

from burstlens.deploy.aws.images import Image, Source, superfluous


def image(number: int, state: str = "available") -> Image:
    source = Source("0" * 64, "0.1.0", "ami-base")
    return Image(f"ami-{number}", "", state, f"2026-01-0{number}T00:00:00.000Z", 8, False, "/dev/xvda", (), source, "")


def ids(images: list[Image]) -> list[str]:
    return [each.id for each in images]


def test_the_newest_are_kept() -> None:
    assert ids(superfluous([image(1), image(3), image(2)], [], 2)) == ["ami-1"]


def test_one_in_use_is_kept_however_old_and_beside_the_newest() -> None:
    assert ids(superfluous([image(1), image(2), image(3), image(4)], ["ami-1"], 2)) == ["ami-2"]


def test_one_under_way_is_no_old_one() -> None:
    assert ids(superfluous([image(1, "pending"), image(2, "failed")], [], 0)) == ["ami-2"]


def test_a_described_image_says_what_it_was_made_from_and_a_pending_one_has_no_snapshots_yet() -> None:
    described = {
        "ImageId": "ami-1",
        "Name": "fleet-0.1.0-1",
        "State": "pending",
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, "Encrypted": True}},
            {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
        ],
        "Tags": [{"Key": "burstlens:version", "Value": "0.1.0"}, {"Key": "burstlens:build", "Value": "b"}],
    }

    parsed = Image.parse(described)

    assert (parsed.gigabytes, parsed.encrypted, parsed.snapshots) == (8, True, ())
    assert (parsed.source.version, parsed.build, parsed.root_device) == ("0.1.0", "b", "/dev/xvda")
