import pytest
from hypothesis import given
from hypothesis import strategies as st

from burstlens.web.filenames import MAX_NAME_BYTES, checked, filename_in
from burstlens.web.problems import Kind, Problem


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'form-data; name="image"; filename="test_0.JPEG"', "test_0.JPEG"),
        (b"form-data; name=image; filename=bare.jpg", "bare.jpg"),
        (b'form-data; name="image"', None),
        (b"", None),
        (b'form-data; name="image"; filename=""', ""),
        ('form-data; name="image"; filename="größe.jpg"'.encode(), "größe.jpg"),
        (b"form-data; name=image; filename*=utf-8''gr%C3%B6%C3%9Fe.jpg", "größe.jpg"),
        (b'attachment; filename="a;b.jpg"', "a;b.jpg"),
        (b'attachment; filename="\xff.jpg"', "\ufffd.jpg"),
        (b"attachment; filename*=utf-8''%FF.jpg", "\ufffd.jpg"),
    ],
)
def test_filename_in_a_disposition(disposition: bytes, name: str | None) -> None:
    assert filename_in(disposition) == name


@pytest.mark.parametrize("name", ["", "a.jpg", "..a", "a b.jpg", "größe.jpg", "ü" * 127, ".hidden", "a#1", "猫.jpg"])
def test_plain_names_pass(name: str) -> None:
    assert checked(name) == name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("n" * 256, "The file name is 256 bytes long; 255 are allowed."),
        ("ü" * 128, "The file name is 256 bytes long; 255 are allowed."),
        ("../secret", "The file name has path parts; send the bare name."),
        ("a\\b", "The file name has path parts; send the bare name."),
        ("..", "The file name has path parts; send the bare name."),
        ("a\ufffe.jpg", "The file name has control characters."),
        ("a\r\nSet-Cookie: x", "The file name has control characters."),
        ("a\0", "The file name has control characters."),
        ("a\x85b", "The file name has control characters."),
    ],
)
def test_other_names_are_refused_in_a_sentence(name: str, sentence: str) -> None:
    with pytest.raises(Problem) as caught:
        checked(name)
    assert (caught.value.kind, caught.value.detail) == (Kind.BAD_FILE_NAME, sentence)


@given(st.binary(max_size=300))
def test_whatever_passes_is_one_harmless_path_segment(disposition: bytes) -> None:
    try:
        name = checked(filename_in(b"attachment; filename=" + disposition) or "")
    except Problem:
        return
    assert len(name.encode()) <= MAX_NAME_BYTES
    assert not set(name) & set("/\\\0\r\n")
    assert name not in {".", ".."}
