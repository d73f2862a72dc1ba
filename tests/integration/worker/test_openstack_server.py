"""A worker on an OpenStack server: who it is."""

import signal

import pytest

from support.commands import Home

pytestmark = pytest.mark.anyio

SERVER = "3f2a7c1e-0000-4000-8000-00000000abcd"
ITS_FILE = "BURSTLENS_INSTANCE_ID_FILE"


async def test_it_goes_by_its_name_and_by_the_id_that_cloud_init_knows(home: Home) -> None:
    told = {"BURSTLENS_INSTANCE": "app-tier-3", "BURSTLENS_POOL": "private", "BURSTLENS_CLOUD": "openstack"}
    (home.folder / "instance-id").write_text(f"{SERVER}\n")
    worker = await home.start("worker", "--processes", 1, **told, **{ITS_FILE: "instance-id"})
    await home.works(1)

    (beat,) = home.workers().values()
    assert (beat.instance, beat.pool, beat.worker) == ("app-tier-3", "private", f"{SERVER}-{worker.process.pid}")
    assert (await worker.end(signal.SIGTERM)).code == 0


async def test_without_cloud_init_it_says_what_is_missing(home: Home) -> None:
    done = await home.run("worker", "--processes", 1, **{"BURSTLENS_CLOUD": "openstack", ITS_FILE: "nowhere"})

    assert done.code == 1
    assert "nowhere does not tell the server's id (No such file or directory): does cloud-init run?" in done.err
