import itertools

import numpy as np
import pytest

from burstlens.recognition.efficientnet import (
    BATCH_NORM_EPSILON,
    Architecture,
    Block,
    Floats,
    blocks,
    fold,
    same_padding,
    scaled_channels,
)

LITE0 = Architecture(width=1.0, depth=1.0, size=224)
LITE2 = Architecture(width=1.1, depth=1.2, size=260)


def convolved(image: Floats, kernel: Floats) -> Floats:
    """``[in, h, w]`` by ``[out, in, k, k]`` without padding, spelled out."""
    side = kernel.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(1, 2))
    result: Floats = np.einsum("chwij,ocij->ohw", windows, kernel)
    return result


def test_the_folded_convolution_equals_convolution_and_batch_normalisation() -> None:
    random = np.random.default_rng(seed=3)
    image = random.normal(size=(4, 7, 7)).astype(np.float32)
    kernel = random.normal(size=(6, 4, 3, 3)).astype(np.float32)
    gamma, beta, mean = random.normal(size=(3, 6)).astype(np.float32)
    variance = random.uniform(0.0, 0.01, size=6).astype(np.float32)  # so small that ε matters

    column = (slice(None), None, None)
    normalised = (convolved(image, kernel) - mean[column]) / np.sqrt(variance + BATCH_NORM_EPSILON)[column]
    expected = normalised * gamma[column] + beta[column]

    weight, bias = fold(kernel, gamma, beta, mean, variance)
    np.testing.assert_allclose(convolved(image, weight) + bias[column], expected, rtol=1e-3, atol=1e-3)
    assert weight.dtype == bias.dtype == np.float32


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (224, 3, 2, (0, 1)),  # TensorFlow pads an even image behind only; PyTorch's padding=1 would pad both sides
        (225, 3, 2, (1, 1)),
        (112, 3, 1, (1, 1)),
        (56, 5, 2, (1, 2)),
        (14, 5, 1, (2, 2)),
        (7, 1, 1, (0, 0)),
        (7, 1, 2, (0, 0)),
    ],
)
def test_padding_is_tensorflows_same(size: int, kernel: int, stride: int, expected: tuple[int, int]) -> None:
    assert same_padding(size, kernel, stride) == expected
    assert (size + sum(expected) - kernel) // stride + 1 == -(-size // stride)


def test_channels_are_multiples_of_eight_and_never_a_tenth_less() -> None:
    assert [scaled_channels(channels, 1.1) for channels in (16, 24, 40, 80, 112, 192, 320)] == [
        16, 24, 48, 88, 120, 208, 352,
    ]  # fmt: skip
    for width in (1.0, 1.1, 1.2, 1.4):
        for channels in range(8, 400, 4):
            scaled = scaled_channels(channels, width)
            assert scaled % 8 == 0
            assert scaled >= 0.9 * channels * width


def test_the_base_network_has_the_papers_blocks() -> None:
    made = list(blocks(LITE0))
    assert len(made) == 16
    assert made[0] == Block(kernel=3, stride=1, expand=1, channels_in=32, channels_out=16)
    assert made[-1] == Block(kernel=3, stride=1, expand=6, channels_in=192, channels_out=320)
    assert [block.stride for block in made].count(2) == 4
    assert sum(block.shortcut for block in made) == 9


def test_scaling_leaves_the_stem_and_the_ends_depth_alone() -> None:
    made = list(blocks(LITE2))
    repeats = [1, 3, 3, 4, 4, 5, 1]
    assert len(made) == sum(repeats)
    assert made[0].channels_in == 32
    assert made[-1] == Block(kernel=3, stride=1, expand=6, channels_in=208, channels_out=352)
    assert all(after.channels_in == before.channels_out for before, after in itertools.pairwise(made))
