import pytest
from hypothesis import given
from hypothesis import strategies as st

from burstlens.web.form import Form
from burstlens.web.problems import Kind, Problem

FIELDS = ("image", "file")
CONTENT_TYPE = b"multipart/form-data; boundary=b"


def read(body: bytes, chunk_bytes: int = 65536) -> Form:
    form = Form(CONTENT_TYPE, FIELDS)
    for start in range(0, len(body), chunk_bytes):
        form.write(body[start : start + chunk_bytes])
    form.finish()
    return form


def part(head: bytes, content: bytes) -> bytes:
    return b"--b\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + content + b"\r\n"


END = b"--b--\r\n"


@given(st.binary(max_size=2000).filter(lambda content: b"\r\n--b" not in content), st.integers(1, 100))
def test_file_comes_out_as_it_went_in_however_it_is_cut(content: bytes, chunk_bytes: int) -> None:
    form = read(part(b'name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg', content) + END, chunk_bytes)
    assert (form.field, form.filename, form.content_type, bytes(form.data)) == ("file", "a.jpg", "image/jpeg", content)


def refusal_of(body: bytes) -> int | None:
    try:
        read(body)
    except Problem as problem:
        return problem.kind.status
    return None


@given(st.binary(max_size=400))
def test_no_bytes_do_harm(garbage: bytes) -> None:
    for body in (garbage, b"--b\r\n" + garbage, part(b'name="file"; filename="a"', b"x") + garbage):
        assert refusal_of(body + END) in {None, 400}


def test_other_fields_are_skipped() -> None:
    file = part(b'name="file"; filename="a"', b"x")
    form = read(part(b'name="comment"', b"hello") + file + part(b"name=c", b"y") + END)
    assert bytes(form.data) == b"x"


def test_accepted_field_without_a_file_name_is_the_file() -> None:
    form = read(part(b"name=image", b"x") + END)
    assert (form.filename, bytes(form.data)) == ("", b"x")


def test_empty_file_input_of_a_browser_is_no_file() -> None:
    empty = part(b'name="image"; filename=""\r\nContent-Type: application/octet-stream', b"")
    with pytest.raises(Problem) as caught:
        read(empty + END)
    assert caught.value.kind is Kind.NO_FILE
    assert bytes(read(empty + part(b'name="file"; filename="a"', b"x") + END).data) == b"x"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (END, Kind.NO_FILE),
        (part(b'name="other"; filename="a"', b"x") + END, Kind.WRONG_FIELD),
        (part(b'filename="a"', b"x") + END, Kind.WRONG_FIELD),
        (part(b'name="image"; filename="a"', b"x") * 2 + END, Kind.TWO_FILES),
        (part(b'name="image"; filename="a"', b"x"), Kind.BAD_FORM),
        (b"", Kind.BAD_FORM),
    ],
)
def test_other_forms_are_refused(body: bytes, kind: Kind) -> None:
    with pytest.raises(Problem) as caught:
        read(body)
    assert caught.value.kind is kind


def test_second_file_is_refused_before_its_bytes_come() -> None:
    form = Form(CONTENT_TYPE, FIELDS)
    form.write(part(b'name="image"; filename="a"', b"x"))
    with pytest.raises(Problem):
        form.write(b'--b\r\nContent-Disposition: form-data; name="image"; filename="b"\r\n\r\n')


@pytest.mark.parametrize("content_type", [b"multipart/form-data", b"multipart/form-data; boundary=" + b"b" * 1000])
def test_boundary_must_be_usable(content_type: bytes) -> None:
    with pytest.raises(Problem) as caught:
        Form(content_type, FIELDS)
    assert caught.value.kind is Kind.BAD_FORM
