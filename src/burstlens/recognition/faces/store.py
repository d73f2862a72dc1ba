"""Where the index lies in the fleet bucket.

The calls block, for they are made by short-lived commands: after one of its asynchronous calls, obstore may abort a
process that ends at once (the runtime's threads outlive the interpreter: pyo3-async-runtimes issue 40).
"""

import contextlib
from collections.abc import Iterator

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore

from burstlens.errors import Misconfigured, NotAuthorized, Unavailable

FACES_KEY = "faces/index.bin"


def read_index(fleet: ObjectStore) -> bytes:
    """The index as it is stored.

    Raises:
        Misconfigured: there is none yet.
        NotAuthorized: the bucket refuses.
        Unavailable: the bucket does not answer.
    """
    with _translated():
        try:
            return bytes(fleet.get(FACES_KEY).bytes())
        except FileNotFoundError as error:
            message = "nobody is known yet; write an index of people with: burstlens faces index FOLDER"
            raise Misconfigured(message) from error


def write_index(fleet: ObjectStore, data: bytes) -> None:
    """Store the index in the place of the one before; atomic.

    Raises:
        NotAuthorized: the bucket refuses.
        Unavailable: the bucket does not answer.
    """
    with _translated():
        fleet.put(FACES_KEY, data)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
        message = f"the fleet bucket refuses access to {FACES_KEY}: {str(error).partition(chr(10))[0]}"
        raise NotAuthorized(message) from error
    except (BaseError, OSError) as error:
        message = f"the fleet bucket did not answer for {FACES_KEY}: {str(error).partition(chr(10))[0]}"
        raise Unavailable(message) from error
