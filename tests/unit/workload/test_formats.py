"""The three wire formats: addresses, bodies, answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burstlens.errors import Misconfigured
from burstlens.workload.formats import Answer, Format, Refused, UnreadableAnswer, endpoint, read, read_problem, upload
from burstlens.workload.images import Image


@pytest.mark.parametrize(
    ("url", "form", "address", "spoken"),
    [
        ("http://h:8000", Format.V1, "http://h:8000/v1/recognitions", Format.V1),
        ("http://h:8000/", Format.V1, "http://h:8000/v1/recognitions", Format.V1),
        ("http://h/lens/", Format.V1, "http://h/lens/v1/recognitions", Format.V1),
        ("http://h/v1/recognitions?top_k=2", Format.V1, "http://h/v1/recognitions?top_k=2", Format.V1),
        ("http://h/v1/recognitions", Format.AUTO, "http://h/v1/recognitions", Format.V1),
        ("http://h:8081/upload.php", Format.AUTO, "http://h:8081/upload.php", Format.MYFILE),
        ("http://h:8081/", Format.AUTO, "http://h:8081/", Format.AUTO),
        ("http://h:8081", Format.MYFILE, "http://h:8081", Format.MYFILE),
        ("http://[::1]:8000/", Format.INPUT_FILE, "http://[::1]:8000/", Format.INPUT_FILE),
    ],
)
def test_course_formats_post_to_the_url_as_given_and_v1_to_its_route(
    url: str, form: Format, address: str, spoken: Format
) -> None:
    assert endpoint(url, form) == (address, spoken)


@pytest.mark.parametrize(
    "url",
    ["", "h:8000", "ftp://h/", "http://", "http:///x", "http://h:0/", "http://h:99999/", "http://[::1", "http://a..b"],
)
def test_a_url_that_cannot_be_posted_to_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="the URL must be like"):
        endpoint(url, Format.AUTO)


def test_v1_sends_the_bare_image_with_its_type_and_name() -> None:
    sent = upload(Image("blå katt.png", b"\x89PNG"), Format.V1)
    assert sent.body == b"\x89PNG"
    assert sent.headers == {
        "Content-Type": "image/png",
        "Content-Disposition": "attachment; filename*=UTF-8''bl%C3%A5%20katt.png",
    }


@pytest.mark.parametrize("form", [Format.MYFILE, Format.INPUT_FILE])
def test_course_formats_send_one_file_in_their_field(form: Format) -> None:
    sent = upload(Image('te"st\r\n_0.JPEG', b"\xff\xd8data"), form)
    boundary = sent.headers["Content-Type"].removeprefix("multipart/form-data; boundary=").encode()
    assert sent.body == (
        b"--" + boundary + b'\r\nContent-Disposition: form-data; name="' + form.value.encode() + b'"; '
        b'filename="te%22st%0D%0A_0.JPEG"\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8data\r\n--' + boundary + b"--\r\n"
    )


@pytest.mark.parametrize(
    ("form", "body", "answer"),
    [
        (Format.MYFILE, b"bathtub", Answer("bathtub")),
        (Format.MYFILE, b" German Shepherd Dog\n", Answer("German Shepherd Dog")),
        (Format.MYFILE, "crème brûlée".encode(), Answer("crème brûlée")),
        (Format.INPUT_FILE, b"test_00:Paul", Answer("Paul")),
        (Format.INPUT_FILE, b"test_00: Paul \n", Answer("Paul")),
        (Format.INPUT_FILE, b"test_00:Paul:0.9", Answer("Paul")),  # the client takes split(":")[1]
        (Format.V1, b'{"label": "hen", "score": 0.5, "instance": "app-tier-1"}', Answer("hen", 0.5, "app-tier-1")),
        (Format.V1, b'{"label": "hen", "novelty": [1]}', Answer("hen")),
    ],
)
def test_labels_are_read_as_the_clients_of_the_format_do(form: Format, body: bytes, answer: Answer) -> None:
    assert read(body, form) == answer


def test_v1_tells_where_the_time_went() -> None:
    answer = read(b'{"label": "hen", "timings": {"queue_wait_seconds": 1.5, "infer_seconds": 0.01}}', Format.V1)
    assert answer.timings is not None
    assert (answer.timings.queue_wait_seconds, answer.timings.infer_seconds) == (1.5, 0.01)


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (Format.MYFILE, b""),
        (Format.MYFILE, b"  \n"),
        (Format.MYFILE, b"\xff\xfe\x00"),
        (Format.MYFILE, b"<html>\n<h1>It works!</h1>\n</html>"),
        (Format.MYFILE, b"x" * 201),
        (Format.INPUT_FILE, b"Paul"),
        (Format.INPUT_FILE, b"test_00:"),
        (Format.V1, b"hen"),
        (Format.V1, b"[]"),
        (Format.V1, b"{}"),
        (Format.V1, b'{"label": null}'),
        (Format.V1, b'{"label": 3}'),
    ],
)
def test_a_body_that_is_no_answer_of_the_format_is_unreadable(form: Format, body: bytes) -> None:
    with pytest.raises(UnreadableAnswer, match="got b"):
        read(body, form)


@pytest.mark.parametrize("form", [Format.MYFILE, Format.INPUT_FILE, Format.V1])
@given(body=st.binary(max_size=300))
def test_whatever_the_server_says_is_an_answer_or_a_known_error(form: Format, body: bytes) -> None:
    try:
        assert read(body, form).label.strip()
    except (UnreadableAnswer, Refused) as error:
        assert len(str(error)) < 400  # noqa: PT017 - either outcome is fine, and each has its check


def test_an_error_result_is_refused_by_its_code() -> None:
    with pytest.raises(Refused, match="damaged") as caught:
        read(b'{"error": {"code": "not-an-image", "message": "the picture is damaged"}}', Format.V1)
    assert caught.value.kind == "not-an-image"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"title": "Unavailable", "detail": "The queue is full."}', "The queue is full."),
        (b'{"title": "Unavailable"}', "Unavailable"),
        (b"Not an image.\nSecond line", "Not an image."),
        (b"", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"[1]", "[1]"),
        (b"x" * 9000, "x" * 200),
    ],
)
def test_a_problem_tells_the_servers_reason_in_one_line(body: bytes, message: str) -> None:
    problem = read_problem(503, body)
    assert (problem.kind, problem.message) == ("http-503", message)
