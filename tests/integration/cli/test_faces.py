"""`burstlens faces`: the gallery that workers know."""

from pathlib import Path

import pytest

from support.commands import Home
from support.face_pictures import face_picture

pytestmark = pytest.mark.anyio


@pytest.fixture
def people(home: Home) -> Path:
    folder = home.folder / "people"
    (folder / "Barack_Obama").mkdir(parents=True)
    (folder / "[red]Grace.jpg").write_bytes(face_picture("hopper.jpg"))
    for name in ("obama.jpg", "obama2.jpg"):
        (folder / "Barack_Obama" / name).write_bytes(face_picture(name))
    return folder


async def test_an_index_is_written_to_the_fleet_bucket_and_listed(home: Home, people: Path) -> None:
    written = await home.run("faces", "index", people)
    listed = await home.run("faces", "list")

    assert (written.code, written.out, written.err) == (0, "people: 2, pictures: 3\n", "")
    assert (home.data / "buckets" / "fleet" / "faces" / "index.bin").is_file()
    assert (listed.code, listed.err) == (0, "")
    assert [line.split() for line in listed.out.splitlines()] == [
        ["person", "pictures"],
        ["Barack_Obama", "2"],
        ["[red]Grace", "1"],
    ]


async def test_a_gallery_that_cannot_be_used_leaves_the_old_index_alone(home: Home, people: Path) -> None:
    await home.run("faces", "index", people)
    stored = home.data / "buckets" / "fleet" / "faces" / "index.bin"
    before = stored.read_bytes()
    (people / "notes.txt").write_text("no picture")

    failed = await home.run("faces", "index", people)

    assert (failed.code, failed.out) == (1, "")
    head, line = failed.err.splitlines()
    assert head.startswith("burstlens: the gallery ")
    assert line.strip() == "notes.txt: the file is not a picture"
    assert stored.read_bytes() == before


async def test_a_list_without_an_index_says_how_to_write_one(home: Home) -> None:
    failed = await home.run("faces", "list")

    assert (failed.code, failed.out) == (1, "")
    assert failed.err == "burstlens: nobody is known yet; write an index of people with: burstlens faces index FOLDER\n"


async def test_a_damaged_index_is_refused_with_what_to_do(home: Home, people: Path) -> None:
    await home.run("faces", "index", people)
    stored = home.data / "buckets" / "fleet" / "faces" / "index.bin"
    stored.write_bytes(stored.read_bytes()[:-1])

    failed = await home.run("faces", "list")

    assert (failed.code, failed.out) == (1, "")
    assert failed.err == "burstlens: the faces index is damaged; write it anew with: burstlens faces index FOLDER\n"
