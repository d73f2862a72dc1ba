"""Names and expectations of images."""

import pytest

from burstlens.errors import Misconfigured
from burstlens.workload.images import Image, with_expectations


@pytest.mark.parametrize(
    ("name", "stem", "content_type"),
    [
        ("test_0.JPEG", "test_0", "image/jpeg"),
        ("a.b.png", "a.b", "image/png"),
        ("photo.WebP", "photo", "image/webp"),
        ("nameless", "nameless", "application/octet-stream"),
    ],
)
def test_name_gives_stem_and_content_type(name: str, stem: str, content_type: str) -> None:
    image = Image(name, b"")
    assert (image.stem, image.content_type) == (stem, content_type)


def test_expectations_are_found_by_the_name_without_suffix() -> None:
    images = with_expectations(
        (Image("test_00.jpg", b""), Image("test_01.png", b"")), {"test_00": "Paul", "test_01": "X"}
    )
    assert [image.expected for image in images] == ["Paul", "X"]


def test_an_image_without_expectation_is_an_error_and_not_left_unjudged() -> None:
    with pytest.raises(Misconfigured, match="1 of 2 images, the first is 'test_01'"):
        with_expectations((Image("test_00.jpg", b""), Image("test_01.jpg", b"")), {"test_00": "Paul"})
