"""One call for many instances of which EC2 may not know all."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from burstlens.aws.session import call
from burstlens.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from botocore.client import BaseClient

LATE_SECONDS = (1.0, 2.0, 4.0)
"""Pauses while EC2 does not know an instance that it has just launched: "not found" does not mean that it has ended
(EC2 Developer Guide, "Eventual consistency")."""


async def reach_known(
    client: "BaseClient", operation: str, key: str, ids: Sequence[str], **parameters: object
) -> list[str]:
    """Do it to all that EC2 knows; return the others. One unknown id makes EC2 refuse the whole request.

    Args:
        client: of EC2.
        operation: such as ``terminate_instances``.
        key: the parameter that takes the ids.
        ids: of instances.
        **parameters: all else that the operation takes.

    Raises:
        Unavailable: something is not found, and EC2 does not say what.
    """
    unknown: list[str] = []
    while known := [instance for instance in ids if instance not in unknown]:
        try:
            await call(client, operation, **{key: known}, **parameters)
        except NotFound as error:
            named = [instance for instance in known if instance in str(error)]
            if not named:
                raise Unavailable(str(error)) from error
            unknown += named
        else:
            break
    return unknown
