"""Real face pictures of the development dependencies; none of them is part of burstlens.

They are works of the United States' government, so in the public domain (17 U.S.C. 105): official photographs by the
White House, in the source distribution of face_recognition (its wheel has no pictures, so ``make`` puts the source
distribution itself into the environment), and one by the US Navy, in matplotlib.
"""

import importlib.util
import sys
import tarfile
from functools import cache
from pathlib import Path

_SDIST = Path(sys.prefix, "share", "pictures", "face_recognition-1.3.0.tar.gz")
_FOLDER = "face_recognition-1.3.0/tests/test_images"


@cache
def face_picture(name: str) -> bytes:
    """One picture as it lies in its package.

    ``obama.jpg``, ``obama2.jpg`` and ``obama3.jpg`` were taken years apart; in ``obama_partial_face….jpg`` the picture
    ends in the face; ``32bit.png`` is obama2 with an alpha channel; ``biden.jpg`` and ``hopper.jpg`` show others.
    """
    if name == "hopper.jpg":
        package = importlib.util.find_spec("matplotlib")
        assert package is not None
        assert package.origin is not None
        return Path(package.origin).with_name("mpl-data").joinpath("sample_data/grace_hopper.jpg").read_bytes()
    assert _SDIST.is_file(), f"{_SDIST} is missing: make test puts it there"
    with tarfile.open(_SDIST) as archive:
        member = archive.extractfile(f"{_FOLDER}/{name}")
        assert member is not None
        return member.read()
