"""Key pairs: the public keys of who may log in to the web host. They are the user's, not the project's."""

from burstlens.deploy.openstack.project import Project


class KeyPairs:
    """Those of the fleet, which their names prove to be so."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def all(self) -> dict[str, str]:
        """Public key by name."""
        project = self._project
        listed = project.ask("the key pairs", lambda: [pair.to_dict() for pair in project.cloud.compute.keypairs()])
        return {
            pair["name"]: pair["public_key"].strip()
            for pair in listed
            if pair["name"] == project.names.key_pair(project.id, pair["public_key"])
        }

    def make(self, public_key: str) -> str:
        """Make one; its name."""
        project = self._project
        name = project.names.key_pair(project.id, public_key)
        project.make(
            f"key pair {name}",
            lambda: project.cloud.compute.create_keypair(name=name, public_key=public_key),
            lambda: name if name in self.all() else None,
        )
        return name

    def remove(self, name: str) -> None:
        """Remove one that may be gone already."""
        compute = self._project.cloud.compute
        self._project.remove(f"key pair {name}", lambda: compute.delete_keypair(name, ignore_missing=False))
