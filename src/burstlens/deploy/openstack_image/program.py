"""Programs of this machine that are run to their end."""

import os
import subprocess
from collections.abc import Sequence

from burstlens.errors import Misconfigured

PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
"""Where programs are looked for: those that make file systems are not in everybody's $PATH."""

_LINES = 12


def run(command: Sequence[str], what: str) -> None:
    """Run it; `what` begins the text of its error. Whatever ends this process or this call ends it, too.

    Raises:
        Misconfigured: it fails; its last words are in the message.
    """
    # The kernel ends it with its parent, should that be killed.
    bound = ("setpriv", "--pdeathsig", "KILL", "--", *command)
    environment = {**os.environ, "PATH": PATH, "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(  # noqa: S603 - our own words
        bound, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        try:
            said, _ = process.communicate()
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        end = "\n".join(said.strip().splitlines()[-_LINES:]) or f"status {process.returncode}"
        message = f"{what} failed: {end}"
        raise Misconfigured(message)
