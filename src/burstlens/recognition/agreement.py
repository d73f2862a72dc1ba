"""How far two models say the same of pictures."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from burstlens.recognition.classifier import DEFAULT_LIMITS, Classifier
from burstlens.recognition.crop import Crop
from burstlens.recognition.decode import Pixels, decode


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two models, the reference and another, say of the same views."""

    views: int
    top_1: float
    """Share of the views for which both have the same best class."""
    top_5: float
    """Share of the views for which the reference's best class is among the other's best five."""
    difference: float
    """Mean absolute difference of the probabilities that the two give to the reference's best class."""


def agreement(reference: Classifier, other: Classifier, shown: Iterable[Pixels]) -> Agreement:
    """Show both models the same views, each uint8 ``[size, size, 3]``; at least one."""
    first, fifth, differences = [], [], []
    for view in shown:
        tensor = reference.prepare(view)
        expected, found = reference.infer(tensor), other.infer(tensor)
        best = int(expected.argmax())
        # As a classifier orders them: what is no number, or the same for all, is no agreement.
        rank = int(np.flatnonzero(np.argsort(-found, kind="stable") == best)[0])
        first.append(rank == 0)
        fifth.append(rank < 5)
        differences.append(abs(float(expected[best] - found[best])))
    return Agreement(len(first), float(np.mean(first)), float(np.mean(fifth)), float(np.mean(differences)))


def views(pictures: Sequence[bytes], crop: Crop) -> Iterator[Pixels]:
    """Up to ten views of each picture: the middle and the corners, and their mirror images.

    Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks" (2012), section 4.1. A model
    that takes the whole picture gets two views: it and its mirror image.

    Raises:
        ImageError: one of the pictures cannot be decoded.
    """
    return chain.from_iterable(_views(picture, crop) for picture in pictures)


def _views(picture: bytes, crop: Crop) -> Iterator[Pixels]:
    side = crop.size if crop.fit == "squash" else crop.resize
    whole = decode(picture, DEFAULT_LIMITS, Crop(side, side, crop.fit, crop.interpolation))
    margin = side - crop.size
    middle = (margin // 2, margin // 2)
    corners = [(top, left) for top in (0, margin) for left in (0, margin)]
    for top, left in dict.fromkeys([middle, *corners]):  # without a margin all are one
        view = whole[top : top + crop.size, left : left + crop.size]
        yield view
        yield view[:, ::-1]
