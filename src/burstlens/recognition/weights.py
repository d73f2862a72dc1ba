"""Reads the weights of a legacy PyTorch ``.pth`` file without PyTorch, and without running what is pickled in it."""

import hashlib
import io
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from burstlens.errors import BurstlensError

Tensors = dict[str, npt.NDArray[Any]]
"""Arrays by the name of their parameter, such as ``_blocks.0._bn1.running_mean``."""

_MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of a legacy file (``MAGIC_NUMBER`` in torch/serialization.py)."""

_PROTOCOL = 1001
"""The second pickle (``PROTOCOL_VERSION`` there); the third describes the writing machine."""


_MALFORMED = (pickle.UnpicklingError, struct.error, EOFError, LookupError, TypeError, ValueError, AttributeError)
"""What reading something else than a legacy file ends in."""


class UntrustedWeights(BurstlensError):
    """The file is not the weights that it should be, or holds something that weights never hold."""


@dataclass(frozen=True, slots=True)
class _Storage:
    """A flat run of numbers that tensors are cut from; its data follow the pickles."""

    key: str
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor as pickled: where in which storage its numbers lie. Offset and strides count numbers, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, data: bytes) -> npt.NDArray[Any]:
        """Cut the tensor from its storage's data; numpy refuses a view that reaches outside of them."""
        dtype = self.storage.dtype
        strides = [stride * dtype.itemsize for stride in self.strides]
        return np.ndarray(self.shape, dtype, data, self.offset * dtype.itemsize, strides)


def _view(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _View:
    """Stands in for ``torch._utils._rebuild_tensor_v2``, whose further arguments concern training."""
    return _View(storage, offset, shape, strides)


_ALLOWED: dict[tuple[str, str], Callable[..., object] | np.dtype[Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
    ("torch._utils", "_rebuild_tensor_v2"): _view,
}
"""All that a state dict of float weights and batch counters names, and what stands in for it here."""


class _Unpickler(pickle.Unpickler):
    """Builds dicts, numbers, strings and tensors; every other name is refused before it is imported."""

    def find_class(self, module: str, name: str) -> object:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            message = f"the weights name {module}.{name}, which is not allowed there"
            raise UntrustedWeights(message) from None

    def persistent_load(self, pid: Any) -> _Storage:  # noqa: ANN401 - the signature of the base class
        kind, dtype, key, *_ = pid
        if kind != "storage" or not isinstance(dtype, np.dtype):
            message = f"the weights refer to a {kind!r}, which is not allowed there"
            raise UntrustedWeights(message)
        return _Storage(str(key), dtype)


def read_weights(data: bytes, sha256: str) -> Tensors:
    """The named tensors of the legacy ``.pth`` file `data` (format: ``_legacy_load`` in torch/serialization.py).

    `sha256` is the full digest, in hex, of the only file that will do; it is compared before anything is unpickled.

    Raises:
        UntrustedWeights: another digest, a name that is not allowed, or no such file at all.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        message = f"the weights have the sha256 {found}, expected {sha256}"
        raise UntrustedWeights(message)
    try:
        return _parse(io.BytesIO(data))
    except _MALFORMED as error:
        message = f"the weights are no legacy .pth file: {error}"
        raise UntrustedWeights(message) from error


def _parse(file: io.BytesIO) -> Tensors:
    magic, protocol, _machine = (_Unpickler(file).load() for _ in range(3))
    if (magic, protocol) != (_MAGIC, _PROTOCOL):
        message = f"unknown magic number or protocol {protocol!r}"
        raise ValueError(message)
    views: dict[str, _View] = _Unpickler(file).load()
    keys: list[str] = _Unpickler(file).load()
    dtypes = {view.storage.key: view.storage.dtype for view in views.values()}
    storages = {key: _read_storage(file, dtypes[key]) for key in keys}
    return {name: view.of(storages[view.storage.key]) for name, view in views.items()}


def _read_storage(file: io.BytesIO, dtype: np.dtype[Any]) -> bytes:
    (count,) = struct.unpack("<q", file.read(8))
    return file.read(count * dtype.itemsize)
