"""A stand-in for the hypervisor under image builders: runs a builder's user data as cloud-init would, then stops it.

What would change this machine (users, Debian packages, machine-id) is a stub in a folder that is the whole $PATH; the
scripts, and the transfers from and to the bucket, are real.
"""

import base64
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession
from burstlens.clock import SystemClock
from burstlens.clouds.ec2.tags import as_mapping
from burstlens.deploy.aws.builder import BUILDER
from burstlens.deploy.aws.images import DEBIAN_OWNER
from support.aws_doubles import CREDENTIALS, REGION, Double

REAL = ("sh", "timeout", "tail", "cat", "dirname", "mkdir", "chmod", "env")
STUBS = ("useradd", "install", "apt-get", "truncate", "cloud-init", "poweroff")

PYTHON = """#!/bin/sh
[ "$1" = -m ] || exec {python} "$@"
mkdir -p "$3/bin"
cat >"$3/bin/pip" <<'END'
#!/bin/sh
[ -f "${{3%\\[*}}" ] && echo "installed $3"
END
cat >"$3/bin/burstlens" <<'END'
#!/bin/sh
[ "$1" = model ] || echo burstlens {version}
END
chmod +x "$3/bin/pip" "$3/bin/burstlens"
"""


OLD_DEBIAN, DEBIAN, NEXT_DEBIAN = "ami-0000000000000001a", "ami-0000000000000002b", "ami-0000000000000003c"


def double_with_debian(folder: Path) -> Double:
    """A double of AWS that has two of Debian 12's images, and one of its next release."""
    image = {"owner_id": DEBIAN_OWNER, "architecture": "x86_64", "public": True, "root_device_name": "/dev/xvda"}
    names = [(OLD_DEBIAN, 12, "20250101"), (DEBIAN, 12, "20260101"), (NEXT_DEBIAN, 13, "20260201")]
    images = [
        image | {"ami_id": ami, "name": f"debian-{release}-amd64-{day}-1", "creation_date": f"{day[:4]}-01-01"}
        for ami, release, day in names
    ]
    path = folder / "amis.json"
    path.write_text(json.dumps(images))
    server = str(Path(__file__).with_name("moto_with_snapshot_tags.py"))
    return Double((sys.executable, server, "-H", "127.0.0.1", "-p", "{port}"), {"MOTO_AMIS_PATH": str(path)})


class QuickClock(SystemClock):
    """Waits as long as a double needs, not as AWS does."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(min(seconds, 0.05))


def session_at(url: str) -> AwsSession:
    """AWS, at a double."""
    return AwsSession(AwsOptions(endpoint=url, region=REGION))


def cloud_config(user_data: str) -> dict[str, Any]:
    """What cloud-init reads."""
    header, _, body = user_data.partition("\n")
    assert header == "#cloud-config"
    config: dict[str, Any] = json.loads(body)
    return config


Boot = Callable[[str], None]


class BuilderHost(threading.Thread):
    """Boots every builder of a fleet with its user data, and stops it when `boot` returns."""

    def __init__(self, ec2: Any, fleet: str, boot: Boot) -> None:  # noqa: ANN401 - botocore's clients have no types of their own
        super().__init__(daemon=True)
        self._ec2 = ec2
        self._fleet = fleet
        self._boot = boot
        self._over = threading.Event()
        self.booted: list[str] = []
        self.problems: list[BaseException] = []

    def run(self) -> None:
        while not self._over.wait(0.05):
            for instance in builders(self._ec2, self._fleet, "running"):
                if instance in self.booted:
                    continue
                self.booted.append(instance)
                try:
                    self._boot(user_data(self._ec2, instance))
                    if instance in builders(self._ec2, self._fleet, "running"):
                        self._ec2.stop_instances(InstanceIds=[instance])
                except BaseException as error:  # noqa: BLE001 - the test raises it
                    self.problems.append(error)

    def __enter__(self) -> "BuilderHost":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(20)
        assert not self.problems, self.problems


def user_data(ec2: Any, instance: str) -> str:  # noqa: ANN401
    """What the instance was told."""
    attribute = ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData")
    return base64.b64decode(attribute["UserData"]["Value"]).decode()


def builders(ec2: Any, fleet: str, *states: str) -> list[str]:  # noqa: ANN401
    """The builders in these states, or in any but terminated."""
    reservations = ec2.describe_instances(
        Filters=[
            {"Name": f"tag:{BUILDER}", "Values": [fleet]},
            {"Name": "instance-state-name", "Values": states or ["pending", "running", "stopping", "stopped"]},
        ]
    )["Reservations"]
    return [instance["InstanceId"] for each in reservations for instance in each["Instances"]]


def instance_tags(ec2: Any, instance: str) -> dict[str, str]:  # noqa: ANN401
    """By key."""
    described = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    return as_mapping(described["Tags"])


class Machine:
    """A builder's disk, in a folder, and the programs it has; `failing` is the one that fails, in these words."""

    def __init__(self, root: Path, url: str, version: str, failing: str = "") -> None:
        self.root = root
        self._url = url
        programs = root / "bin"
        programs.mkdir(parents=True)
        for name in REAL:
            path = shutil.which(name)
            assert path
            (programs / name).symlink_to(path)
        stubs = {name: f'#!/bin/sh\necho "{name} $*" >>{root}/done\n' for name in STUBS}
        stubs["runuser"] = '#!/bin/sh\nshift 3\nexec "$@"\n'
        stubs["python3"] = PYTHON.format(python=sys.executable, version=version)
        if failing:
            stubs[failing] = "#!/bin/sh\necho it cannot be had >&2\nexit 7\n"
        for name, text in stubs.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)

    def boot(self, text: str) -> None:
        """Run the user data, here instead of at the root of the file system."""
        for folder in ("/opt/burstlens", "/var/cache/burstlens", "/var/lib/burstlens", "/run/burstlens-bake"):
            text = text.replace(f"'{folder}", f"'{self.root}{folder}").replace(f'"{folder}', f'"{self.root}{folder}')
        config = cloud_config(text)
        for file in config["write_files"]:
            path = self.root / file["path"].removeprefix(str(self.root)).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file["content"])
        environment = {**CREDENTIALS, "PATH": str(self.root / "bin"), "AWS_ENDPOINT_URL": self._url}
        for command in config["runcmd"]:
            subprocess.run(command, env=environment, cwd=self.root, check=False, capture_output=True)

    def done(self) -> list[str]:
        """What the stubs were called for."""
        return (self.root / "done").read_text().splitlines()


def settings_of(text: str) -> dict[str, str]:
    """A builder's settings, from its user data."""
    files = {file["path"]: file["content"] for file in cloud_config(text)["write_files"]}
    lines = files["/run/burstlens-bake/settings"].splitlines()
    return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}


def says_done(s3: Any, version: str) -> Boot:  # noqa: ANN401
    """A builder that only leaves its word."""

    def boot(text: str) -> None:
        told = settings_of(text)
        s3.put_object(Bucket=told["BUCKET"], Key=told["MARKER_KEY"], Body=f"burstlens {version}\n".encode())

    return boot
