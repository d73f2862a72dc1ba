"""Who asks AWS, and where: nothing here reaches anybody."""

from pathlib import Path

import pytest

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession
from burstlens.errors import Misconfigured, NotAuthorized
from support.aws_doubles import REGION


@pytest.fixture(autouse=True)
def nothing_else(aws_credentials: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only what a test says."""
    del aws_credentials
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def test_the_region_is_the_settings_and_else_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    assert AwsSession(AwsOptions(region="sa-east-1")).region == "sa-east-1"
    assert AwsSession(AwsOptions()).region == REGION
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert AwsSession(AwsOptions()).region == "us-west-2"


def test_the_region_may_be_a_profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_REGION")
    (tmp_path / "config").write_text("[default]\nregion = ap-south-1\n")

    assert AwsSession(AwsOptions()).region == "ap-south-1"


def test_without_a_region_it_says_where_to_set_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")

    with pytest.raises(Misconfigured, match=r"set aws\.region in burstlens\.toml, or AWS_REGION"):
        assert AwsSession(AwsOptions()).region


def test_an_address_of_its_own_puts_buckets_into_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    double = AwsSession(AwsOptions(endpoint="http://127.0.0.1:5555"))
    assert (double.endpoint, double.path_style) == ("http://127.0.0.1:5555", True)
    assert (AwsSession(AwsOptions()).endpoint, AwsSession(AwsOptions()).path_style) == (None, False)
    assert AwsSession(AwsOptions(path_style=True)).path_style
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert AwsSession(AwsOptions()).endpoint == "http://127.0.0.1:1"


def test_credentials_come_from_the_environment_or_a_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert AwsSession(AwsOptions()).credentials().access_key == "double"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "credentials").write_text("[lab]\naws_access_key_id = from-profile\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert AwsSession(AwsOptions()).credentials().access_key == "from-profile"


def test_without_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")

    with pytest.raises(NotAuthorized, match="no AWS credentials"):
        AwsSession(AwsOptions()).credentials()


def test_a_profile_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(Misconfigured, match="nobody"):
        assert AwsSession(AwsOptions()).credentials()


def test_there_is_no_setting_for_a_secret() -> None:
    assert not {name for name in AwsOptions.model_fields if "key" in name or "secret" in name or "token" in name}
