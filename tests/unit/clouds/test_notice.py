"""What a notice leaves for requests, and what a worker that no cloud has started does not pay for."""

import subprocess
import sys

import pytest

from burstlens.clouds.ec2.notice import Notice


@pytest.mark.parametrize(
    ("left", "drain"), [(120.0, 110.0), (20.0, 10.0), (12.0, 6.0), (1.0, 0.5), (0.0, 0.0), (-5.0, 0.0)]
)
def test_a_drain_ends_within_the_notice_and_a_short_notice_leaves_it_half(left: float, drain: float) -> None:
    assert Notice("spot notice: terminate", ends_at=1000.0 + left).drain_seconds(1000.0) == drain


def test_a_worker_on_no_cloud_imports_nothing_of_any() -> None:
    code = "import sys, burstlens.cli.worker; print(*[n for n in sys.modules if 'ec2' in n or 'botocore' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
