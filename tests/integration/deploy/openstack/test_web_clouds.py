"""The operator's own ``clouds.yaml`` for the web tier's server."""

import json
from pathlib import Path

import pytest

from burstlens.deploy.openstack.credentials import read_clouds_file
from burstlens.errors import Misconfigured

SECRET = {"application_credential_id": "a", "application_credential_secret": "s"}
MINE = {"auth_type": "v3applicationcredential", "auth": {"auth_url": "http://127.0.0.1:5000/v3", **SECRET}}
OTHER = {"auth": {"auth_url": "http://127.0.0.1:5000/v3", "username": "admin", "password": "of another cloud"}}


def test_the_server_gets_the_entry_that_it_needs_and_no_other_secret(tmp_path: Path) -> None:
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"mine": MINE, "other": OTHER}}))

    given = read_clouds_file(tmp_path / "clouds.yaml", "mine")

    assert json.loads(given) == {"clouds": {"mine": MINE}}


@pytest.mark.parametrize("text", ["", "clouds: {other: {}}\n", "- a\n"])
def test_a_file_without_the_entry_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "clouds.yaml").write_text(text)

    with pytest.raises(Misconfigured, match="--web-clouds"):
        read_clouds_file(tmp_path / "clouds.yaml", "mine")
