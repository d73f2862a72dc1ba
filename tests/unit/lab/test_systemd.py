import pytest

from lab.systemd import EnvironmentFile, Unit

SERVICE = "[Service]\nExecStart=/opt/burstlens/bin/burstlens worker\n"


def test_files_of_variables_keep_their_order_and_a_dash_is_leave_to_be_missing() -> None:
    unit = Unit.parse(f"{SERVICE}EnvironmentFile=/etc/one\nEnvironmentFile=-/etc/two\n")
    assert unit.environment_files == (EnvironmentFile("/etc/one"), EnvironmentFile("/etc/two", may_be_missing=True))


@pytest.mark.parametrize(("line", "seconds"), [("", 90.0), ("TimeoutStopSec=2min", 120.0), ("TimeoutStopSec=5", 5.0)])
def test_a_stop_may_take_as_long_as_the_unit_or_systemd_says(line: str, seconds: float) -> None:
    assert Unit.parse(f"{SERVICE}{line}\n").stop_seconds == seconds


def test_a_unit_without_exactly_one_command_is_refused() -> None:
    with pytest.raises(ValueError, match="one ExecStart, not 2"):
        Unit.parse(SERVICE + SERVICE)
