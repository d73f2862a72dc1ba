import sys
from pathlib import Path

import pytest

from burstlens.errors import Misconfigured
from burstlens.recognition.provider import Provider
from burstlens.recognition.providers import open_session


def test_without_its_package_openvino_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(Misconfigured, match=r"pip install 'burstlens\[openvino\]', or use cpu") as caught:
        open_session(Path("any.onnx"), Provider.OPENVINO)
    assert "\n" not in str(caught.value)
