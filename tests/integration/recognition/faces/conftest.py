"""The loaded face models, once for all tests."""

import pytest

from burstlens.recognition.faces.embedding import Embedder


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    return Embedder()
