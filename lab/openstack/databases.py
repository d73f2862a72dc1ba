"""The databases: one of MariaDB for each of OpenStack's, with their tables."""

from concurrent.futures import ThreadPoolExecutor

from lab.openstack.layout import KEYSTONE, REGION, Lab
from lab.openstack.processes import call

NAMES = ("keystone", "placement", "glance", "neutron", "nova_api", "nova_cell0", "nova_cell1")


def client(lab: Lab) -> tuple[str, ...]:
    """The command line of a client."""
    return ("mariadb", f"--defaults-file={lab.etc}/mariadb.cnf")


def initialise(lab: Lab) -> None:
    """Make MariaDB's own tables, unless they are there. Raises Unavailable: it failed."""
    done = lab.folder / "mariadb.made"
    if not done.exists():
        call(lab, "mariadb-install", "mariadb-install-db", f"--defaults-file={lab.etc}/mariadb.cnf", "--skip-test-db")
        done.touch()


def migrate(lab: Lab) -> None:
    """Make all databases and their tables, and keystone's first user; once.

    Every step can be repeated, so a start that was interrupted in the middle begins here again.

    Raises:
        Unavailable: it failed.
    """
    done = lab.folder / "databases.made"
    if done.exists():
        return
    statements = "; ".join(f"create database if not exists {name} character set utf8mb3" for name in NAMES)
    call(lab, "databases", *client(lab), f"--execute={statements}")
    with ThreadPoolExecutor() as threads:
        for made in [threads.submit(make, lab) for make in (_keystone_and_small_ones, _neutron, _nova)]:
            made.result()
    done.touch()


def _keystone_and_small_ones(lab: Lab) -> None:
    manage = (lab.tool("keystone-manage"), "--config-file", f"{lab.etc}/keystone/keystone.conf")
    owner = ("--keystone-user=root", "--keystone-group=root")
    call(lab, "db-keystone", *manage, "db_sync")
    call(lab, "db-keystone", *manage, "fernet_setup", *owner)
    call(lab, "db-keystone", *manage, "credential_setup", *owner)
    urls = [f"--bootstrap-{interface}-url={KEYSTONE}" for interface in ("internal", "public", "admin")]
    call(
        lab,
        "db-keystone",
        *(*manage, "bootstrap", f"--bootstrap-password={lab.password}", f"--bootstrap-region-id={REGION}", *urls),
    )
    placement = (lab.tool("placement-manage"), "--config-file", f"{lab.etc}/placement/placement.conf")
    call(lab, "db-placement", *placement, "db", "sync")
    call(lab, "db-glance", lab.tool("glance-manage"), "--config-file", f"{lab.etc}/glance/glance-api.conf", "db_sync")


def _neutron(lab: Lab) -> None:
    files = [f"--config-file={lab.etc}/neutron/{name}" for name in ("neutron.conf", "ml2.ini")]
    call(lab, "db-neutron", lab.tool("neutron-db-manage"), *files, "upgrade", "heads")


def _nova(lab: Lab) -> None:
    manage = (lab.tool("nova-manage"), "--config-file", f"{lab.etc}/nova/nova.conf")
    url = "mysql+pymysql://root@localhost/{}?unix_socket=" + f"{lab.run}/mariadb.sock&charset=utf8mb4"
    call(lab, "db-nova", *manage, "api_db", "sync")
    call(lab, "db-nova", *manage, "cell_v2", "map_cell0", "--database_connection", url.format("nova_cell0"))
    call(lab, "db-nova", *manage, "db", "sync")
    if "cell1" not in call(lab, "db-nova", *manage, "cell_v2", "list_cells"):
        call(lab, "db-nova", *manage, "cell_v2", "create_cell", "--name=cell1")
