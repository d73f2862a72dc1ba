"""Where the private cloud is, and what of it every instance has in common."""

from pydantic import BaseModel, ConfigDict, Field


class OpenStackOptions(BaseModel):
    """The `[openstack]` section. There is no setting for credentials: they are in ``clouds.yaml`` alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cloud: str = ""
    """Its name in ``clouds.yaml``; empty is $OS_CLOUD. Where that file is looked for is openstacksdk's documentation,
    "Configuring OpenStack SDK Applications"; $OS_CLIENT_CONFIG_FILE names it."""
    network: str = ""
    """Name or id of the network that workers are on; empty is the project's only one."""
    security_groups: tuple[str, ...] = ("default",)
    """Names or ids. A worker needs no way in; it needs HTTPS and DNS out."""
    key_pair: str = ""
    """Name of the key pair that may log in to a worker; empty is none."""
    request_seconds: float = Field(default=30.0, gt=0)
    """The longest that one answer of the cloud is waited for: half-dead endpoints must not stop a tick for ever."""
