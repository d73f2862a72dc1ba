"""Security groups: who may reach what. The web tier's lets in what was chosen, the workers' lets nobody in."""

from collections.abc import Iterable
from dataclasses import dataclass

from burstlens.deploy.openstack.project import Project, Thing
from burstlens.deploy.openstack.wish import EVERYBODY, Choice
from burstlens.errors import Misconfigured
from burstlens.openstack.errors import Conflict

WEB, SSH, ICMP = "web", "ssh", "icmp"

_SSH_PORT = 22


@dataclass(frozen=True, slots=True)
class Rule:
    """One that lets somebody in, over IPv4."""

    purpose: str
    protocol: str
    port: int | None
    source: str
    """CIDR."""

    def __str__(self) -> str:
        what = self.protocol if self.port is None else f"{self.protocol} {self.port}"
        return f"{what} from {self.source}"


def wanted_rules(choice: Choice) -> list[Rule]:
    """What the web tier's group lets in."""
    rules = [Rule(ICMP, "icmp", None, EVERYBODY), Rule(WEB, "tcp", choice.port, choice.web_from)]
    return [*rules, Rule(SSH, "tcp", _SSH_PORT, choice.ssh_from)] if choice.ssh_from else rules


class Rules:
    """The rules of a group that `up` has made: whoever adds others to it keeps them."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def of(self, group: Thing) -> dict[Rule, str]:
        """Id by rule."""
        project, mark = self._project, f"{self._project.names.mark} "
        network = project.cloud.network
        listed = project.ask(
            "the rules of a security group",
            lambda: [rule.to_dict() for rule in network.security_group_rules(security_group_id=group["id"])],
        )
        return {
            _parsed(rule, rule["description"].removeprefix(mark)): rule["id"]
            for rule in listed
            if (rule["description"] or "").startswith(mark)
        }

    def add(self, group: Thing, rule: Rule) -> None:
        """Let in what the rule says.

        Raises:
            Misconfigured: a rule that is not ours says the same.
        """
        project = self._project
        attributes: dict[str, object] = {
            "security_group_id": group["id"],
            "description": f"{project.names.mark} {rule.purpose}",
            "direction": "ingress",
            "ether_type": "IPv4",
            "protocol": rule.protocol,
            "remote_ip_prefix": rule.source,
        }
        if rule.port is not None:
            attributes |= {"port_range_min": rule.port, "port_range_max": rule.port}
        try:
            project.make(
                f"rule {rule}",
                lambda: project.cloud.network.create_security_group_rule(**attributes).id,
                lambda: self.of(group).get(rule),
            )
        except Conflict as error:
            message = f"{error}: somebody has added it to {group['name']} by hand; remove that one, and run this again"
            raise Misconfigured(message) from error

    def remove(self, rule: Rule, number: str) -> None:
        """Let it in no more."""
        network = self._project.cloud.network
        self._project.remove(f"rule {rule}", lambda: network.delete_security_group_rule(number, ignore_missing=False))


def _parsed(rule: Thing, purpose: str) -> Rule:
    return Rule(purpose, rule["protocol"], rule["port_range_min"], rule["remote_ip_prefix"] or EVERYBODY)


def chosen_before(rules: Iterable[Rule]) -> dict[str, object]:
    """What these rules say of `Choice`."""
    by_purpose = {rule.purpose: rule for rule in rules}
    said: dict[str, object] = {}
    if WEB in by_purpose:
        said |= {"port": by_purpose[WEB].port, "web_from": by_purpose[WEB].source}
        # Who closes SSH again has closed it, as long as the group has its other rules.
        said["ssh_from"] = by_purpose[SSH].source if SSH in by_purpose else ""
    return said
