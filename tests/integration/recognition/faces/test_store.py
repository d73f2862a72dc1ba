"""The index in a bucket that answers, and in buckets that do not."""

from pathlib import Path

import pytest

from burstlens.buckets import open_store
from burstlens.errors import Misconfigured, Unavailable
from burstlens.recognition.faces.store import read_index, write_index


def test_the_last_index_that_was_written_is_read(tmp_path: Path) -> None:
    fleet = open_store(tmp_path.as_uri())
    write_index(fleet, b"old")
    write_index(fleet, b"new")
    assert read_index(open_store(tmp_path.as_uri())) == b"new"


def test_without_an_index_the_operator_is_told_how_to_write_one() -> None:
    with pytest.raises(Misconfigured, match="burstlens faces index FOLDER"):
        read_index(open_store("memory://"))


def test_a_bucket_that_fails_is_unavailable(tmp_path: Path) -> None:
    fleet = open_store(tmp_path.as_uri())
    (tmp_path / "faces").write_bytes(b"a file where the folder should be")
    with pytest.raises(Unavailable, match=r"faces/index\.bin"):
        write_index(fleet, b"new")
