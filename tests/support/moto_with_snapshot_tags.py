"""moto's server, which refuses tags for the snapshots of a new image; here, it sets them."""

from collections.abc import Sequence
from typing import Any

from moto.ec2.models import EC2Backend
from moto.ec2.models.amis import Ami
from moto.server import main

_create_image = EC2Backend.create_image


def create_image(
    backend: EC2Backend, instance_id: str, name: str, description: str, tag_specifications: Sequence[dict[str, Any]]
) -> Ami:
    """Of `EC2Backend`."""
    own = [each for each in tag_specifications if each["ResourceType"] != "snapshot"]
    image = _create_image(backend, instance_id, name, description, own)
    for each in tag_specifications:
        if each["ResourceType"] == "snapshot":
            image.ebs_snapshot.add_tags({tag["Key"]: tag["Value"] for tag in each["Tags"]})
    return image


if __name__ == "__main__":
    EC2Backend.create_image = create_image  # type: ignore[assignment, method-assign]
    main()
