"""Settings that cannot work are refused in words."""

import pytest
from pydantic import ValidationError

from burstlens.scaling.options import ScalingOptions


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"min_instances": 3, "max_instances": 2}, r"min_instances \(3\) is more than max_instances \(2\)"),
        (
            {"scale_out_divisor": 9, "scale_in_divisor": 3},
            r"scale_in_divisor \(3\) is less than scale_out_divisor \(9\)",
        ),
        (
            {"heartbeat_stale_seconds": 500},
            r"heartbeat_stale_seconds \(500\) is more than boot_allowance_seconds \(120\)",
        ),
        ({"drain_grace_seconds": 1000}, r"drain_grace_seconds \(1000\) is more than busy_drain_seconds \(900\)"),
        ({"tick_seconds": 0}, r"tick_seconds\n.*greater than 0"),
        ({"service_seconds": float("inf")}, r"service_seconds\n.*finite"),
        ({"schedule": "daily 08:00-18:00 4"}, r"'daily 08:00-18:00 4': it is a list of entries, such as"),
        ({"window": 0}, r"window\n.*greater than or equal to 1"),
        ({"max_instance": 3}, r"max_instance\n.*not permitted"),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ScalingOptions.model_validate(changes)


def test_the_classic_numbers_are_the_defaults() -> None:
    options = ScalingOptions()

    assert (options.scale_out_divisor, options.scale_in_divisor, options.max_instances) == (2, 10, 19)
    assert options.tick_seconds == 5
