"""Image folders and expectations as they lie on a disk, and the reports that are written there."""

from pathlib import Path

import pytest
from PIL import Image as Picture

from burstlens.errors import Misconfigured
from burstlens.workload.expectations import is_right, read_expectations
from burstlens.workload.figure import write_png
from burstlens.workload.formats import Format
from burstlens.workload.images import Image, read_folder
from burstlens.workload.outcomes import Outcome, Problem
from burstlens.workload.report import report
from burstlens.workload.run import Run


def test_a_folder_gives_its_images_by_name_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPEG", "notes.txt", "c.webp"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "inner.jpg").mkdir()
    (tmp_path / "inner.jpg" / "deep.jpg").write_bytes(b"deep")
    assert read_folder(tmp_path, 100) == (
        Image("a.JPEG", b"a.JPEG"),
        Image("b.png", b"b.png"),
        Image("c.webp", b"c.webp"),
    )
    assert [image.name for image in read_folder(tmp_path, 2)] == ["a.JPEG", "b.png"]


def test_a_folder_that_gives_no_image_says_why(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"missing does not exist"):
        read_folder(tmp_path / "missing", 1)
    with pytest.raises(Misconfigured, match="holds no image"):
        read_folder(tmp_path, 1)
    (tmp_path / "file.png").touch()
    with pytest.raises(Misconfigured, match="is not a folder"):
        read_folder(tmp_path / "file.png", 1)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Image,Results\ntest_00,Paul\ntest_01,Ringo\n", {"test_00": "Paul", "test_01": "Ringo"}),
        ("\ufeffImage,Results\r\ntest_00, Paul \r\n\r\n", {"test_00": "Paul"}),
        ('Image,Results\nfish,"tench, Tinca tinca"\nfish,"tench, Tinca tinca"\n', {"fish": "tench, Tinca tinca"}),
        ("Image,Results\n", {}),
    ],
)
def test_expectations_are_read(tmp_path: Path, text: str, labels: dict[str, str]) -> None:
    path = tmp_path / "expected.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_expectations(path) == labels


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "must begin with the header 'Image,Results'"),
        (b"name,label\nx,y\n", "must begin with the header 'Image,Results'"),
        (b"Image,Results\ntest_00\n", "line 2: expected an image name and a label"),
        (b"Image,Results\ntest_00,Paul\ntest_01,\n", "line 3: expected an image name and a label"),
        (b"Image,Results\ntest_00,Paul,x\n", "line 2: expected an image name and a label"),
        (b"Image,Results\na,Paul\na,Ringo\n", "line 3: 'a' is expected to be both 'Paul' and 'Ringo'"),
        (b"Image,Results\n\xff,\xfe\n", "cannot read the expectations"),
    ],
)
def test_expectations_that_cannot_be_meant_are_refused_with_their_line(
    tmp_path: Path, data: bytes, complaint: str
) -> None:
    path = tmp_path / "expected.csv"
    path.write_bytes(data)
    with pytest.raises(Misconfigured, match=complaint):
        read_expectations(path)


def test_missing_expectations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot read the expectations"):
        read_expectations(tmp_path / "expected.csv")


def test_labels_compare_exactly_up_to_white_space() -> None:
    assert is_right(" Paul\n", "Paul")
    assert not is_right("paul", "Paul")


@pytest.mark.parametrize(
    "outcomes",
    [
        (),
        (Outcome(0, "a.png", 0.0, 0.0, 9.0, 503, problem=Problem("http-503", "full")),),
        tuple(Outcome(index, "a.png", 0.0, index / 10, 0.5, 200, "hen", expected="hen") for index in range(50)),
    ],
    ids=["nothing", "only failures", "answers"],
)
def test_a_picture_is_drawn_of_any_run(tmp_path: Path, outcomes: tuple[Outcome, ...]) -> None:
    path = tmp_path / "report"
    write_png(path, report(Run(outcomes, 50, 6.0, Format.V1)), "a run")
    with Picture.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", (1320, 900))
        assert len(picture.convert("L").getcolors() or ()) > 50
