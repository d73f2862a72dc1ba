import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from burstlens.messages import Request, RequestId, utc
from burstlens.web.filenames import MAX_NAME_BYTES
from burstlens.web.problems import Problem
from burstlens.web.submission import ENVELOPE_BYTES, id_of_key

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=255)


@given(KEYS, KEYS)
def test_key_always_gives_the_same_id_and_another_key_another(key: str, other: str) -> None:
    assert TypeAdapter(RequestId).validate_python(id_of_key(key)) == id_of_key(key)
    assert (id_of_key(key) == id_of_key(other)) is (key == other)


def test_id_of_a_key_never_changes_between_releases() -> None:
    assert id_of_key("order-4711") == "f99f3c3e4be0395f3cb0beaf1b85cafa673fd978"


@pytest.mark.parametrize("key", ["", "k" * 256, "a\nb", "ä", "a\x7f"])
def test_unusable_keys(key: str) -> None:
    with pytest.raises(Problem):
        id_of_key(key)


def test_envelope_leaves_room_for_the_worst_file_name() -> None:
    request = Request(
        id="i" * 64,
        filename='"' * MAX_NAME_BYTES,
        content_type="application/octet-stream",
        image=b"",
        reply_to="responses-" + "r" * 60,
        top_k=100,
        submitted_at=utc(1_700_000_000.123456),
    )
    assert len(request.to_json().encode()) <= ENVELOPE_BYTES
