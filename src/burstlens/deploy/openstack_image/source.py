"""Where a disk file comes from: this machine, or S3."""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from burstlens.aws.options import AwsOptions
from burstlens.deploy.openstack_image.file import digest_of
from burstlens.deploy.openstack_image.s3_object import S3Object
from burstlens.deploy.openstack_image.work_folder import check_free
from burstlens.errors import Misconfigured

_SPARE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A file on this machine that holds, or describes, a disk."""

    path: Path
    digest: str
    """SHA-512, hex: what Glance keeps of an image, too."""


def stem(address: str) -> str:
    """The name in an address without folders and suffix, of letters that are fit for the name of an image."""
    name = address.rpartition("/")[2].partition(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "disk"


@contextlib.contextmanager
def fetched(address: str, options: AwsOptions, folder: Path, say: Callable[[str], None]) -> Iterator[Source]:
    """The file of this address, whole and as it was meant, while the block runs.

    Args:
        address: path of a file, or ``s3://BUCKET/KEY``.
        options: of S3.
        folder: for what has to be fetched, which is removed at the end.
        say: is given each line of progress.

    Raises:
        Misconfigured: there is no such file, no room for it, or it is not what ``….sha256`` beside it says.
        NotFound: there is no such object.
        Unavailable: it does not come.
    """
    if not S3Object.is_address(address):
        path = Path(address)
        if not path.is_file():
            message = f"{path}: there is no such file"
            raise Misconfigured(message)
        beside = path.with_name(f"{path.name}.sha256")
        yield _checked(address, path, beside.read_text(errors="replace") if beside.is_file() else None)
        return
    from burstlens.aws.session import AwsSession

    found = S3Object(AwsSession(options), address)
    check_free(folder, found.size + _SPARE_BYTES)
    path = folder / "fetched"
    say(f"fetching {address}, {found.size / 1e6:,.0f} MB")
    try:
        found.fetch(path, say)
        yield _checked(address, path, found.sha256())
    finally:
        path.unlink(missing_ok=True)


def _checked(address: str, path: Path, sums: str | None) -> Source:
    """The file, once it has been compared with what is said of it, if anything is, in the form of sha256sum."""
    if sums is not None:
        said, found = sums.split()[:1], digest_of(path, "sha256")
        if [word.lower() for word in said] != [found]:
            message = f"{address}: its SHA-256 is {found}, but the .sha256 beside it says {' '.join(said) or 'nothing'}"
            raise Misconfigured(message)
    return Source(path, digest_of(path, "sha512"))
