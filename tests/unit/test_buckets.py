"""Opening a store, and one that fails. What buckets promise over every store is in tests/contracts."""

from pathlib import Path

import pytest

from burstlens.buckets import Bucket, open_store
from burstlens.errors import Misconfigured, Unavailable

pytestmark = pytest.mark.anyio


def test_an_unknown_kind_of_bucket_is_refused() -> None:
    with pytest.raises(Misconfigured, match="gopher"):
        open_store("gopher://bucket")


async def test_a_store_that_fails_is_unavailable_not_empty(tmp_path: Path) -> None:
    folder = tmp_path / "bucket"
    bucket = Bucket(open_store(folder.as_uri()))
    folder.rmdir()
    folder.write_text("a file where the bucket's folder should be")
    with pytest.raises(Unavailable, match="key"):
        await bucket.put("key", b"")
