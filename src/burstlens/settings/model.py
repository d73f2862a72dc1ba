"""What can be set. `load` fills it, `adapters` builds from it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from burstlens.aws.options import AwsOptions, Encryption
from burstlens.buckets import Layout
from burstlens.clouds.base import Billing, Market, Pool, Spec
from burstlens.errors import Misconfigured
from burstlens.lane import REQUESTS
from burstlens.openstack.options import OpenStackOptions
from burstlens.queues.base import QueueOptions
from burstlens.recognition.provider import Provider
from burstlens.scaling.options import ScalingOptions
from burstlens.web.options import WebOptions
from burstlens.worker.options import WorkerOptions

_WORKER_SECTIONS = ("aws", "queue", "buckets", "model", "worker")
"""What an instance is told. None of these holds a secret."""

FLEET = "[a-z][a-z0-9-]{0,39}"
"""What a fleet may be called."""

INSTANCE_DATA = "/var/lib/burstlens"
"""The folder `data` of an instance that is a machine of its own."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class QueueSettings(_Section):
    """Where requests and results travel."""

    url: str = ""
    """``sqlite:FOLDER``, ``memory:`` or ``sqs:PREFIX``; empty is a folder below `data`. On SQS, every queue's name
    begins with PREFIX, so that an account may hold many deployments."""
    name: str = REQUESTS
    response_name: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,80}$")
    """SQS only: the one response queue, by its whole name, that every web replica shares and nobody removes. Empty
    gives each replica its own, which goes when it goes."""
    lease_seconds: float = Field(default=30.0, gt=0, le=43_200)
    max_attempts: int = Field(default=3, ge=1)
    synchronous: Literal["normal", "full"] = "normal"
    """SQLite only: `normal` survives the death of any process; `full` is slower and meant to survive a power cut."""

    @model_validator(mode="after")
    def _names_are_of_sqs(self) -> Self:
        if self.response_name and not self.url.startswith("sqs:"):
            message = "response_name is only for queues on SQS; other queues have one for each web replica"
            raise ValueError(message)
        return self


class BucketSettings(_Section):
    """Where images, results and heartbeats live; empty is a folder below `data`."""

    inputs: str = ""
    outputs: str = ""
    fleet: str = ""
    layout: Layout = Layout.ID
    encryption: Encryption = Encryption.BUCKET
    kms_key: str = ""
    """With ``encryption = "aws:kms"``: the key's id or ARN; empty is the account's own for S3."""


class ModelSettings(_Section):
    """What recognises."""

    name: str = "lite0"
    """A name of the catalogue, `faces`, the path or the URL of an ``.onnx`` file, or ``hf://OWNER/REPO/FILE``."""
    manifest: str = ""
    """Path or URL of the model's manifest; empty is beside the model."""
    provider: Provider = Provider.AUTO
    cache: Path | None = None
    """Where converted and fetched models are kept; None is $BURSTLENS_CACHE or the user's cache folder."""

    def resolved(self) -> Self:
        """The same with absolute paths, so that they mean the same in any folder."""
        return self.model_copy(
            update={
                "name": _absolute(self.name) if self.name.endswith(".onnx") else self.name,
                "manifest": _absolute(self.manifest) if self.manifest else "",
                "cache": self.cache and self.cache.absolute(),
            }
        )


def _absolute(reference: str) -> str:
    """A path made absolute; a URL as it is."""
    return reference if "://" in reference else str(Path(reference).absolute())


class PoolSettings(_Section):
    """One `[[pools]]` entry; see `burstlens.clouds.base.Pool`."""

    name: str = Field(min_length=1)
    cloud: Literal["local", "openstack", "ec2"]
    cap: int = Field(ge=0)
    order: int = 0
    price_per_hour: float = Field(default=0.0, ge=0)
    instance_types: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    market: Market = Market.ON_DEMAND
    image: str = ""
    launch_template: str = ""
    billing_increment_seconds: float = Field(default=1.0, gt=0)
    billing_minimum_seconds: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _launchable(self) -> Self:
        if self.cloud == "ec2" and not self.launch_template:
            message = "an ec2 pool needs a launch_template; `burstlens deploy aws up` makes one"
            raise ValueError(message)
        if self.cloud == "openstack" and not (self.image and self.instance_types):
            message = "an openstack pool needs an image and instance_types (flavors); `burstlens image bake` makes one"
            raise ValueError(message)
        if self.cloud == "openstack" and self.market is Market.SPOT:
            message = "OpenStack has no spot market: leave market out"
            raise ValueError(message)
        return self

    def pool(self) -> Pool:
        """The entry as the value that scaling works with."""
        return Pool(
            name=self.name,
            cloud=self.cloud,
            cap=self.cap,
            order=self.order,
            price_per_hour=self.price_per_hour,
            instance_types=self.instance_types,
            zones=self.zones,
            market=self.market,
            image=self.image,
            launch_template=self.launch_template,
            billing=Billing(self.billing_increment_seconds, self.billing_minimum_seconds),
        )


