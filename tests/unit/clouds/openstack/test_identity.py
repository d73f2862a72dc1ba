"""Who a worker on an OpenStack server is."""

from pathlib import Path

import pytest

from burstlens.clouds.openstack.identity import INSTANCE_ID_FILE, INSTANCE_ID_VARIABLE, own_environment
from burstlens.errors import Misconfigured


def test_the_id_is_what_cloud_init_wrote(tmp_path: Path) -> None:
    file = tmp_path / "instance-id"
    file.write_text("0d3f6f0a-8a57-4a4e-9d3b-5b7a8a3e2c11\n")

    assert own_environment({INSTANCE_ID_VARIABLE: str(file)}) == {
        "BURSTLENS_INSTANCE_ID": "0d3f6f0a-8a57-4a4e-9d3b-5b7a8a3e2c11"
    }


@pytest.mark.parametrize("content", [None, " \n"])
def test_without_an_id_the_operator_is_told_where_it_was_looked_for(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "instance-id"
    if content is not None:
        file.write_text(content)

    with pytest.raises(Misconfigured, match="cloud-init") as caught:
        own_environment({INSTANCE_ID_VARIABLE: str(file)})

    assert str(file) in str(caught.value)


@pytest.mark.skipif(Path(INSTANCE_ID_FILE).exists(), reason="cloud-init runs here")
def test_it_is_where_cloud_init_writes_it() -> None:
    with pytest.raises(Misconfigured, match=INSTANCE_ID_FILE):
        own_environment({})
