"""What an operator asks for, over what is there."""

from dataclasses import replace
from pathlib import Path

import pytest

from burstlens.deploy.openstack.groups import Rule, chosen_before, wanted_rules
from burstlens.deploy.openstack.wish import Wish
from burstlens.errors import Misconfigured

WISH = Wish(image="debian", flavor="small")


def test_at_first_everybody_reaches_the_web_tier_and_nobody_ssh() -> None:
    assert [str(rule) for rule in wanted_rules(WISH.chosen({}))] == ["icmp from 0.0.0.0/0", "tcp 80 from 0.0.0.0/0"]


def test_what_is_there_stays_until_somebody_says_otherwise() -> None:
    chosen = replace(WISH, port=8080, ssh_from="198.51.100.7/32", dns=("192.0.2.1",)).chosen({})
    before = chosen_before(wanted_rules(chosen)) | {"image": "debian", "flavor": "small", "dns": chosen.dns}

    assert Wish().chosen(before) == chosen
    assert Wish(web_from="10.0.0.0/8").chosen(before) == replace(chosen, web_from="10.0.0.0/8")
    assert Wish(ssh_from="none").chosen(before).ssh_from == ""
    assert Wish(dns=("192.0.2.2",)).chosen(before).dns == ("192.0.2.2",)


def test_ssh_that_was_closed_stays_closed() -> None:
    assert chosen_before([Rule("web", "tcp", 80, "0.0.0.0/0")])["ssh_from"] == ""


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(flavor="small"), "--image says"),
        (Wish(image="debian"), "--flavor says"),
        (replace(WISH, cidr="192.168.10.1/24"), "--cidr: '192.168.10.1/24' is no range"),
        (replace(WISH, web_from="everybody"), "--web-from: 'everybody' is no range"),
        (replace(WISH, ssh_from="::/0"), "--ssh-from: '::/0' is no range"),
        (replace(WISH, dns=("dns.example",)), "--dns: 'dns.example' is no IPv4 address"),
        (replace(WISH, port=22), "--port: 22 is SSH's"),
    ],
)
def test_what_cannot_be_is_told_with_its_option(wish: Wish, words: str) -> None:
    with pytest.raises(Misconfigured) as told:
        wish.chosen({})
    assert words in str(told.value)


def test_a_network_keeps_its_range() -> None:
    with pytest.raises(Misconfigured, match="down` removes it first"):
        replace(WISH, cidr="10.0.0.0/24").chosen({"cidr": "192.168.10.0/24"})


def test_a_key_is_given_by_either_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "id.pub").write_text("ssh-ed25519 AAAA me@here\n")

    for name in ("id", "id.pub"):
        assert replace(WISH, ssh_key=tmp_path / name).chosen({}).public_key == "ssh-ed25519 AAAA me@here"


def test_a_private_key_in_place_of_the_public_one_is_refused_unread(tmp_path: Path) -> None:
    private = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n-----END OPENSSH PRIVATE KEY-----\n"
    (tmp_path / "id.pub").write_text(private)

    with pytest.raises(Misconfigured, match="is no public key") as told:
        replace(WISH, ssh_key=tmp_path / "id").chosen({})
    assert "secret" not in str(told.value)


def test_a_key_without_its_public_file_is_told_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"`ssh-keygen -y -f .*/id > .*/id\.pub` writes it"):
        replace(WISH, ssh_key=tmp_path / "id").chosen({})
