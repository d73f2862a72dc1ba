"""How one sees that a service does its work."""

import socket
import subprocess
import urllib.error
import urllib.request

from lab.openstack.layout import Lab

_PROBE_SECONDS = 20.0


def lives() -> bool:
    """For a service that nobody connects to: it shows by what it does, and `content` waits for that."""
    return True


def port_answers(port: int) -> bool:
    """Whether somebody listens on a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def api_answers(url: str) -> bool:
    """Whether an API gives any answer but a server's error. The first one takes seconds: it loads the API."""
    try:
        urllib.request.urlopen(url, timeout=_PROBE_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        with error:
            return error.code < 500
    except OSError:
        return False
    return True


def command_succeeds(lab: Lab, *words: str, seconds: float = _PROBE_SECONDS) -> bool:
    """Whether a client's question is answered in time."""
    try:
        done = subprocess.run(
            words,
            env=dict(lab.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
