"""The index: who is known, by the embeddings of their pictures. One small object in a bucket."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from burstlens.errors import Misconfigured
from burstlens.recognition.faces.embedding import DIMENSIONS, NETWORK, SHA256, Embedding

VERSION = 1
"""Of the index's bytes: one line with the version, one line of JSON, the embeddings, the sha256 of all before it."""

_MAGIC = b"burstlens faces index "

_DTYPE = np.dtype("<f4")

_ANEW = "write it anew with: burstlens faces index FOLDER"


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid")

    network: str
    """The sha256 of the network that made the embeddings: those of another one mean nothing beside them."""
    people: Annotated[tuple[str, ...], Field(min_length=1)]
    pictures: tuple[Annotated[int, Field(ge=1)], ...]
    """How many embeddings each of them has, in the same order."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceIndex:
    """Embeddings of known people."""

    people: tuple[str, ...]
    """Sorted; their place here is their class index."""
    pictures: tuple[int, ...]
    """How many embeddings each of them has; at least one."""
    embeddings: npt.NDArray[np.float32]
    """``[sum(pictures), 128]``: first those of the first person, and so on."""

    @classmethod
    def of(cls, gallery: Mapping[str, Sequence[Embedding]]) -> Self:
        """The index of these people, each with at least one embedding; there is at least one of them."""
        people = tuple(sorted(gallery))
        stacked = np.stack([embedding for person in people for embedding in gallery[person]])
        return cls(people, tuple(len(gallery[person]) for person in people), stacked.astype(np.float32))

    def distances(self, face: Embedding) -> npt.NDArray[np.float64]:
        """How far this face is from each person's nearest picture: Euclidean, ``[people]``."""
        distances = np.linalg.norm(self.embeddings.astype(np.float64) - face, axis=1)
        firsts = np.cumsum((0, *self.pictures[:-1]))
        nearest: npt.NDArray[np.float64] = np.minimum.reduceat(distances, firsts)
        return nearest

    def to_bytes(self) -> bytes:
        """The index as it is stored; the same index gives the same bytes."""
        header = _Header(network=SHA256[NETWORK], people=self.people, pictures=self.pictures)
        body = b"%s%d\n%s\n" % (_MAGIC, VERSION, header.model_dump_json().encode())
        body += self.embeddings.astype(_DTYPE).tobytes()
        return body + hashlib.sha256(body).digest()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            Misconfigured: it is no index, a damaged one, or one of another version or network.
        """
        first, _, _ = data.partition(b"\n")
        version = first.removeprefix(_MAGIC)
        if version == first or not version.isdigit() or len(version) > 9:
            raise Misconfigured(f"the faces index is none, or damaged; {_ANEW}")
        if int(version) != VERSION:
            raise Misconfigured(f"the faces index has version {int(version)}, this program reads {VERSION}; {_ANEW}")
        body, digest = data[:-32], data[-32:]
        if hashlib.sha256(body).digest() != digest:
            raise Misconfigured(f"the faces index is damaged; {_ANEW}")
        try:
            _, line, numbers = body.split(b"\n", 2)
            header = _Header.model_validate_json(line)
            embeddings = np.frombuffer(numbers, _DTYPE).reshape(sum(header.pictures), DIMENSIONS).astype(np.float32)
        except (ValidationError, ValueError) as error:
            raise Misconfigured(f"the faces index is inconsistent; {_ANEW}") from error
        if header.network != SHA256[NETWORK]:
            raise Misconfigured(f"the faces index was made with another face network; {_ANEW}")
        if len(header.pictures) != len(header.people) or not np.isfinite(embeddings).all():
            raise Misconfigured(f"the faces index is inconsistent; {_ANEW}")
        return cls(header.people, header.pictures, embeddings)
