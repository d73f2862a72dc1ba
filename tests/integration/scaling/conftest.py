"""Deployments of an autoscaler."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from burstlens.clouds.base import Pool
from burstlens.scaling.options import ScalingOptions
from support.scaling import POOL, Deployment


@pytest.fixture
async def deploy(tmp_path: Path) -> AsyncIterator[Callable[..., Deployment]]:
    deployments: list[Deployment] = []

    def make(
        *, pools: tuple[Pool, ...] = (POOL,), command: tuple[str, ...] | None = None, **options: object
    ) -> Deployment:
        given = {"tick_seconds": 5, "window": 4, "max_instances": 4} | options
        extra = {} if command is None else {"command": command}
        deployments.append(Deployment(tmp_path, ScalingOptions.model_validate(given), pools, **extra))
        return deployments[-1]

    yield make
    for deployment in deployments:
        await deployment.end()
