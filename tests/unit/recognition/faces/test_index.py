"""The index as bytes and as distances."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burstlens.errors import Misconfigured
from burstlens.recognition.faces.embedding import Embedding
from burstlens.recognition.faces.index import FaceIndex


def embedding(seed: int) -> Embedding:
    return np.random.default_rng(seed).normal(size=128).astype(np.float32)


def index() -> FaceIndex:
    return FaceIndex.of({"Bob_2": [embedding(1)], "Alice": [embedding(2), embedding(3)]})


def sealed(body: bytes) -> bytes:
    """With the digest that belongs to it: what somebody wrote, not what was damaged."""
    return body + hashlib.sha256(body).digest()


def parts() -> tuple[bytes, dict[str, object], bytes]:
    first, header, numbers = index().to_bytes()[:-32].split(b"\n", 2)
    return first, json.loads(header), numbers


def joined(first: bytes, header: object, numbers: bytes) -> bytes:
    return sealed(b"\n".join([first, json.dumps(header).encode(), numbers]))


def test_what_is_written_is_read_back_sorted_by_name() -> None:
    read = FaceIndex.parse(index().to_bytes())
    assert read.people == ("Alice", "Bob_2")
    assert read.pictures == (2, 1)
    np.testing.assert_array_equal(read.embeddings, [embedding(2), embedding(3), embedding(1)])


def test_the_same_people_give_the_same_bytes_in_whatever_order_they_come() -> None:
    other = FaceIndex.of({"Alice": [embedding(2), embedding(3)], "Bob_2": [embedding(1)]})
    assert other.to_bytes() == index().to_bytes() == FaceIndex.parse(index().to_bytes()).to_bytes()


def test_a_persons_distance_is_that_of_their_nearest_picture() -> None:
    near, far, other = (np.full(128, value, np.float32) for value in (0.1, 0.5, 0.3))
    faces = FaceIndex.of({"Alice": [far, near], "Bob": [other], "Carol": [far, far, other]})
    distances = faces.distances(np.zeros(128, np.float32))
    np.testing.assert_allclose(distances, np.array([0.1, 0.3, 0.3]) * np.sqrt(128), rtol=1e-6)


def test_no_damaged_byte_and_no_missing_end_goes_unnoticed() -> None:
    data = index().to_bytes()
    for place in range(len(data)):
        with pytest.raises(Misconfigured, match="burstlens faces index"):
            FaceIndex.parse(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        with pytest.raises(Misconfigured, match="burstlens faces index"):
            FaceIndex.parse(data[:place])


@given(st.binary(max_size=200), st.booleans())
def test_other_bytes_are_refused_even_with_a_right_digest(data: bytes, is_headed: bool) -> None:
    body = b"burstlens faces index 1\n" + data if is_headed else data
    with pytest.raises(Misconfigured, match="burstlens faces index"):
        FaceIndex.parse(sealed(body))


def test_another_version_is_refused_by_its_number() -> None:
    with pytest.raises(Misconfigured, match="version 2, this program reads 1; write it anew"):
        FaceIndex.parse(sealed(index().to_bytes()[:-32].replace(b"index 1\n", b"index 2\n", 1)))


def test_embeddings_of_another_network_are_refused() -> None:
    first, header, numbers = parts()
    with pytest.raises(Misconfigured, match="another face network"):
        FaceIndex.parse(joined(first, header | {"network": "0" * 64}, numbers))


@pytest.mark.parametrize(
    "change",
    [
        {"pictures": [1, 1]},
        {"pictures": [3, 0]},
        {"pictures": [3]},
        {"pictures": [2, 2]},
        {"people": []},
        {"people": ["Alice", 7]},
        {"more": True},
    ],
)
def test_a_header_that_does_not_fit_its_embeddings_is_refused(change: dict[str, object]) -> None:
    first, header, numbers = parts()
    assert FaceIndex.parse(joined(first, header, numbers)).people == ("Alice", "Bob_2")
    with pytest.raises(Misconfigured, match="inconsistent"):
        FaceIndex.parse(joined(first, header | change, numbers))


def test_numbers_that_are_none_are_refused() -> None:
    first, header, numbers = parts()
    with pytest.raises(Misconfigured, match="inconsistent"):
        FaceIndex.parse(joined(first, header, np.float32("nan").tobytes() + numbers[4:]))
