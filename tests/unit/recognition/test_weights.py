"""The files read here are written by pickle itself, with a stand-in for the parts of torch that they name."""

import hashlib
import io
import os
import pickle
import struct
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from burstlens.recognition.weights import UntrustedWeights, read_weights

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class Storage:
    """What a tensor's pickle refers to by a persistent id."""

    def __init__(self, kind: type, key: str, count: int) -> None:
        self.id = ("storage", kind, key, "cpu", count, None)


class Tensor:
    """Pickles as torch's tensors do."""

    def __init__(self, *parts: object) -> None:
        self._parts = parts

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch._utils"].__dict__["_rebuild_tensor_v2"], (*self._parts, False, OrderedDict())


class Writer(pickle.Pickler):
    def persistent_id(self, obj: object) -> tuple[object, ...] | None:
        return obj.id if isinstance(obj, Storage) else None


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """As much of torch as its pickles name."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "HalfStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2(*_: object) -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils.__dict__["_rebuild_tensor_v2"] = _rebuild_tensor_v2
    torch.__dict__["_utils"] = utils
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch


def legacy_file(state: object, storages: dict[str, npt.NDArray[Any]], magic: int = MAGIC) -> bytes:
    file = io.BytesIO()
    for part in (magic, PROTOCOL, {"little_endian": True}, state, sorted(storages)):
        Writer(file, protocol=2).dump(part)
    for key in sorted(storages):
        file.write(struct.pack("<q", storages[key].size) + storages[key].tobytes())
    return file.getvalue()


def read(data: bytes) -> dict[str, npt.NDArray[Any]]:
    return read_weights(data, hashlib.sha256(data).hexdigest())


def test_tensors_are_cut_from_their_storages(torch: ModuleType) -> None:
    floats, longs = np.arange(10, dtype="<f4") / 4, np.array([77], "<i8")
    a, b = Storage(torch.FloatStorage, "a", 10), Storage(torch.LongStorage, "b", 1)
    state = OrderedDict(
        whole=Tensor(a, 0, (2, 5), (5, 1)),
        part=Tensor(a, 3, (2, 2), (2, 1)),
        transposed=Tensor(a, 0, (5, 2), (1, 5)),
        scalar=Tensor(b, 0, (), ()),
    )
    tensors = read(legacy_file(state, {"a": floats, "b": longs}))
    np.testing.assert_array_equal(tensors["whole"], floats.reshape(2, 5))
    np.testing.assert_array_equal(tensors["part"], floats[3:7].reshape(2, 2))
    np.testing.assert_array_equal(tensors["transposed"], floats.reshape(2, 5).T)
    assert tensors["scalar"].shape == ()
    assert tensors["scalar"] == 77
    assert tensors["whole"].dtype == np.float32


class MakesFolder:
    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self._folder,)


@pytest.mark.parametrize("place", [0, 3])
def test_a_malicious_pickle_is_refused_and_nothing_ran(tmp_path: Path, place: int) -> None:
    folder = tmp_path / "broken-in"
    parts: list[object] = [MAGIC, PROTOCOL, {}, OrderedDict(), []]
    parts[place] = MakesFolder(folder)
    data = b"".join(pickle.dumps(part) for part in parts)
    with pytest.raises(UntrustedWeights, match="mkdir, which is not allowed"):
        read(data)
    assert not folder.exists()
    for part in parts:
        pickle.loads(pickle.dumps(part))  # noqa: S301 - shows that the pickle does what it was refused for
    assert folder.exists()


@pytest.mark.parametrize(
    "pickled",
    [b"cbuiltins\neval\n(V1\ntR.", b"ctorch\nload\n.", b"cos\nsystem\n.", b"ccollections\nOrderedDict.fromkeys\n."],
)
def test_any_name_beyond_the_few_is_refused(pickled: bytes) -> None:
    with pytest.raises(UntrustedWeights, match="which is not allowed there"):
        read(pickled)


def test_another_digest_is_refused_before_anything_is_unpickled(tmp_path: Path) -> None:
    data = pickle.dumps(MakesFolder(tmp_path / "broken-in"))
    with pytest.raises(UntrustedWeights, match="expected 0000"):
        read_weights(data, "0" * 64)


def test_a_tensor_outside_of_its_storage_is_refused(torch: ModuleType) -> None:
    storage = Storage(torch.FloatStorage, "a", 4)
    for view in ((0, (5,), (1,)), (1, (4,), (1,)), (0, (2,), (4,)), (0, (2,), (-1,)), (-1, (1,), (1,))):
        data = legacy_file({"w": Tensor(storage, *view)}, {"a": np.zeros(4, "<f4")})
        with pytest.raises(UntrustedWeights, match="no legacy"):
            read(data)


def test_what_is_no_such_file_is_refused(torch: ModuleType) -> None:
    tensor = Tensor(Storage(torch.FloatStorage, "a", 4), 0, (4,), (1,))
    whole = legacy_file({"w": tensor}, {"a": np.zeros(4, "<f4")})
    half = Tensor(Storage(torch.HalfStorage, "a", 4), 0, (4,), (1,))
    others = (
        b"",
        b"text",
        whole[:-1],
        whole[:-18],
        whole[:60],
        legacy_file({"w": tensor}, {}),
        legacy_file({"w": tensor}, {"a": np.zeros(4, "<f4")}, magic=MAGIC + 1),
        legacy_file({"w": half}, {"a": np.zeros(4, "<f2")}),
        legacy_file(["no", "dict"], {}),
        legacy_file({"w": 3}, {}),
    )
    assert read(whole)["w"].shape == (4,)
    for data in others:
        with pytest.raises(UntrustedWeights):
            read(data)
