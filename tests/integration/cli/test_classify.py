"""`burstlens classify`: labels without a server."""

import json
from pathlib import Path

import pytest

from burstlens.workload.bundled import Photo, bundled_photos
from support.commands import Home

pytestmark = pytest.mark.anyio

HEN = next(photo for photo in bundled_photos() if photo.path.name == "hen.jpg")


@pytest.fixture
def hen(home: Home) -> Path:
    return copied(HEN, home, "hen.jpg")


def copied(photo: Photo, home: Home, name: str) -> Path:
    path = home.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(photo.path.read_bytes())
    return path


async def test_every_bundled_photo_gets_its_label(home: Home) -> None:
    photos = bundled_photos()

    done = await home.run("classify", "--json", *(photo.path for photo in photos))

    assert (done.code, done.err) == (0, "")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert {line["file"]: line["label"] for line in lines} == {str(photo.path): photo.label for photo in photos}
    assert all(0 < line["score"] <= 1 for line in lines)


async def test_the_table_names_the_file_and_the_best_labels_below_each_other(home: Home, hen: Path) -> None:
    done = await home.run("classify", hen.name, "--top-k", 3)

    assert (done.code, done.err) == (0, "")
    header, best, *others = done.out.splitlines()
    assert header.split() == ["image", "label", "score"]
    assert best.split()[:2] == ["hen.jpg", "hen"]
    assert len(others) == 2
    scores = [float(line.split()[-1]) for line in (best, *others)]
    assert scores == sorted(scores, reverse=True)


async def test_a_bad_file_gets_its_reason_and_the_others_their_labels(home: Home, hen: Path) -> None:
    (home.folder / "notes.txt").write_text("no image")

    done = await home.run("classify", "--json", "notes.txt", "missing.jpg", ".", hen.name)

    assert (done.code, done.err) == (1, "")
    bad, missing, folder, good = (json.loads(line) for line in done.out.splitlines())
    assert set(bad) == {"file", "error"}
    assert bad["error"] == "the file is not a picture"
    assert missing == {"file": "missing.jpg", "error": "cannot be read: No such file or directory"}
    assert folder == {"file": ".", "error": "cannot be read: Is a directory"}
    assert good["label"] == "hen"


async def test_file_names_are_printed_as_they_are(home: Home) -> None:
    names = ["[red]hen[/red].jpg", "[/].jpg", ":chicken: *.jpg"]
    for name in names:
        copied(HEN, home, name)

    done = await home.run("classify", *names)

    assert (done.code, done.err) == (0, "")
    assert [line.rsplit(maxsplit=2)[0] for line in done.out.splitlines()[1:]] == names


async def test_the_limits_of_the_settings_hold_here_too(home: Home, hen: Path) -> None:
    done = await home.run("classify", "--json", hen.name, BURSTLENS_WEB__MAX_PIXELS="100")

    assert done.code == 1
    assert "pixels" in json.loads(done.out)["error"]
