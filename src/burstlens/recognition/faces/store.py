"""Where the index lies in the fleet bucket.

The calls block, for they are made by short-lived commands: after one of its asynchronous calls, obstore may abort a
process that ends at once (the runtime's threads outlive the interpreter: pyo3-async-runtimes issue 40).
"""

from obstore.store import ObjectStore

from burstlens.errors import Misconfigured, NotFound
from burstlens.store_errors import translated

FACES_KEY = "faces/index.bin"


def read_index(fleet: ObjectStore) -> bytes:
    """The index as it is stored.

    Raises:
        Misconfigured: there is none yet.
        NotAuthorized: the bucket refuses.
        Unavailable: the bucket does not answer.
    """
    try:
        with translated(FACES_KEY):
            return bytes(fleet.get(FACES_KEY).bytes())
    except NotFound as error:
        message = "nobody is known yet; write an index of people with: burstlens faces index FOLDER"
        raise Misconfigured(message) from error


def write_index(fleet: ObjectStore, data: bytes) -> None:
    """Store the index in the place of the one before; atomic.

    Raises:
        NotAuthorized: the bucket refuses.
        Unavailable: the bucket does not answer.
    """
    with translated(FACES_KEY):
        fleet.put(FACES_KEY, data)