class Settings(BaseSettings):
    """All settings of one deployment."""

    model_config = SettingsConfigDict(env_prefix="BURSTLENS_", env_nested_delimiter="__", frozen=True, extra="forbid")

    fleet: str = Field(default="burstlens", pattern=f"^{FLEET}$")
    data: Path = Path("burstlens-data")
    """Folder of everything that is kept on this machine."""
    aws: AwsOptions = AwsOptions()
    openstack: OpenStackOptions = OpenStackOptions()
    queue: QueueSettings = QueueSettings()
    buckets: BucketSettings = BucketSettings()
    model: ModelSettings = ModelSettings()
    web: WebOptions = WebOptions()
    worker: WorkerOptions = WorkerOptions()
    scaling: ScalingOptions = ScalingOptions()
    pools: tuple[PoolSettings, ...] = ()

    @field_validator("pools")
    @classmethod
    def _one_of_each_name(cls, pools: tuple[PoolSettings, ...]) -> tuple[PoolSettings, ...]:
        names = [pool.name for pool in pools]
        if twice := [name for name in names if names.count(name) > 1]:
            message = f"more than one is called {twice[0]!r}"
            raise ValueError(message)
        return pools

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment over the file, which `load_settings` hands in."""
        del settings_cls, dotenv_settings, file_secret_settings
        return (env_settings, init_settings)

    def with_web(self, **changes: object) -> Self:
        """The same settings with other values in `web`; None keeps what is there. Raises `Misconfigured`."""
        return self._with("web", changes)

    def with_scaling(self, **changes: object) -> Self:
        """The same settings with other values in `scaling`; None keeps what is there. Raises `Misconfigured`."""
        return self._with("scaling", changes)

    def with_model(self, **changes: object) -> Self:
        """The same settings with other values in `model`; None keeps what is there. Raises `Misconfigured`."""
        return self._with("model", changes)

    def with_worker(self, **changes: object) -> Self:
        """The same settings with other values in `worker`; None keeps what is there. Raises `Misconfigured`."""
        return self._with("worker", changes)

    def _with(self, section: str, changes: Mapping[str, object]) -> Self:
        old = getattr(self, section)
        new = {name: value for name, value in changes.items() if value is not None}
        try:
            changed = type(old).model_validate(old.model_dump() | new)
        except ValidationError as error:
            where, what = first_problem(error)
            message = f"{'.'.join([section, *where])}: {what}"
            raise Misconfigured(message) from None
        return self.model_copy(update={section: changed})

    def queue_options(self) -> QueueOptions:
        """What the request queue is created with."""
        return QueueOptions(self.queue.lease_seconds, self.queue.max_attempts)

    def worker_processes(self) -> int:
        """How many worker processes an instance runs."""
        return self.worker.processes or len(os.sched_getaffinity(0))

    def fleet_pools(self) -> tuple[Pool, ...]:
        """The pools of the fleet; without any `[[pools]]`, this machine with all its cores."""
        if self.pools:
            return tuple(pool.pool() for pool in self.pools)
        return (Pool(name="local", cloud="local", cap=self.scaling.max_instances),)

    def spec(self, cloud: str = "local") -> Spec:
        """What an instance on this cloud is told: the sections that its worker reads, as environment.

        It reads no file: one that is edited while the fleet runs would stop every new instance from starting.

        Raises:
            Misconfigured: the cloud is not this machine, and something is kept where only this machine can reach it.
        """
        here = self.resolved()
        data = str(here.data)
        if cloud != "local":
            here._check_reachable(cloud)
            here = here.model_copy(update={"model": here.model.model_copy(update={"cache": None})})
            data = INSTANCE_DATA
        elif not here.worker.processes and all(pool.cloud == "local" for pool in self.fleet_pools()):
            # Instances that share one machine are one process each, or they would be cores × cores.
            here = here.with_worker(processes=1)
        sections = {f"BURSTLENS_{name.upper()}": getattr(here, name).model_dump_json() for name in _WORKER_SECTIONS}
        limits = {
            "BURSTLENS_WEB__MAX_IMAGE_BYTES": str(self.web.max_image_bytes),
            "BURSTLENS_WEB__MAX_PIXELS": str(self.web.max_pixels),
        }
        own = {"BURSTLENS_CONFIG": os.devnull, "BURSTLENS_FLEET": self.fleet, "BURSTLENS_DATA": data}
        return Spec({**own, **sections, **limits})

    def _check_reachable(self, cloud: str) -> None:
        """Raise `Misconfigured` when an instance elsewhere could not get at something; the settings are resolved."""
        addresses = {"queue.url": self.queue.url, "model.name": self.model.name, "model.manifest": self.model.manifest}
        addresses |= {f"buckets.{name}": getattr(self.buckets, name) for name in ("inputs", "outputs", "fleet")}
        for setting, address in addresses.items():
            if address.startswith(("/", "sqlite:", "memory:", "file:")):
                message = f"{setting} is {address}, which instances on {cloud} cannot reach; use SQS, S3 or a URL"
                raise Misconfigured(message)

    def resolved(self) -> Self:
        """The same settings with every empty address filled in, so that they mean the same in any folder."""
        data = self.data.absolute()
        queue = self.queue.model_copy(update={"url": self.queue.url or f"sqlite:{data / 'queues'}"})
        folders = {name: (data / "buckets" / name).as_uri() for name in ("inputs", "outputs", "fleet")}
        filled = {name: getattr(self.buckets, name) or folder for name, folder in folders.items()}
        return self.model_copy(
            update={
                "data": data,
                "queue": queue,
                "buckets": self.buckets.model_copy(update=filled),
                "model": self.model.resolved(),
            }
        )


def first_problem(error: ValidationError) -> tuple[list[str], str]:
    """Where the first problem is, name by name, and what it is.

    A misspelt name also leaves the right one missing: the misspelling comes first.
    """
    first = min(error.errors(include_url=False, include_input=False), key=lambda e: e["type"] != "extra_forbidden")
    return [str(part) for part in first["loc"]], first["msg"].removeprefix("Value error, ")
