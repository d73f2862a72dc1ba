"""The class, of Pillow or of a package beside it, that reads one kind of picture."""

import importlib
import io
import threading
from collections.abc import Callable
from typing import Final

from PIL import ImageFile

from burstlens.messages import ErrorCode
from burstlens.recognition.base import ImageError
from burstlens.recognition.formats import READ_HERE, Format

Opener = Callable[[io.BytesIO], ImageFile.ImageFile]

_THREADS: Final = {
    "AVIF": ("PIL.AvifImagePlugin", "DEFAULT_MAX_THREADS", 1),
    "HEIC": ("pillow_heif.options", "DECODE_THREADS", 0),
}
"""Of plugins that decode in several threads: the module and the global that say in how many, and the least. With 0
libheif decodes the tiles of a picture one after the other; libde265 decodes each in a thread of its own even so."""

_threads_lock = threading.Lock()


def open_header(form: Format, data: bytes) -> ImageFile.ImageFile:
    """Parse a picture's header. Whatever the plugin raises is passed on.

    Raises:
        ImageError: `UNSUPPORTED_TYPE`, as the optional package that reads this kind is not installed.
    """
    opener = _opener(form)
    if form.name not in _THREADS:
        return opener(io.BytesIO(data))
    module, option, least = _THREADS[form.name]
    options = importlib.import_module(module)
    # Both take the number when they open a picture. It is put back for whoever else uses Pillow in this process.
    with _threads_lock:
        usual = getattr(options, option)
        setattr(options, option, least)
        try:
            return opener(io.BytesIO(data))
        finally:
            setattr(options, option, usual)


def _opener(form: Format) -> Opener:
    """The one class that reads this kind.

    `Image.open` is not used: it would import every common plugin, and its own check against decompression bombs only
    warns between one and two times a process-wide limit. A failing import is no fault of the picture.
    """
    try:
        module = importlib.import_module(form.plugin)
    except ModuleNotFoundError as error:
        if not form.extra or error.name != form.plugin:
            raise
        message = f"{form.name} pictures are not read here without burstlens[{form.extra}]; send one of {READ_HERE}"
        raise ImageError(ErrorCode.UNSUPPORTED_TYPE, message) from error
    opener: Opener = getattr(module, form.image_class)
    return opener
